//! Deliveries whose lead cannot be read: its row is damaged, or the key to its encrypted values is missing. Each fails by itself,
//! at once and with the reason; a retry by hand delivers it once the lead can be read again. One whose lead was erased since it
//! was due is cancelled: what is left of it is nothing.

use chrono::{DateTime, Utc};
use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus};
use entity::delivery_outcome::{self, Outcome};
use entity::{bulk, delivery_attempt};
use sea_orm::DatabaseTransaction;

use super::reroute;
use super::routes::Routes;
use crate::erasure;
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::live::events;
use leadmesh_leads::intake::delivery_event;

const WHY: &str = "the lead cannot be read, nothing was sent: see the server's log, then retry the delivery";

/// Ends those of them that this worker still holds. No other partner gets the lead in their place: it cannot be read for
/// that one either.
pub(super) async fn end(app: &App, rows: &[delivery::Model]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let now = app.clock.now();
    let tx = app.db.begin().await?;
    let outcomes: Vec<Outcome> = rows.iter().map(|row| failed(row, now)).collect();
    let held = delivery_outcome::record(&tx, &outcomes).await?;
    let rows = rows.iter().filter(|row| held.contains(&row.id));
    let (erased, damaged): (Vec<&delivery::Model>, Vec<_>) = rows.partition(|row| held.is_erased(row.id));
    let attempt =
        |row: &&delivery::Model| delivery_attempt::Entity::unanswered(row, now, DeliveryErrorCode::Template, WHY);
    let attempts = damaged.iter().map(attempt).collect();
    bulk::insert_if_absent::<delivery_attempt::Entity>(&tx, attempts).await?;
    let ended: Vec<_> = erased.iter().chain(&damaged).map(|row| (*row, None)).collect();
    reroute::follow(app, &tx, &ended, &Routes::default(), now).await?;
    for row in &erased {
        delivery::Entity::cancel_erased(row.id, erasure::ERASED)
            .exec(&tx)
            .await?;
    }
    tell_of_erasure(app, &tx, &erased).await?;
    let cancelled = erased.iter().map(|row| told(row, DeliveryStatus::Cancelled));
    let failed = damaged.iter().map(|row| told(row, DeliveryStatus::Failed));
    let heads = events::append(&tx, now, cancelled.chain(failed).collect()).await?;
    tx.commit().await?;
    for row in damaged {
        let age = now - row.created_at;
        app.metrics.attempted(row.channel, DeliveryStatus::Failed, age);
    }
    app.hub.tell(&heads);
    Ok(())
}

/// An attempt whose end nobody saw may have been written down since the lead was erased: then the recipient may have it, and has
/// to be told.
async fn tell_of_erasure(app: &App, tx: &DatabaseTransaction, erased: &[&delivery::Model]) -> Result<()> {
    if erased.is_empty() {
        return Ok(());
    }
    let rows: Vec<delivery::Model> = erased.iter().map(|row| (*row).clone()).collect();
    let attempts = delivery_attempt::Entity::of_deliveries(rows.iter().map(|row| row.id));
    let attempts = attempts.all(tx).await?;
    erasure::write_down(app, tx, &rows, &attempts).await
}

fn told(row: &delivery::Model, status: DeliveryStatus) -> events::NewEvent {
    delivery_event(&delivery::Model { status, ..row.clone() })
}

fn failed(row: &delivery::Model, now: DateTime<Utc>) -> Outcome {
    Outcome {
        id: row.id,
        owner: row.lease_owner.unwrap_or_default(),
        attempt: row.attempt_count,
        spends: true,
        status: DeliveryStatus::Failed,
        due_at: None,
        settled_at: Some(now),
        failure: Some((DeliveryErrorCode::Template, WHY.into())),
        external_id: None,
    }
}
