//! Records what attempts say about endpoints, together with their outcomes. An endpoint that works has no row and costs one query.

use std::collections::{BTreeMap, BTreeSet};

use entity::delivery_outcome::Recorded;
use entity::endpoint::{self, OpenReason};
use entity::{bulk, partner};
use sea_orm::{ActiveModelTrait, ColumnTrait, DatabaseTransaction, IntoActiveModel, QueryFilter};
use serde_json::json;
use uuid::Uuid;

use super::outcome::PendingOutcome;
use crate::breaker::{self, Observation, Signal};
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Actor, Entry};
use leadmesh_core::error::Result;

/// Applies the signals of attempts to the circuits of their endpoints. Returns whether one of these is open, or has just closed.
pub(super) async fn note_endpoints(
    app: &App,
    tx: &DatabaseTransaction,
    own: &[&PendingOutcome],
    recorded: &Recorded,
) -> Result<bool> {
    let speaking = own.iter().filter(|pending| pending.record.signal != Signal::Silent);
    let speaking: Vec<(Uuid, &PendingOutcome)> = speaking
        .filter_map(|pending| Some((pending.delivery.endpoint()?, *pending)))
        .collect();
    if speaking.is_empty() {
        return Ok(false);
    }
    let now = app.clock.now();
    let ids: BTreeSet<Uuid> = speaking.iter().map(|(id, _)| *id).collect();
    let missing = healthy_rows(&speaking)
        .into_values()
        .map(|row| row.into_active_model().reset_all());
    bulk::insert_if_absent::<endpoint::Entity>(tx, missing.collect()).await?;
    let before = endpoint::Entity::locked(tx, ids).await?;
    let before: BTreeMap<Uuid, endpoint::Model> = before.into_iter().map(|row| (row.id, row)).collect();
    let mut after = before.clone();
    for (id, pending) in speaking {
        let observed = Observation {
            delivery: &pending.delivery,
            signal: pending.record.signal,
            message: pending.failure_message(recorded),
        };
        if let Some(row) = breaker::next(after.remove(&id), observed, now, rand::random()) {
            after.insert(id, row);
        }
    }
    write(app, tx, &before, after).await
}

/// Rows for endpoints that have failed. Without a row nothing could be locked, and of two workers that record the first failures, the
/// later one would undo what the other has recorded.
fn healthy_rows(speaking: &[(Uuid, &PendingOutcome)]) -> BTreeMap<Uuid, endpoint::Model> {
    let failed = speaking
        .iter()
        .filter(|(_, pending)| pending.record.signal != Signal::Works);
    failed
        .filter_map(|(id, pending)| Some((*id, breaker::healthy(&pending.delivery)?)))
        .collect()
}

async fn write(
    app: &App,
    tx: &DatabaseTransaction,
    before: &BTreeMap<Uuid, endpoint::Model>,
    after: BTreeMap<Uuid, endpoint::Model>,
) -> Result<bool> {
    let mut any_open = false;
    let healthy: Vec<&endpoint::Model> = before.values().filter(|row| !after.contains_key(&row.id)).collect();
    if !healthy.is_empty() {
        endpoint::Entity::forget(healthy.iter().map(|row| row.id))
            .exec(tx)
            .await?;
    }
    for row in healthy.iter().filter(|row| row.open_reason.is_some()) {
        any_open = true;
        if row.open_reason == Some(OpenReason::Failing) {
            audit_change(app, tx, row, "destination.recovered").await?;
        }
    }
    for (id, row) in after {
        let old = before.get(&id);
        if old == Some(&row) {
            continue;
        }
        any_open |= row.open_reason.is_some();
        let changed = old.is_none_or(|old| old.open_reason != row.open_reason);
        match row.open_reason.filter(|_| changed) {
            Some(OpenReason::Failing) => audit_change(app, tx, &row, "destination.paused").await?,
            Some(OpenReason::Gone) => audit_change(app, tx, &row, "destination.gone").await?,
            Some(OpenReason::Throttled) | None => {}
        }
        endpoint::Entity::keep(tx, row).await?;
    }
    Ok(any_open)
}

/// Adds to the audit log of the endpoint's account.
async fn audit_change(app: &App, tx: &DatabaseTransaction, row: &endpoint::Model, action: &'static str) -> Result<()> {
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
        // Without the last error, which may repeat what was sent: audit logs are never changed.
        changes: Some(json!({ "failures": row.failures, "openUntil": row.open_until })),
    };
    audit::record(tx, &app.clock, row.account_id, &Actor::system(), entry).await
}
