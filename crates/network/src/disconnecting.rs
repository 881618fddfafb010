//! Cancels the open deliveries over an ended connection: CANCELLED with DISCONNECTED, and their cap reservations released.
//!
//! It follows the end in transactions of its own, for there may be hundreds of thousands of deliveries. The delay does no harm: no
//! lead is stored over an ended connection, and no delivery is sent, because the attempt checks the connection in the transaction
//! that would deliver it. The connection's row stores that the work is unfinished, so it may be interrupted at any time.

use chrono::{DateTime, TimeDelta, Utc};
use entity::connection;
use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus};
use entity::ids::{ConnectionId, DeliveryId};
use sea_orm::{QueryOrder, QuerySelect};

use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_delivery::finish::{self, Ending};

/// Deliveries cancelled in one transaction: it bounds how long leads wait.
const STEP: u64 = 250;
/// Transactions that the ending request waits for; housekeeping makes the others.
const STEPS_AT_ONCE: usize = 4;
/// Ended connections in one round of housekeeping.
const CONNECTIONS: u64 = 100;
/// Deliveries that failed this long before the end of the connection are cancelled, because they waited for the buyer to get
/// ready. Older ones were reported as failed, and stay so.
const LATELY: TimeDelta = TimeDelta::days(1);

/// Cancels the first ones. Errors are left to housekeeping: the connection has ended all the same.
pub async fn begin(app: &App, ended: &connection::Model) {
    if let Err(error) = steps(app, ended, Some(STEPS_AT_ONCE)).await {
        tracing::warn!(?error, connection = %ended.id, "deliveries over an ended connection are cancelled later");
    }
}

/// Cancels what is left of ended connections; answers of how many.
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

/// Cancels until nothing is left, or `most` transactions were made.
async fn steps(app: &App, ended: &connection::Model, most: Option<usize>) -> Result<()> {
    let failed_since = ended.terminated_at.unwrap_or(ended.connected_at) - LATELY;
    let mut made = 0;
    while most.is_none_or(|most| made < most) {
        let ids = candidates(app, ended.id, failed_since).await?;
        if ids.is_empty() {
            connection::Entity::all_cancelled(ended.id).exec(app.db.write()).await?;
            return Ok(());
        }
        cancel(app, ended.id, ids, failed_since).await?;
        made += 1;
    }
    Ok(())
}

/// Deliveries to cancel, read outside the transaction.
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

/// Cancels those that no worker has claimed since. A worker ends what it is sending.
async fn cancel(app: &App, connection: ConnectionId, ids: Vec<DeliveryId>, failed_since: DateTime<Utc>) -> Result<()> {
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
