//! Records outcomes of attempts: all that have come in while the previous transaction was written, in one transaction.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::delivery::{self, DeliveryStatus};
use entity::delivery_attempt;
use entity::delivery_outcome::{self, Outcome, Recorded};
use entity::ids::{DeliveryId, PartnerId};
use entity::{bulk, destination, mail_recipient};
use sea_orm::{ActiveModelTrait, ColumnTrait, DatabaseTransaction, IntoActiveModel, QueryFilter};
use tokio::sync::mpsc;

use super::endpoints::note_endpoints;
use super::outcome::PendingOutcome;
use crate::erasure;
use crate::finish::{Ending, finish, forget_send_slots};
use crate::reroute::Plan;
use crate::routes::Routes;
use crate::supervision::catch_panic;
use leadmesh_core::app::App;
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Error, Result};
use leadmesh_leads::compile::Snapshots;

const BATCH: usize = 256;
/// Between tries to record while the database is away. The outcomes are kept; if the lease runs out meanwhile, another worker
/// repeats the deliveries and these outcomes are dropped.
const PAUSE: Duration = Duration::from_millis(250);
/// Tries to record what the database refuses although it can be reached.
const MAX_REFUSALS: u32 = 3;

/// Records until all senders are gone. An outcome that cannot be recorded, or panics, does not delay the others.
pub(super) async fn record_all(app: App, snapshots: Snapshots, mut outcomes: mpsc::UnboundedReceiver<PendingOutcome>) {
    let recorder = Recorder { app, snapshots };
    let mut batch = Vec::with_capacity(BATCH);
    while outcomes.recv_many(&mut batch, BATCH).await > 0 {
        if !recorder.try_record(&batch, true).await {
            tracing::error!("outcomes cannot be recorded together; recording them one by one");
            recorder.record_each(&batch).await;
        }
        batch.clear();
        recorder.app.queue.slots_freed();
    }
}

struct Recorder {
    app: App,
    snapshots: Snapshots,
}

impl Recorder {
    /// Records as soon as the database can be reached; false, with the reason in the log, if it refuses again and again.
    async fn try_record(&self, batch: &[PendingOutcome], reroute: bool) -> bool {
        self.retry(batch.len(), || self.record(batch, reroute)).await
    }

