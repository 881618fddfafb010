//! Buyer steps, which deliver to connected accounts, through changes of the relationship.

mod adding;
mod sharing;
mod state;

use entity::account::Plan;
use entity::event::EventKind;
use entity::ids::AccountId;
use entity::step::{self, StepConfig};
use entity::{connection, invitation};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ActiveModelTrait, ColumnTrait, Condition, DatabaseTransaction, IntoActiveModel, QueryFilter, Set};

use super::invitations::state::ever_sent;
pub use adding::{add, update};
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Actor, Entry};
use leadmesh_core::error::Result;
use leadmesh_core::identity::accounts;
use leadmesh_core::live::events::NewEvent;
use leadmesh_flows::sellers;
pub use sharing::{partner_warnings, warnings};
pub use state::{BuyerStepFacts, BuyerStepState, receiving, state};

/// Makes buyer steps ready that waited for an invitation, and those of a former connection, of both accounts. Steps that waited
/// to be enabled are; the others stay off until their owner enables them, so that nothing goes over a new connection by itself.
/// This makes no revision of their flows: connections have a history of their own. The caller has locked both accounts. Answers
/// the events for the sellers.
pub async fn on_accepted(
    tx: &DatabaseTransaction,
    app: &App,
    invitation: &invitation::Model,
    connection: &connection::Model,
) -> Result<Vec<NewEvent>> {
    let mut ready = Vec::new();
    for seller in [connection.low_account_id, connection.high_account_id] {
        for step in waiting(tx, seller, invitation, connection).await? {
            ready.push(make_ready(tx, app, step, connection).await?);
        }
    }
    Ok(ready)
}

/// The seller's buyer steps that the acceptance makes ready: those of this invitation, of earlier ones to the same account or
/// address, and of earlier connections.
async fn waiting(
    tx: &DatabaseTransaction,
    seller: AccountId,
    accepted: &invitation::Model,
    connection: &connection::Model,
) -> Result<Vec<step::Model>> {
    let buyer = connection.partner_of(seller);
    let sent = ever_sent(tx, seller, buyer, accepted.to_email.as_deref()).await?;
    let former = connection::Entity::ever_between(seller, buyer).all(tx).await?;
    let former = former.into_iter().map(|row| row.id).filter(|id| *id != connection.id);
    let waits = Condition::any().add(step::Column::ConnectionId.is_in(former)).add(
        step::Column::ConnectionId
            .is_null()
            .and(step::Column::InvitationId.is_in(sent)),
    );
    let steps = step::Entity::in_account(seller).filter(waits).all(tx).await?;
    let buyers = steps
        .into_iter()
        .filter(|step| matches!(step.config, StepConfig::Buyer { .. }));
    Ok(buyers.collect())
}

async fn make_ready(
    tx: &DatabaseTransaction,
    app: &App,
    step: step::Model,
    connection: &connection::Model,
) -> Result<NewEvent> {
    let seller = step.account_id;
    let mut config = step.config.clone();
    let wanted = match &mut config {
        StepConfig::Buyer { enable_when_ready, .. } => std::mem::take(enable_when_ready),
        _ => false,
    };
    let sends = connection.lets_send(seller);
    let paid = accounts::lock(tx, seller).await?.plan == Plan::Paid;
    let mut change = step.clone().into_active_model();
    change.connection_id = Set(Some(connection.id));
    change.enabled = Set(wanted && sends && paid);
    change.config = Set(config);
    let step = change.update(tx).await?;
    if sends {
        ensure_seller_source(tx, app, connection, seller).await?;
    }
    accounts::touch_config(tx, seller).await?;
    let entry = Entry::new("step.made_ready", "BuyerStep", step.id, &step.name)
        .with(serde_json::json!({ "enabled": step.enabled }));
    audit::record(tx, &app.clock, seller, &Actor::system(), entry).await?;
    Ok(NewEvent {
        scope: Some(step.id.0),
        ..NewEvent::of_account(seller, EventKind::BuyerReady, connection.id.0)
    })
}

/// Makes the source through which a seller's buyer steps deliver into the buyer's receiving flow, unless it exists.
pub async fn ensure_seller_source(
    tx: &DatabaseTransaction,
    app: &App,
    connection: &connection::Model,
    seller: AccountId,
) -> Result<()> {
    let buyer = connection.partner_of(seller);
    sellers::ensure_source(tx, app, connection.id, seller, buyer).await
}
