//! Recording what became of attempts: as leads are stored, all that has finished while the last ones were written at once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::delivery::{self, DeliveryStatus};
use entity::delivery_attempt;
use entity::delivery_outcome::{self, Outcome};
use entity::event::EventKind;
use entity::ids::{DeliveryId, PartnerId};
use entity::{bulk, cap_usage, destination, mail_recipient};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, IntoActiveModel};
use tokio::sync::mpsc;

use super::reroute;
use crate::app::App;
use crate::error::{Error, Result};
use crate::leads::intake::delivery_event;
use crate::live::events::{self, Heads};
use crate::queue::LeadContent;
use crate::queue::slots::Slot;

/// Outcomes recorded in one transaction.
const BATCH: usize = 256;
/// Between tries to record while the database is away. The outcomes are kept; should the lease run out meanwhile, somebody
/// else repeats them and these are dropped.
const PAUSE: Duration = Duration::from_millis(250);
/// Tries to record what the database refuses although it can be reached.
const MOST_REFUSALS: u32 = 3;

/// An attempt that is over.
pub(super) struct Finished {
    pub(super) outcome: Outcome,
    pub(super) attempt: delivery_attempt::ActiveModel,
    /// What a mail server said of each recipient.
    pub(super) recipients: Vec<mail_recipient::Model>,
    pub(super) delivery: delivery::Model,
    pub(super) lead: Arc<LeadContent>,
    /// Held until the outcome is recorded, so that what is in flight never exceeds the slots.
    #[expect(dead_code, reason = "held for its drop")]
    pub(super) slot: Slot,
}

/// Records until nobody attempts any more.
pub(super) async fn record_all(app: App, mut finished: mpsc::UnboundedReceiver<Finished>) {
    let mut batch = Vec::with_capacity(BATCH);
    while finished.recv_many(&mut batch, BATCH).await > 0 {
        if let Err(error) = record_patiently(&app, &batch, Rerouting::Try).await {
            tracing::error!(
                ?error,
                "outcomes cannot be recorded together; recording them one by one"
            );
            record_each(&app, &batch).await;
        }
        batch.clear();
        app.queue.slots_freed();
    }
}

/// Whether a lead that finally failed is routed to another partner.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rerouting {
    Try,
    LeaveOut,
}

/// Records as soon as the database can be reached; fails if it says no again and again.
async fn record_patiently(app: &App, batch: &[Finished], rerouting: Rerouting) -> Result<()> {
    let mut refusals = 0;
    loop {
        let Err(error) = record(app, batch, rerouting).await else {
            return Ok(());
        };
        refusals += u32::from(!matches!(error, Error::Unavailable(_)));
        if refusals == MOST_REFUSALS {
            return Err(error);
        }
        tracing::warn!(?error, outcomes = batch.len(), "cannot record outcomes; trying again");
        tokio::time::sleep(PAUSE).await;
    }
}

/// One that cannot be recorded must not hold up the others. What most often cannot is the way to the next partner, for rows that
/// it takes are damaged; without it the failure at least is recorded.
async fn record_each(app: &App, batch: &[Finished]) {
    for finished in batch {
        let (one, delivery) = (std::slice::from_ref(finished), finished.delivery.id);
        let Err(error) = record_patiently(app, one, Rerouting::Try).await else {
            continue;
        };
        tracing::error!(%delivery, ?error, "an outcome cannot be recorded; recording it without another partner");
        if let Err(error) = record_patiently(app, one, Rerouting::LeaveOut).await {
            tracing::error!(%delivery, ?error, "an outcome is lost; the delivery stays SENDING until this process ends");
        }
    }
}

async fn record(app: &App, batch: &[Finished], rerouting: Rerouting) -> Result<()> {
    let tx = app.db.begin().await?;
    let now = app.clock.now();
    let outcomes: Vec<Outcome> = batch.iter().map(|finished| finished.outcome.clone()).collect();
    let held = delivery_outcome::record(&tx, &outcomes).await?;
    let recorded: Vec<&Finished> = batch
        .iter()
        .filter(|finished| held.contains(&finished.delivery.id))
        .collect();
    if recorded.len() < batch.len() {
        tracing::warn!(
            outcomes = batch.len() - recorded.len(),
            "dropped late outcomes of deliveries that were taken over"
        );
    }
    let attempts = recorded.iter().map(|finished| finished.attempt.clone()).collect();
    bulk::insert_if_absent::<delivery_attempt::Entity>(&tx, attempts).await?;
    let recipients = recorded.iter().flat_map(|finished| finished.recipients.iter().cloned());
    let recipients = recipients.map(|row| row.into_active_model().reset_all()).collect();
    bulk::insert_if_absent::<mail_recipient::Entity>(&tx, recipients).await?;
    note_health(&tx, &recorded, now).await?;
    let mut all_events = Vec::with_capacity(recorded.len());
    let mut waiting = Vec::new();
    for finished in &recorded {
        all_events.push(delivery_event(&finished.after()));
        if matches!(
            finished.outcome.status,
            DeliveryStatus::Failed | DeliveryStatus::Refused
        ) {
            release_caps(&tx, &finished.delivery).await?;
            if rerouting == Rerouting::Try
                && let Some(next) = reroute::to_next_partner(app, &tx, &finished.delivery, &finished.lead, now).await?
            {
                waiting.extend(next.waiting);
                all_events.extend(next.events);
            }
        }
    }
    let in_portals = events::count(&all_events, EventKind::PortalDelivered);
    let heads: Heads = events::append(&tx, now, all_events).await?;
    tx.commit().await?;
    for finished in &recorded {
        let (delivery, status) = (&finished.delivery, finished.outcome.status);
        app.metrics
            .attempted(delivery.channel, status, now - delivery.created_at);
    }
    app.metrics.delivered_in_portals(in_portals);
    app.hub.tell(heads);
    app.queue.wake(waiting);
    Ok(())
}

impl Finished {
    /// The delivery as it stands after the outcome.
    fn after(&self) -> delivery::Model {
        delivery::Model {
            status: self.outcome.status,
            ..self.delivery.clone()
        }
    }
}

/// A lead that finally went nowhere does not count on the caps it was counted on.
pub(crate) async fn release_caps(tx: &DatabaseTransaction, delivery: &delivery::Model) -> Result<()> {
    // In the order in which everybody locks them.
    let mut reservations: Vec<_> = delivery.reservations.0.iter().collect();
    reservations.sort_unstable_by_key(|reservation| (reservation.cap, reservation.window));
    for reservation in reservations {
        cap_usage::Entity::release(tx, reservation.cap, reservation.window).await?;
    }
    Ok(())
}

/// Failures are counted on the destination; a success clears them. Healthy destinations have no row and cost nothing.
async fn note_health(tx: &DatabaseTransaction, recorded: &[&Finished], now: DateTime<Utc>) -> Result<()> {
    let failing = |status| matches!(status, DeliveryStatus::Retrying | DeliveryStatus::Failed);
    let mut cleared: HashSet<PartnerId> = HashSet::new();
    let mut counted: HashSet<DeliveryId> = HashSet::new();
    for finished in recorded {
        if !failing(finished.outcome.status) {
            cleared.extend(finished.delivery.partner_id);
        } else if counted.insert(finished.delivery.id) {
            let message = finished
                .outcome
                .failure
                .as_ref()
                .map(|(_, message)| message.clone())
                .unwrap_or_default();
            destination::Entity::count_failure(tx, &finished.delivery, &message, now).await?;
        }
    }
    destination::Entity::clear(tx, cleared).await?;
    Ok(())
}
