//! The one ending of deliveries: attempts, deliveries into accounts, cancellation, erasure, disconnection, settlement by hand and
//! setting aside all end here. The caller has written the new state; this does what follows from it in the same transaction.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus};
use entity::delivery_config::Channel;
use entity::event::EventKind;
use entity::ids::DeliveryId;
use entity::send_slot;
use sea_orm::DatabaseTransaction;

use super::reroute::Plan;
use super::reservations;
use leadmesh_core::app::App;
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::live::events::{self, NewEvent};
use leadmesh_core::queue::Claimed;
use leadmesh_leads::allocate::LockSet;
use leadmesh_leads::intake::{delivery_event, lock};

/// How a delivery has come to its new state.
pub struct Ending<'a> {
    delivery: &'a delivery::Model,
    status: DeliveryStatus,
    code: Option<DeliveryErrorCode>,
    /// The recipient has rejected the lead in its portal, so that it counts on no cap although it is DELIVERED.
    rejected: bool,
    plan: Option<Plan<'a>>,
}

impl<'a> Ending<'a> {
    /// Nobody gets the lead in place of the recipient.
    pub fn new(delivery: &'a delivery::Model, status: DeliveryStatus, code: Option<DeliveryErrorCode>) -> Self {
        Self {
            delivery,
            status,
            code,
            rejected: false,
            plan: None,
        }
    }

    /// The partner has rejected the lead in its portal.
    pub fn rejected(delivery: &'a delivery::Model) -> Self {
        Self {
            rejected: true,
            ..Self::new(delivery, delivery.status, None)
        }
    }

    /// The next partner gets the lead as planned, if this recipient does not have it.
    #[must_use]
    pub(super) fn rerouted(self, plan: Option<Plan<'a>>) -> Self {
        Self { plan, ..self }
    }

    #[must_use]
    pub(super) fn with_status(self, status: DeliveryStatus, code: Option<DeliveryErrorCode>) -> Self {
        Self { status, code, ..self }
    }

    /// Whether the places that it held on caps are free again.
    fn gives_back(&self) -> bool {
        let counts = match self.status {
            DeliveryStatus::Failed | DeliveryStatus::Refused | DeliveryStatus::Cancelled => false,
            _ => !self.rejected,
        };
        !counts && reservations::are_held(self.delivery)
    }

    /// The locks that giving back and re-routing need.
    fn add_locks(&self, locks: &mut LockSet, now: DateTime<Utc>) {
        if self.gives_back() {
            locks.add_reservations(&self.delivery.reservations.0);
            if let Some(plan) = &self.plan {
                plan.add_locks(locks, now);
            }
        }
    }

    fn event(&self) -> NewEvent {
        let event = delivery_event(&delivery::Model {
            status: self.status,
            failure_code: self.code,
            ..self.delivery.clone()
        });
        // A delivery that is rejected had ended before.
        if self.rejected { event.unlogged() } else { event }
    }
}

/// The locks that some endings need, for a transaction that has to take them together with others.
pub fn locks_of<'a, 'e: 'a>(endings: impl IntoIterator<Item = &'a Ending<'e>>, now: DateTime<Utc>) -> LockSet {
    let mut locks = LockSet::default();
    for ending in endings {
        ending.add_locks(&mut locks, now);
    }
    locks
}

/// Gives back the places on caps of deliveries whose recipient does not have the lead, routes their leads to the next partner
/// where that is planned, and frees the send slots of mails. `now` is the one time of the transaction.
///
/// All locks are taken before anything is changed, in the order that every transaction keeps.
pub async fn finish(
    app: &App,
    tx: &DatabaseTransaction,
    endings: Vec<Ending<'_>>,
    now: DateTime<Utc>,
) -> Result<Effects> {
    lock(tx, locks_of(&endings, now), BTreeMap::new()).await?;
    forget_send_slots(tx, &endings).await?;
    let given_back = endings.iter().filter(|ending| ending.gives_back());
    reservations::release(tx, given_back.map(|ending| ending.delivery)).await?;
    let mut effects = Effects::default();
    for ending in endings {
        effects.events.push(ending.event());
        if ending.gives_back() {
            // What is cancelled goes to nobody else.
            let plan = ending.plan.filter(|_| ending.status != DeliveryStatus::Cancelled);
            if let Some(plan) = plan {
                let next = plan.follow(app, tx, now).await?;
                effects.events.extend(next.events);
                effects.waiting.extend(next.waiting);
            }
        } else if ending.status == DeliveryStatus::Delivered {
            reservations::take_again(tx, ending.delivery).await?;
        }
    }
    Ok(effects)
}

/// Frees the send slots of mails that have ended.
pub(super) async fn forget_send_slots(tx: &DatabaseTransaction, endings: &[Ending<'_>]) -> Result<()> {
    let mails = endings
        .iter()
        .filter(|ending| ending.delivery.channel == Channel::Email && ending.status.is_settled());
    let mails: Vec<DeliveryId> = mails.map(|ending| ending.delivery.id).collect();
    if !mails.is_empty() {
        send_slot::Entity::forget(tx, mails).await?;
    }
    Ok(())
}

/// What follows from changed deliveries once they are committed.
#[derive(Default)]
pub struct Effects {
    /// Appended to the logs as the last act of the transaction.
    pub events: Vec<NewEvent>,
    pub waiting: Vec<DeliveryId>,
    /// Deliveries that the transaction has claimed for this process.
    pub claimed: Vec<Claimed>,
}

impl Effects {
    /// Followers are notified of these deliveries as they stand now.
    pub fn changed<'a>(rows: impl IntoIterator<Item = &'a delivery::Model>) -> Self {
        Self {
            events: rows.into_iter().map(delivery_event).collect(),
            ..Self::default()
        }
    }

    pub fn extend(&mut self, other: Self) {
        self.events.extend(other.events);
        self.waiting.extend(other.waiting);
        self.claimed.extend(other.claimed);
    }

    /// Commits, then notifies followers and wakes workers.
    pub async fn commit(self, app: &App, tx: Transaction, now: DateTime<Utc>) -> Result<()> {
        self.commit_or(app, tx, now, |_error| ()).await
    }

    /// The same; `failed` is called with the error of the commit, whose outcome may be unknown.
    pub async fn commit_or(
        self,
        app: &App,
        tx: Transaction,
        now: DateTime<Utc>,
        failed: impl FnOnce(&Error),
    ) -> Result<()> {
        let in_portals = events::count(&self.events, EventKind::PortalDelivered);
        let heads = events::append(&tx, now, self.events).await?;
        let committed = tx.commit().await.map_err(Error::from);
        committed.inspect_err(failed)?;
        app.metrics.delivered_in_portals(in_portals);
        for claimed in self.claimed {
            app.queue.hand_over(claimed);
        }
        app.hub.notify(&heads);
        app.queue.wake(self.waiting);
        Ok(())
    }
}
