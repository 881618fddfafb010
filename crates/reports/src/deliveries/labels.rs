//! The names of groups.

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat, Utc};
use entity::ids::{AccountId, FlowId, PartnerId, ProfileId};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::dimension::{Axis, AxisValue, Dimension};
use super::{GroupKey, Heading, Row};
use crate::names;
use leadmesh_core::error::Result;
use leadmesh_delivery::counts::Counts;
use leadmesh_flows::timezone;

/// The key of deliveries without a value.
const NONE: &str = "NONE";

/// Gives rows their keys and labels.
pub(super) async fn name(
    db: &impl ConnectionTrait,
    account: AccountId,
    axes: &[Axis],
    rows: Vec<(GroupKey, Counts)>,
) -> Result<Vec<Row>> {
    let mut axis_names = Vec::with_capacity(axes.len());
    for (index, axis) in axes.iter().enumerate() {
        let ids: Vec<Uuid> = rows.iter().filter_map(|(key, _)| id(key.get(index)?)).collect();
        axis_names.push(names::load(db, account, axis.dimension, ids).await?);
    }
    let labelled = rows.into_iter().map(|(key, counts)| {
        let headings = key.iter().zip(axes.iter().zip(&axis_names));
        let headings = headings.map(|(value, (axis, names))| heading(axis, value, names));
        Row {
            headings: headings.collect(),
            counts,
        }
    });
    Ok(labelled.collect())
}

fn id(value: &AxisValue) -> Option<Uuid> {
    match value {
        AxisValue::Id(id) => Some(*id),
        _ => None,
    }
}

fn heading(axis: &Axis, value: &AxisValue, names: &HashMap<Uuid, String>) -> Heading {
    match value {
        AxisValue::None => Heading {
            key: NONE.to_owned(),
            label: "none".to_owned(),
        },
        AxisValue::Word(word) => Heading {
            key: word.clone(),
            label: word.to_lowercase().replace('_', " "),
        },
        AxisValue::Id(id) => {
            let key = match axis.dimension {
                Dimension::Buyer => AccountId(*id).to_string(),
                Dimension::Profile => ProfileId(*id).to_string(),
                Dimension::Flow => FlowId(*id).to_string(),
                _ => PartnerId(*id).to_string(),
            };
            // Deleted objects have no name.
            let label = names.get(id).cloned().unwrap_or_else(|| key.clone());
            Heading { key, label }
        }
        AxisValue::Span(number) => {
            let start = usize::try_from(*number).ok().and_then(|number| axis.spans.get(number));
            moment(axis, start.copied().unwrap_or_default())
        }
    }
}

fn moment(axis: &Axis, start: DateTime<Utc>) -> Heading {
    let local = start.with_timezone(&timezone::stored(&axis.zone));
    if axis.dimension == Dimension::Hour {
        return Heading {
            key: local.to_rfc3339_opts(SecondsFormat::Secs, false),
            label: local.format("%Y-%m-%d %H:%M").to_string(),
        };
    }
    let day = local.format("%Y-%m-%d").to_string();
    Heading {
        key: day.clone(),
        label: day,
    }
}
