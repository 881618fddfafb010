//! Brings deliveries to a worker quickly. The database decides what is due; this only wakes workers, and hands over deliveries that the
//! transaction which stored them has claimed.

pub mod slots;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use entity::delivery;
use entity::due::Destination;
use entity::field::FieldDef;
use entity::ids::{AccountId, DeliveryId, FlowId, LeadId};
use entity::routed::Routed;
use prometheus_client::metrics::counter::Counter;
use redis::aio::ConnectionManager;
use serde_json::{Map, Value};
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use crate::config::Settings;
use slots::{Slot, Slots};

/// The Redis stream that wakes workers; its entries carry delivery ids and nothing else.
pub fn stream(settings: &Settings) -> String {
    format!("{}:wake", settings.redis_prefix)
}

/// Entries kept in the stream. A worker that is further behind finds its work in the database.
const STREAM_LENGTH: usize = 100_000;
const IDS_PER_ENTRY: usize = 100;
/// Longest wait for Redis to take an entry.
const PATIENCE: Duration = Duration::from_millis(50);

/// What this process knows of its worker's lease.
#[derive(Debug, Default)]
struct Holding {
    owner: Option<Owner>,
    /// Nothing more is claimed, and no lease is taken.
    stopping: bool,
}

#[derive(Clone, Copy, Debug)]
struct Owner {
    lease: Uuid,
    /// Nothing is claimed under it after this, unless it is renewed; none where it never expires.
    until: Option<Instant>,
}

/// A delivery that this process may attempt now: it holds the lease and a slot.
#[derive(Debug)]
pub struct Claimed {
    /// The row, SENDING, its attempt counted.
    pub delivery: delivery::Model,
    pub lead: Arc<LeadContent>,
    pub slot: Slot,
}

/// A lead as recipients get it, with encrypted values opened. Never stored or logged.
#[derive(Debug)]
pub struct LeadContent {
    pub id: LeadId,
    pub test: bool,
    pub fields: Map<String, Value>,
    /// Fields whose value is not of their type.
    pub invalid: HashSet<String>,
    /// The values by which it was routed, where later steps have changed them.
    pub routed: Routed,
    /// The flow and its version: the key of what is cached for its fields.
    pub flow: (FlowId, i32),
    pub definitions: Arc<Vec<FieldDef>>,
}

/// The way to the worker of this process, if it runs one, and to those of others.
#[derive(Clone, Debug)]
pub struct Queue {
    pub slots: Slots,
    /// Told when there may be something to claim.
    pub doorbell: Arc<Notify>,
    /// Whether deliveries may be due that were not claimed for want of slots.
    backlog: Arc<AtomicBool>,
    /// Whether isolated deliveries wait.
    isolating: Arc<AtomicBool>,
    /// Whether deliveries may wait for an open circuit.
    open_circuits: Arc<AtomicBool>,
    holding: Arc<Mutex<Holding>>,
    ready: mpsc::UnboundedSender<Claimed>,
    taken: Arc<Mutex<Option<mpsc::UnboundedReceiver<Claimed>>>>,
    redis: Option<ConnectionManager>,
    stream: Arc<str>,
    failed: Counter,
}

impl Queue {
    /// A queue without a worker yet. `failed` counts calls that Redis has not taken.
    pub fn new(settings: &Settings, redis: Option<ConnectionManager>, failed: Counter) -> Self {
        // Slots bound it: every entry holds one.
        let (ready, receiver) = mpsc::unbounded_channel();
        Self {
            slots: Slots::new(settings.concurrency, settings.destination_concurrency),
            doorbell: Arc::default(),
            backlog: Arc::default(),
            isolating: Arc::default(),
            open_circuits: Arc::default(),
            holding: Arc::default(),
            ready,
            taken: Arc::new(Mutex::new(Some(receiver))),
            redis,
            stream: stream(settings).into(),
            failed,
        }
    }

    /// Receives what is handed over; taken once, by the worker of this process.
    pub fn take_receiver(&self) -> Option<mpsc::UnboundedReceiver<Claimed>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The worker has taken a lease, under which it may claim until `until` without a renewal. False, and nothing is claimed under it,
    /// if the worker was told to stop meanwhile.
    pub fn take_lease(&self, lease: Uuid, until: Option<Instant>) -> bool {
        let mut holding = lock(&self.holding);
        if !holding.stopping {
            holding.owner = Some(Owner { lease, until });
        }
        !holding.stopping
    }

    /// The lease was renewed. False if it was [abandoned](Self::abandon_lease) meanwhile: an abandoned lease never comes back, since
    /// other workers may be taking over its deliveries.
    pub fn renew_lease(&self, lease: Uuid, until: Option<Instant>) -> bool {
        let mut holding = lock(&self.holding);
        let held = holding.owner.as_mut().filter(|owner| owner.lease == lease);
        let is_held = held.is_some();
        if let Some(owner) = held {
            owner.until = until;
        }
        is_held
    }

    /// Claims nothing more. Deliveries that are claimed already may still be attempted.
    pub fn stop_claiming(&self) {
        lock(&self.holding).stopping = true;
    }

    /// The lease of this process's worker, even one that may have expired.
    pub fn owner(&self) -> Option<Uuid> {
        lock(&self.holding).owner.map(|owner| owner.lease)
    }

