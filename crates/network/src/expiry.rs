//! Notifies inviters, once, of expired invitations. Nothing depends on it: reads and answers compare the time themselves.

use entity::invitation;
use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{QueryOrder, QuerySelect};

use super::invitations::state::expire;
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::live::events;

/// Invitations in one transaction.
const PART: u64 = 100;

/// Marks overdue invitations as expired and notifies both accounts; answers how many there were.
pub async fn expire_overdue(app: &App) -> Result<u64> {
    let mut expired = 0;
    loop {
        let part = expire_batch(app).await?;
        expired += part;
        if part < PART {
            return Ok(expired);
        }
    }
}

async fn expire_batch(app: &App) -> Result<u64> {
    let tx = app.db.begin().await?;
    // Skips invitations that are being answered or resent.
    let overdue = invitation::Entity::overdue(app.clock.now())
        .order_by_asc(invitation::Column::Id)
        .limit(PART)
        .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked)
        .all(&tx)
        .await?;
    let mut events = Vec::new();
    for row in &overdue {
        events.extend(expire(&tx, app, row.clone()).await?);
    }
    let heads = events::append(&tx, app.clock.now(), events).await?;
    tx.commit().await?;
    app.hub.notify(&heads);
    Ok(u64::try_from(overdue.len()).unwrap_or(u64::MAX))
}
