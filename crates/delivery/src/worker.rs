//! The delivery worker: takes deliveries that are handed over or due, attempts them with no transaction open, and records the outcomes.
//!
//! The database decides what is to be done. The doorbell and Redis only make the worker look earlier; the sweep, which looks every
//! second anyway, is the retry timer, the recovery after a crash, and the fallback when Redis is lost.
//!
//! A panic ends the attempt or the round in which it happens and nothing else: the delivery is deferred, and the loops go on.

mod attempt;
mod attempt_result;
mod circuits;
mod claim;
mod endpoints;
mod into_account;
mod lane_cursor;
mod lease;
mod mail;
mod outcome;
mod patience;
mod prepared;
mod probes;
mod recorder;
mod redis_doorbell;
mod smtp_rate_limit;
mod suspects;
mod tools;

use std::time::Duration;

use entity::delivery_config::Channel;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use uuid::Uuid;

use attempt_result::{AttemptResult, Timing};
use circuits::Schedule;
use lane_cursor::LaneCursors;
use outcome::{AttemptRecord, PendingOutcome};
use prepared::PreparedCache;
use tools::Tools;

use super::contents::LeadContents;
use super::email::Mailer;
use super::guard::Guard;
use super::supervision::{catch_panic, restart_on_panic};
use super::webhook::{Sender, SetUpError};
use leadmesh_core::app::App;
use leadmesh_core::database::Workload;
use leadmesh_core::error::Result;
use leadmesh_core::queue::Claimed;
use leadmesh_core::spans;
use leadmesh_leads::compile::Snapshots;

/// How often the worker looks for due deliveries without being rung for.
const SWEEP: Duration = Duration::from_secs(1);
/// How long a stopping worker waits for attempts: the longest timeout that settings allow, with a margin.
const DRAIN: Duration = Duration::from_secs(65);

pub struct Worker {
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Ends when the last outcome is recorded.
    recorded: JoinHandle<()>,
    app: App,
    /// Identifies this process to others, whichever lease it holds.
    process: Uuid,
}

impl Worker {
    /// Starts the worker of this process. There is at most one.
    pub fn start(app: &App) -> std::result::Result<Self, SetUpError> {
        Self::start_behind(app, Guard::new(app.config.settings.allow_destinations.clone()))
    }

    /// The same behind another guard, for tests of name resolution.
    pub fn start_behind(app: &App, guard: Guard) -> std::result::Result<Self, SetUpError> {
        let app = &app.for_workload(Workload::Worker);
        let (outcomes, to_record) = mpsc::unbounded_channel();
        let snapshots = Snapshots::default();
        let tools = Tools {
            app: app.clone(),
            sender: Sender::new(guard.clone())?,
            mailer: Mailer::new(guard, app.config.ehlo_name()),
            prepared: PreparedCache::default(),
            contents: LeadContents::new(app.clone()),
            snapshots: snapshots.clone(),
            outcomes,
        };
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let process = app.clock.id();
        let lease = tokio::spawn(lease::keep(app.for_workload(Workload::Lease), process, stop.clone()));
        let listening = (app.clone(), stop.clone());
        tokio::spawn(restart_on_panic(app.metrics.clone(), "listening to Redis", move || {
            redis_doorbell::listen(listening.0.clone(), listening.1.clone())
        }));
        let recording = tokio::spawn(recorder::record_all(app.clone(), snapshots, to_record));
        tasks.spawn(run(tools, tasks.clone(), stop.clone()));
        let recorded = tokio::spawn(async move {
            // Recording ends after the last attempt; the lease is kept until then.
            drop(recording.await);
            lease.abort();
        });
        Ok(Self {
            stop,
            tasks,
            recorded,
            app: app.clone(),
            process,
        })
    }

    /// Claims nothing more, waits for attempts that are under way, and gives back the rest.
    pub async fn stop(self) {
        self.app.queue.stop_claiming();
        self.stop.cancel();
        lease::note_stopping(&self.app, self.process).await;
        self.tasks.close();
        // A delivery that is given back before its outcome is recorded would be sent again.
        let drained = async {
            self.tasks.wait().await;
            drop(self.recorded.await);
        };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!(
                deliveries = self.app.queue.slots.used(),
                "not all deliveries have ended in time; others will repeat them"
            );
        }
        lease::give_back(&self.app, self.process).await;
    }
}