    /// The lease under which deliveries may be claimed; none if it may have expired, since other workers would take them over while they
    /// are sent.
    pub fn valid_owner(&self) -> Option<Uuid> {
        let holding = lock(&self.holding);
        let valid = holding.owner.filter(|owner| !holding.stopping && owner.is_valid());
        valid.map(|owner| owner.lease)
    }

    /// Whether the attempt of a delivery that was claimed under that lease may begin. If the lease may have expired since, it is
    /// abandoned, and another worker takes the delivery over.
    pub fn may_begin(&self, lease: Option<Uuid>) -> bool {
        let (is_own, valid) = {
            let holding = lock(&self.holding);
            let own = holding.owner.filter(|owner| Some(owner.lease) == lease);
            (own.is_some(), own.is_some_and(|owner| owner.is_valid()))
        };
        if is_own && !valid {
            self.abandon_lease();
        }
        valid
    }

    /// Gives up the lease, because deliveries may be under it that this process does not know of: after a commit whose outcome is
    /// unknown. The worker takes a new lease; deliveries under the old one are taken over when it expires. A stopping worker keeps it,
    /// since it gives back all its deliveries at the end.
    pub fn abandon_lease(&self) {
        let mut holding = lock(&self.holding);
        if !holding.stopping && holding.owner.take().is_some() {
            drop(holding);
            self.doorbell.notify_one();
        }
    }

    /// Guards code that claims: if it panics, the lease is abandoned, since the claimed deliveries are unknown.
    pub fn abandon_on_panic(&self) -> AbandonOnPanic<'_> {
        AbandonOnPanic(self)
    }

    /// A slot and the lease for a first attempt by this process, for a delivery that the transaction which stores it claims; the
    /// transaction has seen `lease` valid. None if that is not this worker's lease or there is no slot: then the delivery waits for any
    /// worker.
    pub fn claim_on_insert(
        &self,
        lease: Option<Uuid>,
        account: AccountId,
        destination: Destination,
    ) -> Option<(Uuid, Slot)> {
        let owner = self.valid_owner().filter(|owner| Some(*owner) == lease)?;
        Some((owner, self.slots.try_take(account, destination, false)?))
    }

    /// Notes whether due deliveries may have been left for want of slots.
    pub fn set_backlog(&self, backlog: bool) {
        self.backlog.store(backlog, Ordering::SeqCst);
    }

    /// Notes whether deliveries may wait for an open circuit. Workers of other processes find out within a second.
    pub fn set_open_circuits(&self, open: bool) {
        self.open_circuits.store(open, Ordering::SeqCst);
    }

    /// Whether deliveries may wait for an open circuit.
    pub fn has_open_circuits(&self) -> bool {
        self.open_circuits.load(Ordering::SeqCst)
    }

    /// Notes whether isolated deliveries wait for those under way to end.
    pub fn set_isolating(&self, isolating: bool) {
        self.isolating.store(isolating, Ordering::SeqCst);
    }

    /// Slots are free again: deliveries that were left for want of them can be claimed.
    pub fn slots_freed(&self) {
        if self.backlog.load(Ordering::SeqCst) || self.isolating.load(Ordering::SeqCst) {
            self.doorbell.notify_one();
        }
    }

    /// Starts an attempt of a delivery whose claim has been committed.
    pub fn hand_over(&self, claimed: Claimed) {
        if self.ready.send(claimed).is_err() {
            tracing::warn!("the worker has stopped: its deliveries go to the next one");
        }
    }

    /// Wakes workers for deliveries that wait; after the commit. Losing this loses only time.
    pub fn wake(&self, ids: Vec<DeliveryId>) {
        if ids.is_empty() {
            return;
        }
        self.doorbell.notify_one();
        if let Some(redis) = self.redis.clone() {
            let (stream, failed) = (self.stream.clone(), self.failed.clone());
            tokio::spawn(async move {
                if !push(redis, stream, ids).await {
                    failed.inc();
                }
            });
        }
    }
}

/// Abandons the lease when it is dropped in a panic.
#[derive(Debug)]
pub struct AbandonOnPanic<'a>(&'a Queue);

impl Drop for AbandonOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.abandon_lease();
        }
    }
}

impl Owner {
    /// Whether it has surely not run out.
    fn is_valid(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

fn lock(holding: &Mutex<Holding>) -> MutexGuard<'_, Holding> {
    holding.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether Redis has taken it.
async fn push(mut redis: ConnectionManager, stream: Arc<str>, ids: Vec<DeliveryId>) -> bool {
    let mut pipeline = redis::pipe();
    for ids in ids.chunks(IDS_PER_ENTRY) {
        let text: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let length = redis::streams::StreamMaxlen::Approx(STREAM_LENGTH);
        pipeline
            .xadd_maxlen(&*stream, length, "*", &[("ids", text.join(" "))])
            .ignore();
    }
    match tokio::time::timeout(PATIENCE, pipeline.query_async::<()>(&mut redis)).await {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => tracing::debug!(%error, "cannot wake workers; the sweep will"),
        Err(_elapsed) => tracing::debug!("cannot wake workers in time; the sweep will"),
    }
    false
}

#[cfg(test)]
mod tests;
