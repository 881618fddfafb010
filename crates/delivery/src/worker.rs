//! The delivery worker: takes what was handed over or is due, attempts it with no transaction open, records what became of it.
//!
//! The database says what is to be done. The doorbell and Redis only make it look at once; the sweep, which looks every
//! second anyway, is the retry timer, the recovery after a crash, and the answer to a lost Redis.
//!
//! A panic ends what it was about and nothing else: an attempt is put off, and the loops go on with their next round.

mod attempt;
mod claim;
mod contents;
mod endpoints;
mod finish;
mod holds;
mod into_account;
mod lease;
mod mail;
mod pace;
mod places;
mod prepared;
mod redis_doorbell;
mod reroute;
mod routes;
mod suspects;
mod unopened;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use entity::delivery;
use entity::delivery_config::Channel;
use entity::ids::{LeadId, PartnerId};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use uuid::Uuid;

use finish::{Finished, Made};
pub(super) use prepared::open_headers;
pub(super) use reroute::{Rerouted, follow};
pub(super) use routes::Routes;

use super::email::Mailer;
use super::guard::Guard;
use super::signing::Secret;
use super::supervision::{caught, restarted};
use super::webhook::{Sender, SetUpError};
use leadmesh_core::app::App;
use leadmesh_core::database::Lane;
use leadmesh_core::error::Result;
use leadmesh_core::queue::{Claimed, LeadContent};
use leadmesh_core::spans;
use leadmesh_leads::compile::Snapshots;

/// How often due work is looked for without being told.
const SWEEP: Duration = Duration::from_secs(1);
/// Longest exchange that settings allow; with a margin, how long a stopping worker waits for those under way.
const DRAIN: Duration = Duration::from_secs(65);

/// What an attempt needs.
#[derive(Clone)]
struct Tools {
    app: App,
    sender: Sender,
    mailer: Mailer,
    prepared: prepared::Kept,
    contents: contents::Contents,
    /// Compiled flows of accounts that leads are delivered into.
    snapshots: Snapshots,
    finished: mpsc::UnboundedSender<finish::Finished>,
}

/// A running worker.
pub struct Worker {
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Ends when the last outcome is recorded.
    recorded: JoinHandle<()>,
    app: App,
    /// By what others know this process, whichever lease it holds.
    process: Uuid,
}

impl Worker {
    /// Starts the worker of this process. There is at most one.
    pub fn start(app: &App) -> std::result::Result<Self, SetUpError> {
        Self::start_behind(app, Guard::new(app.config.settings.allow_destinations.clone()))
    }

