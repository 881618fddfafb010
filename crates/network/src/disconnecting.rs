//! Cancelling what was on its way over a connection that has ended: CANCELLED with DISCONNECTED, with its places on caps given back.
//!
//! This follows the revocation and is no part of it, for there may be hundreds of thousands: no lead is stored after the revocation
//! commits, and no delivery is sent, because whoever attempts one looks at the connection in the transaction that would deliver it,
//! and ends it in the same way. So it does not matter when this is done, and how often it is interrupted; the connection's row keeps
//! that it is not over.

use chrono::{DateTime, TimeDelta, Utc};
use entity::connection;
use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus};
use entity::ids::{ConnectionId, DeliveryId};
use sea_orm::{QueryOrder, QuerySelect};

use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_delivery::finish::{self, Ending};

/// Deliveries cancelled in one transaction: leads wait no longer than that takes.
const STEP: u64 = 250;
/// Transactions that whoever ends the connection waits for; housekeeping makes the others.
const STEPS_AT_ONCE: usize = 4;
/// Ended connections looked at in one round of housekeeping.
const CONNECTIONS: u64 = 100;
/// How long before the end of the connection deliveries have failed at most that are cancelled, because they wait in vain for the
/// buyer to get ready. What is older was reported as failed, and stays so.
const LATELY: TimeDelta = TimeDelta::days(1);

/// Cancels the first of them. What goes wrong is left to housekeeping: the connection has ended all the same.
pub async fn begin(app: &App, ended: &connection::Model) {
    if let Err(error) = steps(app, ended, Some(STEPS_AT_ONCE)).await {
        tracing::warn!(?error, connection = %ended.id, "deliveries over an ended connection are cancelled later");
    }
}

/// Cancels what earlier ends of connections have left; answers of how many connections.
pub async fn finish(app: &App) -> Result<usize> {
    let left = connection::Entity::cancelling()
        .order_by_asc(connection::Column::Id)
        .limit(CONNECTIONS)
        .all(app.db.read())
        .await?;
    for ended in &left {
        steps(app, ended, None).await?;
    }
    Ok(left.len())
}

/// Step by step, until nothing is left or so many were made.
async fn steps(app: &App, ended: &connection::Model, most: Option<usize>) -> Result<()> {
    let failed_since = ended.terminated_at.unwrap_or(ended.connected_at) - LATELY;
    let mut made = 0;
    while most.is_none_or(|most| made < most) {
        let ids = candidates(app, ended.id, failed_since).await?;
        if ids.is_empty() {
            connection::Entity::all_cancelled(ended.id).exec(app.db.write()).await?;
            return Ok(());
        }
        cancel(app, (ended.id, ids), failed_since).await?;
        made += 1;
    }
    Ok(())
}

/// Some that are to be cancelled, read where nobody waits for it.
async fn candidates(app: &App, connection: ConnectionId, failed_since: DateTime<Utc>) -> Result<Vec<DeliveryId>> {
    let id = delivery::Column::Id;
    let open = delivery::Entity::open_over(connection, STEP).select_only().column(id);
    let open: Vec<DeliveryId> = open.into_tuple().all(app.db.read()).await?;
    if !open.is_empty() {
        return Ok(open);
    }
    let in_vain = delivery::Entity::not_ready_over(connection, failed_since, STEP);
    let in_vain = in_vain.select_only().column(id).into_tuple();
    Ok(in_vain.all(app.db.read()).await?)
}

/// Cancels those that still wait. What a worker attempts at this moment is ended by that worker.
async fn cancel(
    app: &App,
    (connection, ids): (ConnectionId, Vec<DeliveryId>),
    failed_since: DateTime<Utc>,
) -> Result<()> {
    let now = app.clock.now();
    let tx = app.db.begin().await?;
    let rows = delivery::Entity::cancellable_over(&tx, connection, ids, failed_since);
    let rows = rows.all(&tx).await?;
    delivery::Entity::disconnect(&tx, rows.iter().map(|row| row.id), now).await?;
    let endings = rows
        .iter()
        .map(|row| Ending::new(row, DeliveryStatus::Cancelled, Some(DeliveryErrorCode::Disconnected)));
    let effects = finish::finish(app, &tx, endings.collect(), now).await?;
    effects.commit(app, tx, now).await
}