async fn run(tools: Tools, tasks: TaskTracker, stop: CancellationToken) {
    let Some(mut ready) = tools.app.queue.take_receiver() else {
        return;
    };
    tasks.spawn(claim_when_rung(tools.clone(), tasks.clone(), stop.clone()));
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(claimed) = ready.recv() => attempt_in_background(&tools, &tasks, claimed),
        }
    }
    ready.close();
    while let Some(claimed) = ready.recv().await {
        attempt_in_background(&tools, &tasks, claimed);
    }
}

/// Attempts a claimed delivery, unless its lease may have expired since: then another worker takes it over.
fn attempt_in_background(tools: &Tools, tasks: &TaskTracker, mut claimed: Claimed) {
    if !tools.app.queue.may_begin(claimed.delivery.lease_owner) {
        tracing::warn!(delivery = %claimed.delivery.id, "a delivery is left to others: the lease may have run out since it was claimed");
        return;
    }
    let tools = tools.clone();
    tasks.spawn(async move {
        let span = spans::attempt(&claimed.delivery);
        let attempting = attempt(&tools, &mut claimed).instrument(span.clone());
        let record = catch_panic(&tools.app.metrics, "an attempt", attempting).await;
        if let Some(record) = record.unwrap_or_else(|| Some(panicked(&tools, &claimed))) {
            spans::attempted(&span, &record.outcome);
            tools.record(PendingOutcome::attempted(claimed, record));
        } else {
            drop(claimed);
            tools.app.queue.slots_freed();
        }
    });
}

/// Makes one attempt; none where nothing is left to be recorded.
async fn attempt(tools: &Tools, claimed: &mut Claimed) -> Option<AttemptRecord> {
    if claimed.delivery.channel == Channel::Account {
        into_account::attempt(tools, claimed).await
    } else {
        attempt::attempt(tools, claimed).await
    }
}

/// An attempt that has panicked is spent, and the delivery is deferred.
fn panicked(tools: &Tools, claimed: &Claimed) -> AttemptRecord {
    if claimed.delivery.channel == Channel::Account {
        // The lead may be at the buyer, with deliveries claimed there that this process does not know of.
        tools.app.queue.abandon_lease();
    }
    let timing = Timing::at(tools.app.clock.now());
    AttemptResult::panicked().into_record(&claimed.delivery, &timing)
}

/// Claims due deliveries at each ring and each sweep, one claim at a time. A ring during a claim is heard after it. Deliveries that are
/// left for want of slots are claimed when slots become free, which rings. A panic ends one claim; the next one follows.
async fn claim_when_rung(tools: Tools, tasks: TaskTracker, stop: CancellationToken) {
    let doorbell = tools.app.queue.doorbell.clone();
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut schedule, mut cursors) = (Schedule::default(), LaneCursors::default());
    loop {
        let swept = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = doorbell.notified() => false,
            _ = sweep.tick() => true,
        };
        // Circuits that other workers have opened are found by the sweep; those that are known here are checked each time.
        if swept || tools.app.queue.has_open_circuits() {
            let checking = circuits::check(&tools, &mut schedule);
            attempt_all(&tools, &tasks, "checking paused endpoints", checking).await;
        }
        let claiming = claim::claim_due(&tools, &mut cursors);
        attempt_all(&tools, &tasks, "claiming due deliveries", claiming).await;
    }
}

async fn attempt_all(
    tools: &Tools,
    tasks: &TaskTracker,
    what: &'static str,
    claiming: impl Future<Output = Result<Vec<Claimed>>>,
) {
    match catch_panic(&tools.app.metrics, what, claiming).await {
        Some(Ok(claimed)) => claimed
            .into_iter()
            .for_each(|claimed| attempt_in_background(tools, tasks, claimed)),
        Some(Err(error)) => tracing::warn!(?error, "{what} has failed; the next sweep tries again"),
        None => {}
    }
}