    /// The same behind a guard of one's own, for tests of what names resolve to.
    pub fn start_behind(app: &App, guard: Guard) -> std::result::Result<Self, SetUpError> {
        let app = &app.by_lane(Lane::Worker);
        let (finished, to_record) = mpsc::unbounded_channel();
        let snapshots = Snapshots::default();
        let tools = Tools {
            app: app.clone(),
            sender: Sender::new(guard.clone())?,
            mailer: Mailer::new(guard, app.config.ehlo_name()),
            prepared: prepared::Kept::default(),
            contents: contents::Contents::new(app.clone()),
            snapshots: snapshots.clone(),
            finished,
        };
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let process = app.clock.id();
        let lease = tokio::spawn(lease::keep(app.by_lane(Lane::Lease), process, stop.clone()));
        let listening = (app.clone(), stop.clone());
        tokio::spawn(restarted(app.metrics.clone(), "listening to Redis", move || {
            redis_doorbell::listen(listening.0.clone(), listening.1.clone())
        }));
        let recording = tokio::spawn(finish::record_all(app.clone(), snapshots, to_record));
        tasks.spawn(run(tools, tasks.clone(), stop.clone()));
        let recorded = tokio::spawn(async move {
            // Recording ends when the last attempt has told it; the lease is kept until then.
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

    /// Takes nothing more, waits for what is under way, and gives back the rest.
    pub async fn stop(self) {
        self.app.queue.stop_claiming();
        self.stop.cancel();
        lease::note_stopping(&self.app, self.process).await;
        self.tasks.close();
        // What is given back before its outcome is recorded would be sent again.
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

/// The leads of deliveries, for routing them further by hand; without those that cannot be opened, which the log tells.
pub(super) async fn contents(app: &App, deliveries: &[delivery::Model]) -> Result<HashMap<LeadId, Arc<LeadContent>>> {
    contents::Contents::new(app.clone()).load(deliveries).await
}

/// The secrets that sign for a partner now.
pub(super) async fn signing_secrets(app: &App, partner: PartnerId) -> Result<Vec<Secret>> {
    let now = app.clock.now();
    let all = prepared::load_secrets(app, partner).await?.into_iter();
    Ok(all
        .filter(|(_, until)| until.is_none_or(|until| now < until))
        .map(|(secret, _)| secret)
        .collect())
}

async fn run(tools: Tools, tasks: TaskTracker, stop: CancellationToken) {
    let Some(mut ready) = tools.app.queue.take_receiver() else {
        return;
    };
    tasks.spawn(claim_when_told(tools.clone(), tasks.clone(), stop.clone()));
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

/// Attempts what was claimed, unless its lease may have run out since: then others take it over.
fn attempt_in_background(tools: &Tools, tasks: &TaskTracker, mut claimed: Claimed) {
    if !tools.app.queue.may_begin(claimed.delivery.lease_owner) {
        tracing::warn!(delivery = %claimed.delivery.id, "a delivery is left to others: the lease may have run out since it was claimed");
        return;
    }
    let tools = tools.clone();
    tasks.spawn(async move {
        let span = spans::attempt(&claimed.delivery);
        let made = caught(&tools.app.metrics, "an attempt", attempted(&tools, &mut claimed));
        let made = made.instrument(span.clone()).await;
        if let Some(made) = made.unwrap_or_else(|| Some(panicked(&tools, &claimed))) {
            spans::attempted(&span, &made.outcome);
            finish::hand_in(&tools, Finished::of(claimed, made));
        } else {
            drop(claimed);
            tools.app.queue.slots_freed();
        }
    });
}

/// What is left to be recorded of an attempt, if anything is.
async fn attempted(tools: &Tools, claimed: &mut Claimed) -> Option<Made> {
    if claimed.delivery.channel == Channel::Account {
        into_account::attempt(tools, claimed).await
    } else {
        attempt::attempt(tools, claimed).await
    }
}

/// An attempt that has panicked has ended all the same: it spends an attempt, and the delivery is put off.
fn panicked(tools: &Tools, claimed: &Claimed) -> Made {
    if claimed.delivery.channel == Channel::Account {
        // The lead may be at the buyer, with deliveries that were claimed and that nobody here knows of.
        tools.app.queue.abandon_lease();
    }
    attempt::panicked(tools, &claimed.delivery)
}

/// Looks for due work at each ring and each sweep, one look at a time. A ring during a look is heard after it; what a look
/// leaves for want of slots is looked for when some are free again, which rings. A look that panics is followed by the next one.
async fn claim_when_told(tools: Tools, tasks: TaskTracker, stop: CancellationToken) {
    let doorbell = tools.app.queue.doorbell.clone();
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut looks, mut places) = (holds::Looks::default(), places::Places::default());
    loop {
        let swept = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = doorbell.notified() => false,
            _ = sweep.tick() => true,
        };
        let metrics = &tools.app.metrics;
        // Endpoints that others hold are found by the sweep; those that are known to be held are looked after at each look.
        if swept || tools.app.queue.holds() {
            caught(
                metrics,
                "looking after paused endpoints",
                look_after_holds(&tools, &tasks, &mut looks),
            )
            .await;
        }
        caught(
            metrics,
            "looking for due deliveries",
            look_for_due(&tools, &tasks, &mut places),
        )
        .await;
    }
}

async fn look_after_holds(tools: &Tools, tasks: &TaskTracker, looks: &mut holds::Looks) {
    match holds::look(tools, looks).await {
        Ok(claimed) => claimed
            .into_iter()
            .for_each(|claimed| attempt_in_background(tools, tasks, claimed)),
        Err(error) => tracing::warn!(?error, "cannot look after paused endpoints; the next sweep will"),
    }
}

async fn look_for_due(tools: &Tools, tasks: &TaskTracker, places: &mut places::Places) {
    match claim::claim_due(&tools.app, &tools.contents, places).await {
        Ok(claimed) => claimed
            .into_iter()
            .for_each(|claimed| attempt_in_background(tools, tasks, claimed)),
        Err(error) => tracing::warn!(?error, "cannot look for due deliveries; the next sweep will"),
    }
}
