//! How deliveries into other accounts end, and recording it with all that follows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::connection::{self, ConnectionStatus};
use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus};
use entity::delivery_outcome::{self, Outcome};
use entity::event::EventKind;
use entity::lead::LeadOutcome;
use entity::{bulk, delivery_attempt};
use sea_orm::{ActiveModelTrait, ColumnTrait, DatabaseTransaction, QueryFilter, QuerySelect, Set, Unchanged};

use crate::worker::claim::give_up_unknown;
use crate::worker::reroute::{self, Plan};
use crate::{erasure, reservations};
use leadmesh_core::app::App;
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::live::events;
use leadmesh_core::queue::LeadContent;
use leadmesh_leads::intake::{Settled, delivery_event, lock, refusal};
use leadmesh_leads::receipts::Receipt;
use leadmesh_leads::snapshot::PriceE4;

/// How a delivery ends.
pub(super) struct Ending {
    status: DeliveryStatus,
    failure: Option<(DeliveryErrorCode, String)>,
    external_id: Option<String>,
    price: Option<PriceE4>,
}

impl Ending {
    /// As the buyer's flow has decided.
    pub(super) fn of(receipt: Option<Receipt>) -> Self {
        let Some(receipt) = receipt else {
            return Self::not_ready("its flow gave no answer");
        };
        let accepted = receipt.outcome == LeadOutcome::Accepted;
        Self {
            status: if accepted {
                DeliveryStatus::Delivered
            } else {
                DeliveryStatus::Refused
            },
            failure: (!accepted).then(|| (DeliveryErrorCode::BuyerRejected, refusal(&receipt.reasons))),
            external_id: Some(receipt.id.to_string()),
            price: receipt.price,
        }
    }

    /// Nothing goes over any more.
    pub(super) fn disconnected(why: &str) -> Self {
        Self::without_lead(DeliveryStatus::Cancelled, DeliveryErrorCode::Disconnected, why.into())
    }

    /// Nothing goes over now.
    pub(super) fn held_up(connection: &connection::Model) -> Self {
        let why = match connection.status {
            ConnectionStatus::Suspended => "the connection is suspended: retry when it goes on",
            _ => "the relationship does not let leads go to this account: ask it for a wider one, then retry",
        };
        Self::without_lead(DeliveryStatus::Failed, DeliveryErrorCode::Disconnected, why.into())
    }

    /// The buyer cannot take it.
    pub(super) fn not_ready(why: &str) -> Self {
        let message = format!("the buyer cannot take leads now: {why}");
        Self::without_lead(DeliveryStatus::Failed, DeliveryErrorCode::BuyerNotReady, message)
    }

    /// There is nothing left to go over.
    pub(super) fn erased() -> Self {
        Self::without_lead(
            DeliveryStatus::Cancelled,
            DeliveryErrorCode::Cancelled,
            erasure::ERASED.into(),
        )
    }

    /// It would come back.
    pub(super) fn looped(why: &str) -> Self {
        let message = format!("LOOP: {why}");
        Self::without_lead(DeliveryStatus::Refused, DeliveryErrorCode::BuyerRejected, message)
    }

    /// Whether the buyer has the lead.
    pub(super) fn is_delivered(&self) -> bool {
        self.status == DeliveryStatus::Delivered
    }

    fn without_lead(status: DeliveryStatus, code: DeliveryErrorCode, message: String) -> Self {
        Self {
            status,
            failure: Some((code, message)),
            external_id: None,
            price: None,
        }
    }
}

/// What is recorded besides.
pub(super) struct Recorded<'a> {
    pub(super) delivery: &'a delivery::Model,
    pub(super) content: &'a Arc<LeadContent>,
    pub(super) started_at: DateTime<Utc>,
    pub(super) duration: Duration,
}

/// Who has a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// This worker.
    Held,
    /// This worker, but its lead was erased.
    Erased,
    /// Somebody else.
    Lost,
}

/// Whether this worker still holds the delivery; locks it.
pub(super) async fn stands(tx: &DatabaseTransaction, held: &delivery::Model) -> Result<Standing> {
    let row = delivery::Entity::in_account(held.account_id).filter(delivery::Column::Id.eq(held.id));
    let row = row.lock_exclusive().one(tx).await?;
    let own = |row: &delivery::Model| {
        row.status == DeliveryStatus::Sending
            && row.lease_owner == held.lease_owner
            && row.attempt_count == held.attempt_count
    };
    Ok(match row.filter(own) {
        Some(row) if row.erased_at.is_some() => Standing::Erased,
        Some(_) => Standing::Held,
        None => Standing::Lost,
    })
}

