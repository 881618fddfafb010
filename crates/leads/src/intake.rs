//! Intake: submitting leads. A submission is decided in its caller's task and handed to a writer. The writer stores everything that
//! arrived during its last transaction in the next one; receipts go out after the commit.

mod batch;
mod commit;
mod delivery_rows;
mod duplicates;
mod fair_queue;
mod idempotency;
mod job;
mod locks;
mod memory;
mod rows;
mod search_keys;
mod source;
mod store;

pub use delivery_rows::{Recipient, delivery_event, fully_set, new_delivery, portal_event};
pub use idempotency::MAX_KEY_CHARS;
pub use locks::{lock, read_credits, write, write_counters};
pub use rows::{Origin, SubmissionMeta, refusal};
pub use store::{LeadToStore, StoreContext, StoredLeads, accounts, newest_versions, store, versions_hold};

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use entity::ids::{AccountId, FlowId, LeadId, SourceId};
use serde_json::{Map, Value};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tracing::{Instrument, Span};

use self::idempotency::{GivenKey, Submitter};
use self::job::{Answer, Job, MAX_WAITING};
use self::memory::{MemoryLimiter, MemoryLimits};
use self::source::{find_source, no_flow};
use super::compile::Snapshots;
use super::downstream::{Purpose, TargetResolver};
use super::draft::{Draft, InboundLead};
use super::footprint;
use super::handoff::DownstreamTargets;
use super::receipts::Receipt;
use super::snapshot::{Snapshot, Versions};
use leadmesh_core::app::App;
use leadmesh_core::crypto::Keys;
use leadmesh_core::database::Workload;
use leadmesh_core::error::{Error, Outage, Result, UserErrorCode};
use leadmesh_core::fair::{FairShares, ShareLimits};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::spans;

/// Leads in one bulk submission.
pub const MAX_BULK: usize = 500;
/// Waiting submissions of one account, and its submissions that may wait to be among them.
const OF_ACCOUNT: usize = MAX_WAITING / 2;
const MORE_OF_ACCOUNT: usize = 8 * MAX_WAITING;
/// How long a submission waits to be among the waiting ones.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// Memory of the leads that wait for a writer or are being stored.
const MEMORY: MemoryLimits = MemoryLimits {
    all: 64 * 1024 * 1024,
    share: 16 * 1024 * 1024,
    max_wait: Duration::from_secs(20),
};
/// Memory of a lead besides its values, expected before it is decided.
const EXPECTED_BYTES: usize = 8 * 1024;
/// Work from which on a decision takes some tenths of a millisecond, in evaluation steps.
const LONG_WORK: u64 = 50_000;
/// Assignments from which on a flow's leads are decided on threads of their own, and how many threads.
const BROAD_FLOW: usize = 100;
const BROAD_THREADS: usize = 2;
/// How often a submission is decided again because its flow has changed. While others submit too, the leads of one call are stored in
/// many small batches, between which changes are likely.
const MAX_DECISIONS: usize = 16;
/// How often it is decided again because a buyer has changed. After that the worker decides for the buyer, so that nobody's changes
/// hold up another account's leads.
const MAX_BUYER_ROUNDS: usize = 1;
const TOO_MANY: &str = "too many leads are waiting to be stored: submit again in a moment";

/// A lead as its sender submits it.
#[derive(Clone, Debug)]
pub struct Submission {
    pub flow: FlowId,
    /// None means the sender's first source, or the one that the idempotency key was first used with.
    pub source: Option<SourceId>,
    /// Values by the sender's field names.
    pub fields: Map<String, Value>,
    pub idempotency_key: Option<String>,
    /// Runs the whole path and counts nowhere.
    pub test: bool,
}

/// Takes submissions.
#[derive(Clone)]
pub struct Intake {
    jobs: mpsc::Sender<Job>,
    shares: Arc<FairShares>,
    memory: Arc<MemoryLimiter>,
    broad: Arc<Semaphore>,
    /// Compiled flows.
    pub snapshots: Snapshots,
}

