//! Telling, once, that an invitation's time has passed. Nothing depends on it: whoever reads or answers an invitation looks at
//! the time.

use entity::event::EventKind;
use entity::invitation::{self, InvitationStatus};
use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, IntoActiveModel, QueryOrder, QuerySelect, Set};

use super::invitations::receiver;
use super::journal;
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::live::events::NewEvent;

/// Invitations told of in one transaction.
const PART: u64 = 100;

/// Writes that invitations have expired and tells both sides, part by part; answers how many there were.
pub async fn tell_expired(app: &App) -> Result<u64> {
    let mut told = 0;
    loop {
        let part = tell_part(app).await?;
        told += part;
        if part < PART {
            return Ok(told);
        }
    }
}

async fn tell_part(app: &App) -> Result<u64> {
    let tx = app.db.begin().await?;
    // Those that are being answered or sent again at this moment are left to that.
    let overdue = invitation::Entity::overdue(app.clock.now())
        .order_by_asc(invitation::Column::Id)
        .limit(PART)
        .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked)
        .all(&tx)
        .await?;
    let mut events = Vec::new();
    for row in &overdue {
        events.extend(write(&tx, app, row.clone()).await?);
    }
    let accounts: Vec<_> = events.iter().map(|event| event.topic.into()).collect();
    journal::append(&tx, app, events).await?;
    tx.commit().await?;
    journal::tell(app, accounts).await;
    Ok(u64::try_from(overdue.len()).unwrap_or(u64::MAX))
}

/// Writes that an invitation has expired; answers what both sides are to be told.
pub(super) async fn write(tx: &DatabaseTransaction, app: &App, row: invitation::Model) -> Result<Vec<NewEvent>> {
    let told = [Some(row.from_account_id), receiver(tx, app, &row).await?];
    let id = row.id.0;
    let mut row = row.into_active_model();
    row.status = Set(InvitationStatus::Expired);
    row.update(tx).await?;
    let expired = |account| journal::event(account, EventKind::InvitationExpired, id);
    Ok(told.into_iter().flatten().map(expired).collect())
}