    async fn retry<R>(&self, outcomes: usize, record: impl Fn() -> R) -> bool
    where
        R: Future<Output = Result<()>>,
    {
        let mut refusals = 0;
        loop {
            match catch_panic(&self.app.metrics, "recording outcomes", record()).await {
                Some(Ok(())) => return true,
                Some(Err(error)) => {
                    tracing::warn!(?error, outcomes, "cannot record outcomes");
                    refusals += u32::from(!error.is_temporary());
                }
                None => refusals += 1,
            }
            if refusals == MAX_REFUSALS {
                return false;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Each by itself, with less and less of what follows from it. Most often it is the re-routing that fails, over damaged rows;
    /// without it at least the failure is recorded. If nothing can be, the lease is given up: the delivery is taken over, and
    /// attempted again.
    async fn record_each(&self, batch: &[PendingOutcome]) {
        for pending in batch {
            let (one, delivery) = (std::slice::from_ref(pending), pending.delivery.id);
            if self.try_record(one, true).await {
                continue;
            }
            tracing::error!(%delivery, "an outcome cannot be recorded; recording it without re-routing");
            if self.try_record(one, false).await {
                continue;
            }
            tracing::error!(%delivery, "an outcome cannot be recorded; recording it alone, without its attempt and its event");
            if !self.retry(1, || self.record_state(pending)).await {
                tracing::error!(%delivery, "an outcome is lost: the delivery will be attempted again");
                self.app.queue.abandon_lease();
            }
        }
    }

    /// The state of the delivery and nothing else. Its places on caps stay counted, and nobody is notified. The failure message of an
    /// erased lead may not be kept: then nothing is recorded.
    async fn record_state(&self, pending: &PendingOutcome) -> Result<()> {
        let app = &self.app;
        let tx = app.db.begin().await?;
        let recorded = delivery_outcome::record(&tx, std::slice::from_ref(&pending.record.outcome)).await?;
        if recorded.is_erased(pending.delivery.id) {
            return Err(Error::Internal(anyhow::anyhow!("its lead was erased meanwhile")));
        }
        forget_send_slots(
            &tx,
            &[Ending::new(&pending.delivery, pending.record.outcome.status, None)],
        )
        .await?;
        tx.commit().await?;
        pending.count(app, app.clock.now());
        Ok(())
    }

    async fn record(&self, batch: &[PendingOutcome], reroute: bool) -> Result<()> {
        let failed = batch.iter().filter(|pending| reroute && pending.has_failed());
        let failed = failed.map(|pending| &pending.delivery);
        let (tx, routes) = Routes::begin(&self.app, &self.snapshots, failed).await?;
        record_in(&self.app, tx, batch, &routes).await
    }
}

async fn record_in(app: &App, tx: Transaction, batch: &[PendingOutcome], routes: &Routes) -> Result<()> {
    let now = app.clock.now();
    let outcomes: Vec<Outcome> = batch.iter().map(|pending| pending.record.outcome.clone()).collect();
    let recorded = delivery_outcome::record(&tx, &outcomes).await?;
    let own: Vec<&PendingOutcome> = batch
        .iter()
        .filter(|pending| recorded.contains(pending.delivery.id))
        .collect();
    if own.len() < batch.len() {
        tracing::warn!(
            outcomes = batch.len() - own.len(),
            "dropped late outcomes of deliveries that were taken over"
        );
    }
    note_attempts(&tx, &own, &recorded).await?;
    count_failures(&tx, &own, &recorded, now).await?;
    let circuits_open = note_endpoints(app, &tx, &own, &recorded).await?;
    let endings = own.iter().map(|pending| ending(pending, &recorded, routes, now));
    let effects = finish(app, &tx, endings.collect(), now).await?;
    for pending in own.iter().filter(|pending| recorded.is_erased(pending.delivery.id)) {
        redact(app, &tx, pending, &recorded).await?;
    }
    effects.commit(app, tx, now).await?;
    for pending in own.iter().filter(|pending| !pending.is_void(&recorded)) {
        pending.count(app, now);
    }
    if circuits_open {
        app.queue.set_open_circuits(true);
        app.queue.doorbell.notify_one();
    }
    Ok(())
}

/// An erased lead goes to nobody else.
fn ending<'a>(pending: &'a PendingOutcome, recorded: &Recorded, routes: &Routes, now: DateTime<Utc>) -> Ending<'a> {
    let erased = recorded.is_erased(pending.delivery.id);
    let lead = pending.lead.as_ref().filter(|_| pending.has_failed() && !erased);
    let plan = lead.and_then(|lead| Plan::of(routes, &pending.delivery, lead, now));
    let code = pending.record.outcome.failure.as_ref().map(|(code, _)| *code);
    Ending::new(&pending.delivery, pending.status(recorded), code).rerouted(plan)
}

async fn note_attempts(tx: &DatabaseTransaction, own: &[&PendingOutcome], recorded: &Recorded) -> Result<()> {
    let attempts = own.iter().filter_map(|pending| pending.attempt(recorded)).collect();
    bulk::insert_if_absent::<delivery_attempt::Entity>(tx, attempts).await?;
    let recipients = own.iter().flat_map(|pending| pending.recipients(recorded));
    let recipients = recipients.map(|row| row.into_active_model().reset_all()).collect();
    bulk::insert_if_absent::<mail_recipient::Entity>(tx, recipients).await?;
    Ok(())
}

/// Counts failures on the destination; a success clears them. A healthy destination has no row and costs nothing. A lead that cannot
/// be read says nothing about the destination.
async fn count_failures(
    tx: &DatabaseTransaction,
    own: &[&PendingOutcome],
    recorded: &Recorded,
    now: DateTime<Utc>,
) -> Result<()> {
    let mut cleared: HashSet<PartnerId> = HashSet::new();
    let mut counted: HashSet<DeliveryId> = HashSet::new();
    let attempted = own
        .iter()
        .filter(|pending| pending.record.attempt.is_some() && pending.lead.is_some());
    let mut attempted: Vec<_> = attempted.collect();
    // The rows are locked in one order, so that two workers cannot wait for each other.
    attempted.sort_by_key(|pending| pending.delivery.partner_id);
    for pending in attempted {
        let failing = matches!(
            pending.record.outcome.status,
            DeliveryStatus::Retrying | DeliveryStatus::Failed
        );
        if !failing {
            cleared.extend(pending.delivery.partner_id);
        } else if counted.insert(pending.delivery.id) {
            let message = pending.failure_message(recorded);
            destination::Entity::count_failure(tx, &pending.delivery, message, now).await?;
        }
    }
    destination::Entity::clear(tx, cleared).await?;
    Ok(())
}

/// Removes what may repeat a value from a delivery whose lead was erased while it was attempted.
async fn redact(app: &App, tx: &DatabaseTransaction, pending: &PendingOutcome, recorded: &Recorded) -> Result<()> {
    let mine = delivery::Entity::in_account(pending.delivery.account_id);
    let row = mine.filter(delivery::Column::Id.eq(pending.delivery.id));
    let row = row.one(tx).await?;
    let row = row.ok_or_else(|| Error::Internal(anyhow::anyhow!("a delivery that was recorded is gone")))?;
    let attempted = erasure::Attempted {
        row,
        status: pending.status(recorded),
        fields: pending.lead.as_ref().map(|lead| &lead.fields),
    };
    erasure::redact_attempted(app, tx, attempted).await
}