impl Intake {
    /// Starts the writers: one on `SQLite`, which runs one writing transaction at a time; two on `PostgreSQL`, so that one collects
    /// while the other waits for the disk. They end when the last `Intake` is dropped and the queue is empty.
    pub fn start(app: &App) -> Self {
        let (jobs, arriving) = mpsc::channel(MAX_WAITING);
        let queue = Arc::new(Mutex::new(batch::WriterQueue::new(arriving)));
        let writers = if app.db.is_postgres() { 2 } else { 1 };
        for _ in 0..writers {
            tokio::spawn(batch::write(app.for_workload(Workload::Intake), queue.clone()));
        }
        let shares = FairShares::new(ShareLimits {
            concurrent: OF_ACCOUNT,
            max_waiting: MORE_OF_ACCOUNT,
            max_wait: MAX_WAIT,
        });
        Self {
            jobs,
            shares: Arc::new(shares),
            memory: Arc::new(MemoryLimiter::new(MEMORY)),
            broad: Arc::new(Semaphore::new(BROAD_THREADS)),
            snapshots: Snapshots::default(),
        }
    }

    /// Submits one lead. The receipt proves that it is stored, with every delivery that follows from it. A sender without the right
    /// to submit is refused, and the attempt is counted.
    pub async fn submit(&self, app: &App, caller: &Caller, submission: Submission) -> Result<Receipt> {
        let (flow, id) = (submission.flow, app.clock.id());
        let span = spans::submit(id, caller.principal.account());
        let result = self
            .decide_and_store(&app.for_workload(Workload::Intake), caller, submission, id)
            .instrument(span.clone())
            .await;
        match &result {
            Ok(receipt) if receipt.replayed => spans::repeats(&span, receipt.id),
            Ok(_) => {}
            Err(_) => spans::failed(&span),
        }
        if result.as_ref().is_err_and(is_refusal) {
            app.counters.refused(flow, caller.principal.account(), app.clock.now());
        }
        result
    }

    async fn decide_and_store(
        &self,
        app: &App,
        caller: &Caller,
        submission: Submission,
        id: LeadId,
    ) -> Result<Receipt> {
        let account = caller.require(Action::SubmitLeads)?;
        let check_key = |key| GivenKey::check(key, &submission.fields, submission.test);
        let idempotency = submission.idempotency_key.map(check_key).transpose()?;
        let (started, at) = (Instant::now(), app.clock.now());
        let db = app.db.read();
        let mut flow = self.snapshots.get(db, submission.flow).await?;
        let (mut newest, mut left_out) = (Versions::new(), HashSet::new());
        for round in 0..MAX_DECISIONS {
            let Some(snapshot) = flow else { return Err(no_flow()) };
            let source = match find_source(&snapshot, account, submission.source) {
                Ok(source) => source,
                Err(refusal) if self.snapshots.is_newest(db, &snapshot).await? => return Err(refusal),
                Err(_outdated) => {
                    flow = self.snapshots.reload(db, submission.flow).await?;
                    continue;
                }
            };
            let submitter = Submitter {
                flow: &snapshot,
                sender: account,
                source,
                is_named: submission.source.is_some(),
            };
            let key = submitter.key(app, idempotency.as_ref()).await?;
            let share = self.share(account).await?;
            let (answer, answered) = oneshot::channel();
            let targets = self.targets(app, &snapshot, newest, &left_out).await?;
            let job = Job {
                targets: targets.clone(),
                lead: inbound(app, id, account, snapshot, source).await?,
                submitted: submission.fields.clone(),
                idempotency: key,
                test: submission.test,
                principal: caller.principal.clone(),
                at,
                started,
                memory: None,
                span: Span::current(),
                answer,
                _share: share,
            };
            self.enqueue(self.decide(app, account, job).await?).await?;
            match answered.await {
                Ok(Answer::Done(receipt)) => return receipt,
                Ok(Answer::Outdated(versions)) => {
                    if round >= MAX_BUYER_ROUNDS {
                        left_out.extend(changed_buyers(targets.as_deref(), &versions));
                    }
                    newest = versions;
                }
                // The writer has ended, before the commit or after it.
                Err(_stopped) => return Err(Error::Outage(Outage::EndUnknown)),
            }
            flow = self.snapshots.get_newest(db, submission.flow, &newest).await?;
        }
        Err(Error::Unavailable(
            "the flow is being changed too quickly: submit again",
        ))
    }

