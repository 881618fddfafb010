//! Recording what became of attempts: as leads are stored, all that has finished while the last ones were written at once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::delivery::{self, DeliveryStatus};
use entity::delivery_attempt;
use entity::delivery_outcome::{self, Held, Outcome};
use entity::event::EventKind;
use entity::ids::{DeliveryId, PartnerId};
use entity::{bulk, destination, mail_recipient};
use sea_orm::{ActiveModelTrait, ColumnTrait, DatabaseTransaction, IntoActiveModel, QueryFilter};
use tokio::sync::mpsc;

use super::Tools;
use super::endpoints::note_endpoints;
use super::reroute;
use super::routes::Routes;
use crate::breaker::Bearing;
use crate::erasure;
use crate::supervision::caught;
use leadmesh_core::app::App;
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::live::events::{self, Heads, NewEvent};
use leadmesh_core::queue::slots::Slot;
use leadmesh_core::queue::{Claimed, LeadContent};
use leadmesh_leads::compile::Snapshots;
use leadmesh_leads::intake::delivery_event;

/// Outcomes recorded in one transaction.
const BATCH: usize = 256;
/// Between tries to record while the database is away. The outcomes are kept; should the lease run out meanwhile, somebody
/// else repeats them and these are dropped.
const PAUSE: Duration = Duration::from_millis(250);
/// Tries to record what the database refuses although it can be reached.
const MOST_REFUSALS: u32 = 3;

/// What an attempt has come to.
pub(super) struct Made {
    pub(super) outcome: Outcome,
    pub(super) attempt: delivery_attempt::ActiveModel,
    /// What a mail server said of each recipient.
    pub(super) recipients: Vec<mail_recipient::Model>,
    /// What it says about the endpoint.
    pub(super) bearing: Bearing,
}

/// An attempt that is over, or a delivery that has ended without one.
pub(super) struct Finished {
    pub(super) outcome: Outcome,
    pub(super) attempt: Option<delivery_attempt::ActiveModel>,
    /// What a mail server said of each recipient.
    pub(super) recipients: Vec<mail_recipient::Model>,
    /// What it says about the endpoint.
    pub(super) bearing: Bearing,
    pub(super) delivery: delivery::Model,
    pub(super) lead: Arc<LeadContent>,
    /// Held until the outcome is recorded, so that what is in flight never exceeds the slots.
    #[expect(dead_code, reason = "held for its drop")]
    pub(super) slot: Option<Slot>,
}

/// Leaves something to be recorded.
pub(super) fn hand_in(tools: &Tools, finished: Finished) {
    if tools.finished.send(finished).is_err() {
        tracing::error!("nobody records outcomes any more: the delivery will be repeated");
        tools.app.queue.abandon_lease();
    }
}

/// Records until nobody attempts any more. What cannot be recorded, or panics, ends nothing else.
pub(super) async fn record_all(app: App, snapshots: Snapshots, mut finished: mpsc::UnboundedReceiver<Finished>) {
    let mut batch = Vec::with_capacity(BATCH);
    while finished.recv_many(&mut batch, BATCH).await > 0 {
        if !is_recorded(&app, &batch, Rerouting::By(&snapshots)).await {
            tracing::error!("outcomes cannot be recorded together; recording them one by one");
            record_each(&app, &snapshots, &batch).await;
        }
        batch.clear();
        app.queue.slots_freed();
    }
}

/// Whether a lead that finally failed is routed to another partner.
#[derive(Clone, Copy)]
enum Rerouting<'a> {
    By(&'a Snapshots),
    LeaveOut,
}

impl Rerouting<'_> {
    /// Looks up what is needed for those of the outcomes that are failures.
    async fn look_up(self, app: &App, routes: &mut Routes, batch: &[Finished]) -> Result<()> {
        let Self::By(snapshots) = self else { return Ok(()) };
        let failed = batch.iter().filter(|finished| finished.has_failed());
        routes
            .look_up(app, snapshots, failed.map(|finished| &finished.delivery))
            .await
    }
}

/// Records as soon as the database can be reached; false, with the reason in the log, if it says no again and again.
async fn is_recorded(app: &App, batch: &[Finished], rerouting: Rerouting<'_>) -> bool {
    patiently(app, batch.len(), || record(app, batch, rerouting)).await
}

