//! Resuming a partner's destination by hand.

use entity::endpoint;
use entity::ids::PartnerId;
use entity::partner::{self, Entity, Model};
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::json;

use super::health;
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry};
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;

/// Forgets what is held against a partner's endpoints, a 410 too: what waits for them is sent at once. If they do not work,
/// counting begins anew. What waits for a mail server that several partners share goes on for all of them.
pub async fn resume(app: &App, caller: &Caller, id: PartnerId) -> Result<Model> {
    let account = caller.require(Action::ManageDeliveries)?;
    let tx = app.db.begin().await?;
    let found = Entity::in_account(account).filter(partner::Column::Id.eq(id));
    let partner = found.one(&tx).await?.ok_or_else(|| {
        let message = "there is no such partner: give the id of one of your partners";
        Error::broken(UserErrorCode::NotFound, "partnerId", message)
    })?;
    let own = health::endpoints_of(&tx, account, id).await?;
    let rows = endpoint::Entity::in_account(account).all(&tx).await?;
    let theirs = rows
        .iter()
        .filter(|row| own.contains(&row.id) || row.partner_id == Some(id));
    let theirs: Vec<_> = theirs.map(|row| row.id).collect();
    let held = endpoint::Entity::locked(&tx, theirs.clone()).await?;
    if held.iter().any(|row| row.hold.is_some()) {
        let entry = Entry {
            action: "destination.resumed",
            subject_type: "Partner",
            subject_id: id.to_string(),
            label: Some(&partner.name),
            // Not why: that may repeat what was sent, and trails are never changed.
            changes: Some(json!({ "holds": held.iter().filter_map(|row| row.hold).collect::<Vec<_>>() })),
        };
        audit::record(&tx, &app.clock, account, &caller.who(), entry).await?;
    }
    endpoint::Entity::forget(theirs).exec(&tx).await?;
    tx.commit().await?;
    app.queue.set_holds(true);
    app.queue.doorbell.notify_one();
    Ok(partner)
}