    async fn share(&self, account: AccountId) -> Result<OwnedSemaphorePermit> {
        let share = self.shares.of(account.0).acquire().await;
        share.map_err(|_exhausted| Error::Unavailable(TOO_MANY))
    }

    /// The downstream targets of a flow, without the buyers that are left to the worker.
    async fn targets(
        &self,
        app: &App,
        flow: &Snapshot,
        newest: Versions,
        left_out: &HashSet<AccountId>,
    ) -> Result<Option<Arc<DownstreamTargets>>> {
        if flow.downstream_targets.is_empty() {
            return Ok(None);
        }
        let resolver = TargetResolver {
            app,
            snapshots: &self.snapshots,
            newest,
            purpose: Purpose::Store,
        };
        let mut targets = resolver.resolve_all(flow).await?;
        targets.retain(|key, _| !left_out.contains(&key.buyer));
        Ok(Some(Arc::new(targets)))
    }

    /// Decides a lead within the memory of waiting ones. How much it needs is known only afterwards: if there is not enough left, the
    /// draft is dropped and made again once there is.
    async fn decide(&self, app: &App, account: AccountId, mut job: Job) -> Result<Job> {
        let values = footprint::of_object(&job.submitted);
        let mut least = values.saturating_mul(3).saturating_add(EXPECTED_BYTES);
        loop {
            let expected = least.max(self.memory.last(account));
            let mut memory = self.memory.take(account, expected).await?;
            job = self.decided(app, job).await?;
            least = job.footprint();
            if memory.resize(least) {
                job.memory = Some(memory);
                return Ok(job);
            }
            job.lead.draft = Draft::default();
        }
    }

    /// One task decides all leads of a call. Leads of a broad flow are decided on other threads, so that neither this task nor others
    /// wait for them; after another long decision, other tasks get a turn.
    async fn decided(&self, app: &App, mut job: Job) -> Result<Job> {
        if job.lead.flow.assignment_count() < BROAD_FLOW {
            job.decide(app);
            if job.lead.draft.work() > LONG_WORK {
                tokio::task::yield_now().await;
            }
            return Ok(job);
        }
        let permit = self.broad.acquire().await;
        let _permit = permit.map_err(|closed| Error::Internal(closed.into()))?;
        let app = app.clone();
        let decided = tokio::task::spawn_blocking(move || {
            job.decide(&app);
            job
        });
        decided.await.map_err(|panicked| Error::Internal(panicked.into()))
    }

    async fn enqueue(&self, job: Job) -> Result<()> {
        match self.jobs.send_timeout(job, MAX_WAIT).await {
            Ok(()) => Ok(()),
            Err(_full_or_closed) => Err(Error::Unavailable(TOO_MANY)),
        }
    }
}

/// A submitted lead before its decision.
async fn inbound(app: &App, id: LeadId, sender: AccountId, flow: Arc<Snapshot>, source: usize) -> Result<InboundLead> {
    Ok(InboundLead {
        id,
        version: flow.config_version,
        source,
        keys: keys(app, &flow).await?,
        path: Some(sender)
            .filter(|sender| *sender != flow.account)
            .into_iter()
            .collect(),
        draft: Draft::default(),
        flow,
    })
}

/// The buyers that have changed since their targets were resolved.
fn changed_buyers(targets: Option<&DownstreamTargets>, newest: &Versions) -> Vec<AccountId> {
    let targets = targets.into_iter().flat_map(DownstreamTargets::values);
    let targets = targets.map(|resolved| &resolved.target);
    let changed = targets.filter(|target| newest.get(&target.buyer).is_some_and(|now| *now != target.version));
    changed.map(|target| target.buyer).collect()
}

async fn keys(app: &App, flow: &Snapshot) -> Result<Option<Arc<Keys>>> {
    if !flow.needs_keys() {
        return Ok(None);
    }
    let keys = app.vault.keys(app.db.write(), &app.clock, Some(flow.account));
    Ok(Some(keys.await?))
}

/// Whether the sender had no right to submit. Invalid leads and outages are no refusals.
fn is_refusal(error: &Error) -> bool {
    match error {
        Error::Unauthenticated(_) | Error::Forbidden(_) => true,
        Error::User(broken) => broken
            .iter()
            .any(|rule| matches!(rule.code, UserErrorCode::NotFound | UserErrorCode::NotConnected)),
        _ => false,
    }
}
