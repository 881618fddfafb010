//! What attempts say about endpoints, recorded with their outcomes. Endpoints that work have no row and cost one look.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::delivery_outcome::Held;
use entity::endpoint::{self, Hold};
use entity::{bulk, partner};
use sea_orm::{ActiveModelTrait, ColumnTrait, DatabaseTransaction, IntoActiveModel, QueryFilter};
use serde_json::json;
use uuid::Uuid;

use super::finish::Finished;
use crate::breaker::{self, Bearing, Seen};
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry, Who};
use leadmesh_core::error::Result;

/// Notes what was seen of endpoints; answers whether one is held or has just been let go.
pub(super) async fn note_endpoints(
    app: &App,
    tx: &DatabaseTransaction,
    (recorded, held): (&[&Finished], &Held),
    now: DateTime<Utc>,
) -> Result<bool> {
    let told = recorded.iter().filter(|finished| finished.bearing != Bearing::Silent);
    let told: Vec<(Uuid, &Finished)> = told
        .filter_map(|finished| Some((finished.delivery.endpoint()?, *finished)))
        .collect();
    if told.is_empty() {
        return Ok(false);
    }
    let ids: BTreeSet<Uuid> = told.iter().map(|(id, _)| *id).collect();
    let first = blanks(&told)
        .into_values()
        .map(|row| row.into_active_model().reset_all());
    bulk::insert_if_absent::<endpoint::Entity>(tx, first.collect()).await?;
    let before = endpoint::Entity::locked(tx, ids).await?;
    let before: BTreeMap<Uuid, endpoint::Model> = before.into_iter().map(|row| (row.id, row)).collect();
    let mut after = before.clone();
    for (id, finished) in told {
        let seen = Seen {
            delivery: &finished.delivery,
            bearing: finished.bearing,
            message: finished.words(held),
        };
        if let Some(row) = breaker::after(after.remove(&id), seen, now, rand::random()) {
            after.insert(id, row);
        }
    }
    write(app, tx, &before, after).await
}

/// Rows of those that have failed, to be there if they are not yet, in one order. Without one nothing could be locked, and of
/// two workers that note the first failures at once the later one would undo what the other has noted.
fn blanks(told: &[(Uuid, &Finished)]) -> BTreeMap<Uuid, endpoint::Model> {
    let failed = told.iter().filter(|(_, finished)| finished.bearing != Bearing::Works);
    failed
        .filter_map(|(id, finished)| Some((*id, breaker::blank(&finished.delivery)?)))
        .collect()
}

async fn write(
    app: &App,
    tx: &DatabaseTransaction,
    before: &BTreeMap<Uuid, endpoint::Model>,
    after: BTreeMap<Uuid, endpoint::Model>,
) -> Result<bool> {
    let mut held = false;
    let gone: Vec<&endpoint::Model> = before.values().filter(|row| !after.contains_key(&row.id)).collect();
    if !gone.is_empty() {
        endpoint::Entity::forget(gone.iter().map(|row| row.id)).exec(tx).await?;
    }
    for row in gone.iter().filter(|row| row.hold.is_some()) {
        held = true;
        if row.hold == Some(Hold::Failing) {
            tell(app, tx, row, "destination.recovered").await?;
        }
    }
    for (id, row) in after {
        let old = before.get(&id);
        if old == Some(&row) {
            continue;
        }
        let new_hold = row.hold.filter(|_| old.is_none_or(|old| old.hold != row.hold));
        held |= row.hold.is_some();
        match new_hold {
            Some(Hold::Failing) => tell(app, tx, &row, "destination.paused").await?,
            Some(Hold::Gone) => tell(app, tx, &row, "destination.gone").await?,
            Some(Hold::Throttled) | None => {}
        }
        endpoint::Entity::keep(tx, row).await?;
    }
    Ok(held)
}

/// Adds to the trail of the account whose endpoint it is.
async fn tell(app: &App, tx: &DatabaseTransaction, row: &endpoint::Model, action: &'static str) -> Result<()> {
    let partner = match row.partner_id {
        Some(id) => {
            let found = partner::Entity::in_account(row.account_id).filter(partner::Column::Id.eq(id));
            found.one(tx).await?
        }
        None => None,
    };
    tracing::info!(endpoint = %row.id, action, "a destination has changed its state");
    let (subject_type, subject_id) = match &partner {
        Some(partner) => ("Partner", partner.id.to_string()),
        None => ("Account", row.account_id.to_string()),
    };
    let entry = Entry {
        action,
        subject_type,
        subject_id,
        label: partner
            .as_ref()
            .map_or(Some("mail server"), |partner| Some(partner.name.as_str())),
        // Not why: that may repeat what was sent, and trails are never changed.
        changes: Some(json!({ "failures": row.failures, "openUntil": row.held_until })),
    };
    audit::record(tx, &app.clock, row.account_id, &Who::system(), entry).await
}