async fn patiently<R>(app: &App, outcomes: usize, record: impl Fn() -> R) -> bool
where
    R: Future<Output = Result<()>>,
{
    let mut refusals = 0;
    loop {
        match caught(&app.metrics, "recording outcomes", record()).await {
            Some(Ok(())) => return true,
            Some(Err(error)) => {
                tracing::warn!(?error, outcomes, "cannot record outcomes");
                refusals += u32::from(!error.is_temporary());
            }
            None => refusals += 1,
        }
        if refusals == MOST_REFUSALS {
            return false;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// One that cannot be recorded must not hold up the others. What most often cannot is the way to the next partner, for rows that
/// it takes are damaged; without it the failure at least is recorded, and without all that follows from it the outcome. Where even
/// that cannot be, the lease is given up: the delivery is taken over, and attempted again.
async fn record_each(app: &App, snapshots: &Snapshots, batch: &[Finished]) {
    for finished in batch {
        let (one, delivery) = (std::slice::from_ref(finished), finished.delivery.id);
        if is_recorded(app, one, Rerouting::By(snapshots)).await {
            continue;
        }
        tracing::error!(%delivery, "an outcome cannot be recorded; recording it without another partner");
        if is_recorded(app, one, Rerouting::LeaveOut).await {
            continue;
        }
        tracing::error!(%delivery, "an outcome cannot be recorded; recording it alone, without its attempt and its event");
        if !patiently(app, 1, || record_alone(app, finished)).await {
            tracing::error!(%delivery, "an outcome is lost: the delivery will be attempted again");
            app.queue.abandon_lease();
        }
    }
}

/// The state of the delivery and nothing else. What it holds on caps stays counted, and nobody is told. Of an erased lead no words
/// may be kept: then nothing is recorded.
async fn record_alone(app: &App, finished: &Finished) -> Result<()> {
    let tx = app.db.begin().await?;
    let held = delivery_outcome::record(&tx, std::slice::from_ref(&finished.outcome)).await?;
    if held.is_erased(finished.delivery.id) {
        return Err(Error::Internal(anyhow::anyhow!("its lead was erased meanwhile")));
    }
    tx.commit().await?;
    finished.count(app, app.clock.now());
    Ok(())
}

async fn record(app: &App, batch: &[Finished], rerouting: Rerouting<'_>) -> Result<()> {
    let mut routes = Routes::default();
    loop {
        rerouting.look_up(app, &mut routes, batch).await?;
        let tx = app.db.begin().await?;
        if routes.hold(&tx).await? {
            return record_in(app, tx, batch, &routes).await;
        }
    }
}

async fn record_in(app: &App, tx: Transaction, batch: &[Finished], routes: &Routes) -> Result<()> {
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
    note_attempts(&tx, &recorded, &held).await?;
    note_failures(&tx, &recorded, &held, now).await?;
    let holds = note_endpoints(app, &tx, (&recorded, &held), now).await?;
    let (erased, going): (Vec<&Finished>, Vec<&Finished>) = recorded
        .iter()
        .partition(|finished| held.is_erased(finished.delivery.id));
    let mut all_events: Vec<NewEvent> = going.iter().map(|finished| delivery_event(&finished.after())).collect();
    let failed = going.iter().filter(|finished| finished.has_failed());
    let failed = failed.map(|finished| (&finished.delivery, Some(&finished.lead)));
    let unsent = erased
        .iter()
        .filter(|finished| finished.outcome.status != DeliveryStatus::Delivered);
    let unsent = unsent.map(|finished| (&finished.delivery, None));
    let next = reroute::follow(app, &tx, &failed.chain(unsent).collect::<Vec<_>>(), routes, now).await?;
    for finished in erased {
        all_events.push(delivery_event(&end_erased(app, &tx, finished).await?));
    }
    let waiting = next.waiting;
    all_events.extend(next.events);
    let in_portals = events::count(&all_events, EventKind::PortalDelivered);
    let heads: Heads = events::append(&tx, now, all_events).await?;
    tx.commit().await?;
    for finished in &recorded {
        finished.count(app, now);
    }
    if holds {
        app.queue.set_holds(true);
        app.queue.doorbell.notify_one();
    }
    app.metrics.delivered_in_portals(in_portals);
    app.hub.tell(&heads);
    app.queue.wake(waiting);
    Ok(())
}

/// Attempts, with what a mail server said of each recipient; of leads that were erased meanwhile without words.
async fn note_attempts(tx: &DatabaseTransaction, recorded: &[&Finished], held: &Held) -> Result<()> {
    let attempts = recorded.iter().filter_map(|finished| {
        let attempt = finished.attempt.clone()?;
        Some(if held.is_erased(finished.delivery.id) {
            erasure::silent(attempt)
        } else {
            attempt
        })
    });
    bulk::insert_if_absent::<delivery_attempt::Entity>(tx, attempts.collect()).await?;
    let recipients = recorded.iter().flat_map(|finished| finished.said_of_recipients(held));
    let recipients = recipients.map(|row| row.into_active_model().reset_all()).collect();
    bulk::insert_if_absent::<mail_recipient::Entity>(tx, recipients).await?;
    Ok(())
}

/// What was sent while its lead was erased goes nowhere else, and leaves no words.
async fn end_erased(app: &App, tx: &DatabaseTransaction, finished: &Finished) -> Result<delivery::Model> {
    let mine = delivery::Entity::in_account(finished.delivery.account_id);
    let row = mine.filter(delivery::Column::Id.eq(finished.delivery.id));
    let row = row.one(tx).await?;
    let row = row.ok_or_else(|| Error::Internal(anyhow::anyhow!("a delivery that is held is gone")))?;
    erasure::end(app, tx, row, (&finished.lead.fields, finished.attempt.as_ref())).await
}

impl Finished {
    /// An attempt that is over.
    pub(super) fn of(claimed: Claimed, made: Made) -> Self {
        Self {
            outcome: made.outcome,
            attempt: Some(made.attempt),
            recipients: made.recipients,
            bearing: made.bearing,
            delivery: claimed.delivery,
            lead: claimed.lead,
            slot: Some(claimed.slot),
        }
    }

    /// Whether it has ended without its recipient having the lead.
    fn has_failed(&self) -> bool {
        matches!(self.outcome.status, DeliveryStatus::Failed | DeliveryStatus::Refused)
    }

    /// Counts it for the metrics, and lets the destination have more or fewer at once.
    fn count(&self, app: &App, now: DateTime<Utc>) {
        let (delivery, status) = (&self.delivery, self.outcome.status);
        let age = now - delivery.created_at;
        if self.attempt.is_some() {
            app.metrics.attempted(delivery.channel, status, age);
        } else {
            app.metrics.ended(delivery.channel, status, age);
        }
        match self.bearing {
            Bearing::Works => app.queue.slots.ease(delivery.destination()),
            Bearing::Silent => {}
            Bearing::Fails { .. } | Bearing::Busy { .. } | Bearing::Gone => {
                app.queue.slots.slow(delivery.destination());
            }
        }
    }

    /// What went wrong, in words; of a lead that was erased meanwhile only that it is not said.
    pub(super) fn words(&self, held: &Held) -> &str {
        match &self.outcome.failure {
            Some(_) if held.is_erased(self.delivery.id) => erasure::REMOVED,
            Some((_, message)) => message,
            None => "",
        }
    }

    /// What a mail server said of each recipient; of a lead that was erased meanwhile without its words.
    fn said_of_recipients(&self, held: &Held) -> impl Iterator<Item = mail_recipient::Model> {
        let erased = held.is_erased(self.delivery.id);
        self.recipients.iter().cloned().map(move |row| mail_recipient::Model {
            reply: row.reply.filter(|_| !erased),
            ..row
        })
    }

    /// The delivery as it stands after the outcome.
    fn after(&self) -> delivery::Model {
        delivery::Model {
            status: self.outcome.status,
            failure_code: self.outcome.failure.as_ref().map(|(code, _)| *code),
            ..self.delivery.clone()
        }
    }
}

/// Failures are counted on the destination; a success clears them. Healthy destinations have no row and cost nothing.
async fn note_failures(
    tx: &DatabaseTransaction,
    recorded: &[&Finished],
    held: &Held,
    now: DateTime<Utc>,
) -> Result<()> {
    let failing = |status| matches!(status, DeliveryStatus::Retrying | DeliveryStatus::Failed);
    let mut cleared: HashSet<PartnerId> = HashSet::new();
    let mut counted: HashSet<DeliveryId> = HashSet::new();
    // In one order, in which everybody locks them.
    let mut attempted: Vec<_> = recorded.iter().filter(|finished| finished.attempt.is_some()).collect();
    attempted.sort_by_key(|finished| finished.delivery.partner_id);
    for finished in attempted {
        if !failing(finished.outcome.status) {
            cleared.extend(finished.delivery.partner_id);
        } else if counted.insert(finished.delivery.id) {
            let message = finished.words(held);
            destination::Entity::count_failure(tx, &finished.delivery, message, now).await?;
        }
    }
    destination::Entity::clear(tx, cleared).await?;
    Ok(())
}
