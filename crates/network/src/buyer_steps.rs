//! Steps that deliver to connected accounts: what becomes of them with the relationship.

mod adding;
mod sharing;
mod state;

use std::collections::BTreeSet;

use entity::account::Plan;
use entity::event::EventKind;
use entity::ids::{AccountId, InvitationId};
use entity::step::{self, StepConfig};
use entity::{connection, invitation};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ActiveModelTrait, ColumnTrait, Condition, DatabaseTransaction, IntoActiveModel, QueryFilter, Set};

pub use adding::{add, update};
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry, Who};
use leadmesh_core::error::Result;
use leadmesh_core::identity::accounts;
use leadmesh_core::live::events::{self, NewEvent};
use leadmesh_flows::sellers;
pub use sharing::{partner_warnings, warnings};
pub use state::{BuyerStepState, Standing, receiving, state};

/// Makes the buyer steps that waited for an invitation ready, and those of a former connection: of both accounts, whoever
/// invited whom. Those that waited to be enabled are; the others stay off until their owner switches them on, so that nothing
/// goes over a new connection by itself.
///
/// This is no change of their flows by the owners, and makes no revision: connections have a history of their own. The caller
/// holds both accounts and both logs.
pub async fn on_accepted(
    tx: &DatabaseTransaction,
    app: &App,
    invitation: &invitation::Model,
    connection: &connection::Model,
) -> Result<()> {
    let mut ready = Vec::new();
    for seller in [connection.low_account_id, connection.high_account_id] {
        for step in waiting(tx, seller, invitation, connection).await? {
            ready.push(make_ready(tx, app, step, (seller, connection)).await?);
        }
    }
    events::append(tx, app.clock.now(), ready).await?;
    Ok(())
}

/// The buyer steps of one side that the other side's acceptance makes ready: those of this invitation, of earlier ones to the
/// same account or address, and of earlier connections.
async fn waiting(
    tx: &DatabaseTransaction,
    seller: AccountId,
    accepted: &invitation::Model,
    connection: &connection::Model,
) -> Result<Vec<step::Model>> {
    let buyer = connection.partner_of(seller);
    let to_buyer = Condition::any()
        .add(invitation::Column::ToAccountId.eq(buyer))
        .add_option(
            accepted
                .to_email
                .as_ref()
                .map(|email| invitation::Column::ToEmail.eq(email.as_str())),
        );
    let sent = invitation::Entity::sent_by(seller).filter(to_buyer).all(tx).await?;
    let mut sent: BTreeSet<InvitationId> = sent.into_iter().map(|row| row.id).collect();
    if accepted.from_account_id == seller {
        sent.insert(accepted.id);
    }
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
    (seller, connection): (AccountId, &connection::Model),
) -> Result<NewEvent> {
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
    let entry = Entry {
        action: "step.made_ready",
        subject_type: "BuyerStep",
        subject_id: step.id.to_string(),
        label: Some(&step.name),
        changes: Some(serde_json::json!({ "enabled": step.enabled })),
    };
    audit::record(tx, &app.clock, seller, &Who::system(), entry).await?;
    Ok(NewEvent {
        topic: seller.0,
        kind: EventKind::BuyerReady,
        subject: connection.id.0,
        scope: Some(step.id.0),
        detail: None,
        outcome: None,
    })
}

/// Makes the source through which a seller's buyer steps deliver into the buyer's receiving flow, unless it is there: when a
/// step becomes ready, and when the buyer chooses another receiving flow.
pub async fn ensure_seller_source(
    tx: &DatabaseTransaction,
    app: &App,
    connection: &connection::Model,
    seller: AccountId,
) -> Result<()> {
    let buyer = connection.partner_of(seller);
    sellers::ensure_source(tx, app, connection.id, seller, buyer).await
}
