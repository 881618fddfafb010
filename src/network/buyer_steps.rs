//! Steps that deliver to connected accounts: what becomes of them, and of what is on its way, with the relationship.

mod adding;
mod sharing;
mod state;

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use entity::account::Plan;
use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus};
use entity::event::EventKind;
use entity::ids::{AccountId, InvitationId};
use entity::step::{self, StepConfig};
use entity::{cap_usage, connection, invitation};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, DatabaseTransaction, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, Set,
};

use crate::app::App;
use crate::audit::{self, Entry, Who};
use crate::error::Result;
use crate::flows::sellers;
use crate::identity::accounts;
use crate::leads::allocate::Counter;
use crate::leads::intake::delivery_event;
use crate::live::events::{self, NewEvent};
pub use adding::{add, update};
pub use sharing::warnings;
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
    sellers::ensure_source(tx, app, connection.id, (seller, buyer)).await
}

/// How old failed deliveries are at most that the end of a connection still ends.
const LATELY: TimeDelta = TimeDelta::days(1);
/// How many of them at most.
const MOST_CANCELLED: u64 = 500;

/// Ends what is on its way over a connection: CANCELLED with DISCONNECTED, with its places on caps given back. What a worker is
/// sending this moment is ended by that worker, which looks at the connection before it commits. Answers the events that tell of
/// it: logs are locked after counters.
pub async fn on_terminated(
    tx: &DatabaseTransaction,
    app: &App,
    connection: &connection::Model,
) -> Result<Vec<NewEvent>> {
    let now = app.clock.now();
    let waiting = delivery::Column::Status.is_in([DeliveryStatus::Queued, DeliveryStatus::Retrying]);
    let waiting = delivery::Entity::over(connection.id).filter(waiting).lock_exclusive();
    let mut rows = waiting.all(tx).await?;
    // What waits for the buyer to get ready waits in vain now. Older ones stay as they are: ending a connection must not take
    // long, and must not rewrite what was reported.
    let in_vain = delivery::Entity::over(connection.id)
        .filter(delivery::Column::Status.eq(DeliveryStatus::Failed))
        .filter(delivery::Column::FailureCode.eq(DeliveryErrorCode::BuyerNotReady))
        .filter(delivery::Column::CreatedAt.gt(now - LATELY))
        .order_by_desc(delivery::Column::Id)
        .limit(MOST_CANCELLED)
        .lock_exclusive();
    rows.extend(in_vain.all(tx).await?);
    release(tx, &rows).await?;
    let mut told = Vec::with_capacity(rows.len());
    for row in rows {
        told.push(delivery_event(&cancel(tx, row, now).await?));
    }
    Ok(told)
}

async fn cancel(tx: &DatabaseTransaction, row: delivery::Model, now: DateTime<Utc>) -> Result<delivery::Model> {
    let mut change = row.into_active_model();
    change.status = Set(DeliveryStatus::Cancelled);
    change.due_at = Set(None);
    change.settled_at = Set(Some(now));
    change.failure_code = Set(Some(DeliveryErrorCode::Disconnected));
    change.failure_message = Set(Some("the connection has ended".into()));
    Ok(change.update(tx).await?)
}

/// Gives places on caps back in the one order in which everybody locks them. Failed deliveries have given theirs back.
async fn release(tx: &DatabaseTransaction, rows: &[delivery::Model]) -> Result<()> {
    let open = rows.iter().filter(|row| !row.status.is_settled());
    let reservations = open.flat_map(|row| &row.reservations.0);
    let mut counted: Vec<Counter> = reservations.map(|place| (place.cap, place.window)).collect();
    counted.sort_unstable();
    for (cap, window) in counted {
        cap_usage::Entity::release(tx, cap, window).await?;
    }
    Ok(())
}
