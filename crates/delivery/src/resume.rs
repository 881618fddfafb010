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

/// Closes the circuits of a partner's endpoints, even after a 410: suspended deliveries are sent now. Failures are counted anew. If
/// several partners share a mail server, its deliveries to all of them go on.
pub async fn resume(app: &App, caller: &Caller, id: PartnerId) -> Result<Model> {
    let account = caller.require(Action::ManageDeliveries)?;
    let tx = app.db.begin().await?;
    let found = Entity::in_account(account).filter(partner::Column::Id.eq(id));
    let partner = found.one(&tx).await?.ok_or_else(|| {
        let message = "there is no such partner: give the id of one of your partners";
        Error::user(UserErrorCode::NotFound, "partnerId", message)
    })?;
    let own = health::endpoints_of(&tx, account, id).await?;
    let rows = endpoint::Entity::in_account(account).all(&tx).await?;
    let theirs = rows
        .iter()
        .filter(|row| own.contains(&row.id) || row.partner_id == Some(id));
    let theirs: Vec<_> = theirs.map(|row| row.id).collect();
    let circuits = endpoint::Entity::locked(&tx, theirs.clone()).await?;
    if circuits.iter().any(|row| row.open_reason.is_some()) {
        let entry = Entry {
            action: "destination.resumed",
            subject_type: "Partner",
            subject_id: id.to_string(),
            label: Some(&partner.name),
            // Without the last error, which may repeat what was sent: audit logs are never changed.
            changes: Some(json!({ "holds": circuits.iter().filter_map(|row| row.open_reason).collect::<Vec<_>>() })),
        };
        audit::record(&tx, &app.clock, account, &caller.actor(), entry).await?;
    }
    endpoint::Entity::forget(theirs).exec(&tx).await?;
    tx.commit().await?;
    app.queue.set_open_circuits(true);
    app.queue.doorbell.notify_one();
    Ok(partner)
}