/// Records the end of a delivery that is held and locked, routes its lead further if it went nowhere, and commits.
pub(super) async fn finish(
    app: &App,
    tx: Transaction,
    recorded: Recorded<'_>,
    (ending, plan, settled): (Ending, Option<Plan>, Settled),
) -> Result<DeliveryStatus> {
    let (delivery, now, status) = (recorded.delivery, app.clock.now(), ending.status);
    keep_terms(&tx, &recorded, &ending).await?;
    let (ok, failure) = (status == DeliveryStatus::Delivered, ending.failure.clone());
    let held = delivery_outcome::record(&tx, &[outcome(delivery, ending, now)]).await?;
    if !held.contains(&delivery.id) {
        return Err(Error::Internal(anyhow::anyhow!(
            "a delivery that was locked is not held"
        )));
    }
    bulk::insert_if_absent::<delivery_attempt::Entity>(&tx, vec![attempt_row(&recorded, ok, failure)]).await?;
    let mut all_events = settled.events;
    let mut waiting = settled.waiting;
    all_events.push(delivery_event(&delivery::Model {
        status,
        ..delivery.clone()
    }));
    if !ok {
        lock(&tx, reroute::touched(delivery, plan.as_ref(), now), BTreeMap::new()).await?;
        reservations::release(&tx, delivery).await?;
    }
    if let Some(plan) = plan.filter(|_| matches!(status, DeliveryStatus::Failed | DeliveryStatus::Refused))
        && let Some(next) = plan.follow(app, &tx, (delivery, recorded.content), now).await?
    {
        waiting.extend(next.waiting);
        all_events.extend(next.events);
    }
    let in_portals = events::count(&all_events, EventKind::PortalDelivered);
    let heads = events::append(&tx, now, all_events).await?;
    let committed = tx.commit().await.map_err(Error::from);
    committed.inspect_err(|error| give_up_unknown(app, error))?;
    app.metrics.delivered_in_portals(in_portals);
    for claimed in settled.claimed {
        app.queue.hand_over(claimed);
    }
    app.hub.tell(&heads);
    app.queue.wake(waiting);
    Ok(status)
}

/// What the buyer's flow pays is what the buyer pays, if nothing else was agreed.
async fn keep_terms(tx: &DatabaseTransaction, recorded: &Recorded<'_>, ending: &Ending) -> Result<()> {
    let delivery = recorded.delivery;
    let mut change = delivery::ActiveModel {
        id: Unchanged(delivery.id),
        ..Default::default()
    };
    if let Some(price) = ending.price.as_ref().filter(|_| delivery.price_e4.is_none()) {
        change.price_e4 = Set(Some(price.amount));
        change.price_currency = Set(Some(price.currency.clone()));
    }
    if change.is_changed() {
        change.update(tx).await?;
    }
    Ok(())
}

fn outcome(delivery: &delivery::Model, ending: Ending, now: DateTime<Utc>) -> Outcome {
    Outcome {
        id: delivery.id,
        owner: delivery.lease_owner.unwrap_or_default(),
        attempt: delivery.attempt_count,
        spends: true,
        status: ending.status,
        due_at: None,
        settled_at: Some(now),
        failure: ending.failure,
        external_id: ending.external_id,
    }
}

fn attempt_row(
    recorded: &Recorded<'_>,
    ok: bool,
    failure: Option<(DeliveryErrorCode, String)>,
) -> delivery_attempt::ActiveModel {
    let (code, message) = failure.unzip();
    delivery_attempt::ActiveModel {
        delivery_id: Set(recorded.delivery.id),
        number: Set(recorded.delivery.attempt_count),
        started_at: Set(recorded.started_at),
        duration_us: Set(i64::try_from(recorded.duration.as_micros()).unwrap_or(i64::MAX)),
        ok: Set(ok),
        http_status: Set(None),
        smtp_code: Set(None),
        error_code: Set(code),
        message: Set(message),
        excerpt: Set(None),
    }
}
