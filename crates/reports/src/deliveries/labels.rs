//! What rows are called.

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat, Utc};
use entity::ids::{AccountId, FlowId, PartnerId, ProfileId};
use entity::{flow, partner, profile};
use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::dimension::{Axis, Dimension, Place};
use super::{Heading, Places, Row};
use leadmesh_core::error::Result;
use leadmesh_core::identity::accounts;
use leadmesh_delivery::counts::Counts;
use leadmesh_flows::timezone;

/// The key of what has none.
const NONE: &str = "NONE";

/// Gives rows their keys and labels.
pub(super) async fn name(
    db: &impl ConnectionTrait,
    account: AccountId,
    axes: &[Axis],
    rows: Vec<(Places, Counts)>,
) -> Result<Vec<Row>> {
    let mut names = Vec::with_capacity(axes.len());
    for (index, axis) in axes.iter().enumerate() {
        let mut ids: Vec<Uuid> = rows.iter().filter_map(|(places, _)| id(places.get(index)?)).collect();
        ids.sort_unstable();
        ids.dedup();
        names.push(load(db, account, axis.dimension, ids).await?);
    }
    let labelled = rows.into_iter().map(|(places, counts)| {
        let headings = places.iter().zip(axes.iter().zip(&names));
        let headings = headings.map(|(place, (axis, names))| heading(axis, place, names));
        Row {
            headings: headings.collect(),
            counts,
        }
    });
    Ok(labelled.collect())
}

fn id(place: &Place) -> Option<Uuid> {
    match place {
        Place::Id(id) => Some(*id),
        _ => None,
    }
}

async fn load(
    db: &impl ConnectionTrait,
    account: AccountId,
    dimension: Dimension,
    ids: Vec<Uuid>,
) -> Result<HashMap<Uuid, String>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let named: Vec<(Uuid, String)> = match dimension {
        Dimension::Partner => {
            let mine = partner::Entity::in_account(account).filter(partner::Column::Id.is_in(ids));
            let mine = mine.select_only().columns([partner::Column::Id, partner::Column::Name]);
            mine.into_tuple().all(db).await?
        }
        Dimension::Profile => {
            let mine = profile::Entity::in_account(account).filter(profile::Column::Id.is_in(ids));
            let mine = mine.select_only().columns([profile::Column::Id, profile::Column::Name]);
            mine.into_tuple().all(db).await?
        }
        Dimension::Flow => {
            let mine = flow::Entity::ever_in_account(account).filter(flow::Column::Id.is_in(ids));
            let mine = mine.select_only().columns([flow::Column::Id, flow::Column::Name]);
            mine.into_tuple().all(db).await?
        }
        Dimension::Buyer => {
            let ids = ids.into_iter().map(AccountId).collect();
            let accounts = accounts::profiles(db, ids).await?;
            accounts
                .into_iter()
                .map(|account| (account.id.0, account.name))
                .collect()
        }
        _ => Vec::new(),
    };
    Ok(named.into_iter().collect())
}

fn heading(axis: &Axis, place: &Place, names: &HashMap<Uuid, String>) -> Heading {
    match place {
        Place::None => Heading {
            key: NONE.to_owned(),
            label: "none".to_owned(),
        },
        Place::Word(word) => Heading {
            key: word.clone(),
            label: word.to_lowercase().replace('_', " "),
        },
        Place::Id(id) => {
            let key = match axis.dimension {
                Dimension::Buyer => AccountId(*id).to_string(),
                Dimension::Profile => ProfileId(*id).to_string(),
                Dimension::Flow => FlowId(*id).to_string(),
                _ => PartnerId(*id).to_string(),
            };
            // What was deleted since has no name any more.
            let label = names.get(id).cloned().unwrap_or_else(|| key.clone());
            Heading { key, label }
        }
        Place::Span(number) => {
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
