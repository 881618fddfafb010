//! Submitting leads. A submission is decided in its caller's task and handed to a writer, which stores all that came while it
//! wrote the last ones in one transaction; only after its commit the receipts go out.

mod batch;
mod duplicates;
mod fair_queue;
mod locks;
mod room;
mod rows;
mod settle;
mod store;

pub use locks::{lock, look_at_turns, write, write_counters};
pub use rows::{CameBy, Occasion, Recipient, delivery_event, fully_set, new_delivery, portal_event, refusal};
pub use settle::{Around, Settled, ToStore, accounts, newest_versions, settle, versions_hold};

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use entity::idempotency;
use entity::ids::{AccountId, FlowId, LeadId, SourceId};
use serde_json::{Map, Value};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tracing::{Instrument, Span};
use uuid::Uuid;

use self::room::{Bounds, Held, Room};
use super::branch::{Entering, Growing, Reach};
use super::compile::Snapshots;
use super::decide::{Draft, decide};
use super::entrances::{LookUp, Purpose, Versions};
use super::receipts::Receipt;
use super::snapshot::{Access, Snapshot};
use super::weight;
use leadmesh_core::app::App;
use leadmesh_core::database::Lane;
use leadmesh_core::error::{Error, Outage, Result, UserErrorCode};
use leadmesh_core::fair::{FairShares, ShareLimits};
use leadmesh_core::identity::caller::{Caller, Principal};
use leadmesh_core::identity::policy::Action;
use leadmesh_core::spans;

/// Leads in one bulk submission.
pub const MAX_BULK: usize = 500;
/// Steps of its decision from which on a lead takes some tenths of a millisecond.
const LONG: u64 = 50_000;
/// Characters of an idempotency key.
pub const MAX_KEY_CHARS: usize = 255;
/// Submissions that wait for a writer; more are told to come back.
const WAITING: usize = 2_048;
/// Of them, those of one account, and how many more of its leads may wait for one of these places.
const OF_ACCOUNT: usize = WAITING / 2;
const MORE_OF_ACCOUNT: usize = 8 * WAITING;
/// How long a submission waits for a place among them.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes that the leads may hold that wait for a writer or are being stored, and those of one account among them.
const ROOM: Bounds = Bounds {
    all: 64 * 1024 * 1024,
    share: 16 * 1024 * 1024,
    patience: Duration::from_secs(20),
};
/// Places of partners from which on a flow's leads are decided off the threads that serve requests, and how many at once.
const BROAD: usize = 100;
const BROAD_AT_ONCE: usize = 2;
/// Bytes that a lead is taken to hold besides its values before it is decided.
const EXPECTED: usize = 8 * 1024;
const TOO_MANY: &str = "too many leads are waiting to be stored: submit again in a moment";
/// How often a submission is decided anew because the flow has changed meanwhile. While others submit as well, the leads of one call
/// are stored in many small batches, between which there is time for a change.
const DECISIONS: usize = 16;
/// How often because a buyer has changed its setup, before what goes to that buyer is left to the worker: nobody's changes may
/// hold up another account's leads.
const PATIENT_ROUNDS: usize = 1;

/// A lead as its sender gives it.
#[derive(Clone, Debug)]
pub struct Submission {
    /// To which flow.
    pub flow: FlowId,
    /// Through which source; none means the sender's first, and with a key that was used before the one it was used with.
    pub source: Option<SourceId>,
    /// Values by the sender's names.
    pub fields: Map<String, Value>,
    /// Makes a repetition answer with the first receipt.
    pub idempotency_key: Option<String>,
    /// Runs the whole path and counts nowhere.
    pub test: bool,
}

/// The way into the system.
#[derive(Clone)]
pub struct Intake {
    jobs: mpsc::Sender<Job>,
    shares: Arc<FairShares>,
    room: Arc<Room>,
    broad: Arc<Semaphore>,
    /// Compiled flows.
    pub snapshots: Snapshots,
}

/// A decided submission on its way to a writer.
struct Job {
    lead: Entering,
    submitted: Map<String, Value>,
    /// Where the lead may go from here; none as long as the flow delivers to no account.
    reach: Option<Arc<Reach>>,
    idempotency: Option<Key>,
    test: bool,
    principal: Principal,
    at: DateTime<Utc>,
    started: Instant,
    /// The room that it takes until it is answered.
    held: Option<Held>,
    /// That of the submission.
    span: Span,
    answer: oneshot::Sender<Answer>,
    /// Of the sender's share, until it is stored.
    _place: OwnedSemaphorePermit,
}

/// An idempotency key as it is kept.
struct Key {
    /// The source that the key was first used with, else that of the lead.
    source: SourceId,
    text: String,
    /// Of what it is used for, from which nobody without the account's keys can guess the values.
    fingerprint: String,
}

/// What a writer answers.
enum Answer {
    Done(Result<Receipt>),
    /// A flow has changed since it was compiled: decide again, by the versions that accounts have now.
    Outdated(Versions),
}

impl Job {
    /// The account that submits it.
    fn sender(&self) -> Uuid {
        self.principal.account().map(|account| account.0).unwrap_or_default()
    }

    /// Whether the lead comes from another account, or may go into one.
    fn crosses_accounts(&self) -> bool {
        self.reach.is_some() || !self.lead.path.is_empty()
    }

    /// Decides from the beginning: a draft is used up by the attempt to store it.
    fn decide_again(&mut self, app: &App) {
        let lead = &mut self.lead;
        if let Some(source) = lead.flow.sources.get(lead.source) {
            lead.draft = decide(&lead.flow, source, &self.submitted, self.at);
        }
        self.grow(app);
    }

    /// Bytes that it holds now.
    fn weigh(&self) -> usize {
        weight::object(&self.submitted).saturating_add(weight::lead(&self.lead))
    }

    /// Decides what becomes of the lead in accounts that it may reach.
    fn grow(&mut self, app: &App) {
        if let Some(reach) = &self.reach {
            Growing::new(reach, self.at, &|| app.clock.id()).grow(&mut self.lead);
        }
    }
}

impl Intake {
    /// Starts the writers: one on `SQLite`, which writes one transaction at a time anyway; two on `PostgreSQL`, so that one
    /// collects while the other waits for the disk. They end when the last `Intake` is dropped and the queue is empty.
    pub fn start(app: &App) -> Self {
        let (jobs, waiting) = mpsc::channel(WAITING);
        let waiting = Arc::new(Mutex::new(batch::Waiting::new(waiting)));
        let writers = if app.db.is_postgres() { 2 } else { 1 };
        for _ in 0..writers {
            tokio::spawn(batch::write(app.by_lane(Lane::Intake), waiting.clone()));
        }
        let shares = FairShares::new(ShareLimits {
            places: OF_ACCOUNT,
            waiting: MORE_OF_ACCOUNT,
            patience: PATIENCE,
        });
        Self {
            jobs,
            shares: Arc::new(shares),
            room: Arc::new(Room::new(ROOM)),
            broad: Arc::new(Semaphore::new(BROAD_AT_ONCE)),
            snapshots: Snapshots::default(),
        }
    }

    /// Submits one lead. The receipt is the proof that it is stored, with every delivery that follows from it. A sender that
    /// has no right to submit is refused, and counted.
    pub async fn submit(&self, app: &App, caller: &Caller, submission: Submission) -> Result<Receipt> {
        let (flow, id) = (submission.flow, app.clock.id());
        let span = spans::submit(id, caller.principal.account());
        let result = self
            .decide_and_store(&app.by_lane(Lane::Intake), caller, submission, id)
            .instrument(span.clone())
            .await;
        match &result {
            Ok(receipt) if receipt.replayed => spans::repeats(&span, receipt.id),
            Ok(_) => {}
            Err(_) => spans::failed(&span),
        }
        if result.as_ref().is_err_and(is_refusal) {
            app.tally.refused(flow, caller.principal.account(), app.clock.now());
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
        let idempotency = submission
            .idempotency_key
            .map(|key| checked_key(key, &submission.fields, submission.test))
            .transpose()?;
        let (started, at) = (Instant::now(), app.clock.now());
        let db = app.db.read();
        let mut flow = self.snapshots.get(db, submission.flow).await?;
        let (mut newest, mut left_out) = (Versions::new(), HashSet::new());
        for round in 0..DECISIONS {
            let Some(snapshot) = flow else { return Err(no_flow()) };
            let source = match find_source(&snapshot, account, submission.source) {
                Ok(source) => source,
                Err(refusal) if self.snapshots.is_newest(db, &snapshot).await? => return Err(refusal),
                Err(_outdated) => {
                    flow = self.snapshots.reload(db, submission.flow).await?;
                    continue;
                }
            };
            let submitting = Submitting {
                flow: &snapshot,
                sender: account,
                source,
                is_named: submission.source.is_some(),
            };
            let key = submitting.key(app, idempotency.as_ref()).await?;
            let place = self.place(account).await?;
            let (answer, answered) = oneshot::channel();
            let reach = self.reach(app, &snapshot, newest, &left_out).await?;
            let job = Job {
                reach: reach.clone(),
                lead: enter(app, account, (id, snapshot, source)).await?,
                submitted: submission.fields.clone(),
                idempotency: key,
                test: submission.test,
                principal: caller.principal.clone(),
                at,
                started,
                held: None,
                span: Span::current(),
                answer,
                _place: place,
            };
            self.enqueue(self.decide(app, account, job).await?).await?;
            match answered.await {
                Ok(Answer::Done(receipt)) => return receipt,
                Ok(Answer::Outdated(versions)) => {
                    if round >= PATIENT_ROUNDS {
                        left_out.extend(restless_buyers(reach.as_deref(), &versions));
                    }
                    newest = versions;
                }
                // Whoever had it has gone, before the commit or after it.
                Err(_stopped) => return Err(Error::Outage(Outage::EndUnknown)),
            }
            flow = self.snapshots.get_newest(db, submission.flow, &newest).await?;
        }
        Err(Error::Unavailable(
            "the flow is being changed too quickly: submit again",
        ))
    }

    /// A place of the sender's share.
    async fn place(&self, account: AccountId) -> Result<OwnedSemaphorePermit> {
        let place = self.shares.of(account.0).place().await;
        place.map_err(|_used_up| Error::Unavailable(TOO_MANY))
    }

    /// What a lead may reach from a flow that delivers to accounts. Those that are left out get it from the worker.
    async fn reach(
        &self,
        app: &App,
        flow: &Snapshot,
        newest: Versions,
        left_out: &HashSet<AccountId>,
    ) -> Result<Option<Arc<Reach>>> {
        if flow.exits.is_empty() {
            return Ok(None);
        }
        let look_up = LookUp {
            app,
            snapshots: &self.snapshots,
            newest,
            purpose: Purpose::Storing,
        };
        let mut reach = look_up.reach(flow).await?;
        reach.retain(|(_, buyer), _| !left_out.contains(buyer));
        Ok(Some(Arc::new(reach)))
    }

    /// Decides a lead as soon as there is room for what it holds then, so that those that wait are bounded in bytes. That is known
    /// only afterwards: where there is not as much left, the draft is given up and made again once there is.
    async fn decide(&self, app: &App, account: AccountId, mut job: Job) -> Result<Job> {
        let values = weight::object(&job.submitted);
        let mut least = values.saturating_mul(3).saturating_add(EXPECTED);
        loop {
            let expected = least.max(self.room.last(account));
            let mut held = self.room.take(account, expected).await?;
            job = self.decided(app, job).await?;
            least = job.weigh();
            if held.fit(least) {
                job.held = Some(held);
                return Ok(job);
            }
            job.lead.draft = Draft::default();
        }
    }

    /// Leads that come together are decided by one task. So that neither it nor others wait for those of a broad flow, these are
    /// decided elsewhere; of others that take long, others have a turn between two.
    async fn decided(&self, app: &App, mut job: Job) -> Result<Job> {
        if job.lead.flow.places() < BROAD {
            job.decide_again(app);
            if job.lead.draft.cost() > LONG {
                tokio::task::yield_now().await;
            }
            return Ok(job);
        }
        let _turn = self
            .broad
            .acquire()
            .await
            .map_err(|closed| Error::Internal(closed.into()))?;
        let app = app.clone();
        let decided = tokio::task::spawn_blocking(move || {
            job.decide_again(&app);
            job
        });
        decided.await.map_err(|panicked| Error::Internal(panicked.into()))
    }

    async fn enqueue(&self, job: Job) -> Result<()> {
        match self.jobs.send_timeout(job, PATIENCE).await {
            Ok(()) => Ok(()),
            Err(_full_or_closed) => Err(Error::Unavailable(TOO_MANY)),
        }
    }
}

/// Who submits to a flow, and through which of its sources.
struct Submitting<'a> {
    flow: &'a Snapshot,
    sender: AccountId,
    /// The place of the source.
    source: usize,
    /// Whether the sender has named it.
    is_named: bool,
}

impl Submitting<'_> {
    /// A key as it is kept: see [`checked_key`] for what is given.
    async fn key(&self, app: &App, given: Option<&(String, String)>) -> Result<Option<Key>> {
        let Some((text, content)) = given else { return Ok(None) };
        let chosen = self.flow.sources.get(self.source).map(|source| source.id);
        let chosen = chosen.ok_or_else(|| Error::Internal(anyhow::anyhow!("a source that the flow has not")))?;
        let source = if self.is_named {
            chosen
        } else {
            self.used_with(app, text, chosen).await?
        };
        let keys = app.vault.keys(app.db.write(), &app.clock, Some(self.flow.account));
        Ok(Some(Key {
            source,
            text: text.clone(),
            fingerprint: keys.await?.index("submission", content),
        }))
    }

    /// The source with which the sender has used the key, else the chosen one. Who names no source means the key alone, whichever of
    /// its sources comes first by now.
    async fn used_with(&self, app: &App, key: &str, chosen: SourceId) -> Result<SourceId> {
        let present = self.flow.sources.iter().map(|source| (source.id, source.sender));
        let all = present.chain(self.flow.former_sources.iter().copied());
        let own: Vec<SourceId> = all
            .filter(|(_, sender)| *sender == self.sender)
            .map(|(id, _)| id)
            .collect();
        if own.iter().all(|id| *id == chosen) {
            return Ok(chosen);
        }
        let db = app.db.read();
        let known = idempotency::Entity::with_keys(db, own, vec![key.to_owned()])
            .all(db)
            .await?;
        let first = known.iter().min_by_key(|row| (row.source_id != chosen, row.at));
        Ok(first.map_or(chosen, |row| row.source_id))
    }
}

/// The buyers that have changed their setup since it was looked up.
fn restless_buyers(reach: Option<&Reach>, newest: &Versions) -> Vec<AccountId> {
    let entrances = reach
        .into_iter()
        .flat_map(Reach::values)
        .map(|reached| &reached.entrance);
    let changed = entrances.filter(|entrance| newest.get(&entrance.buyer).is_some_and(|now| *now != entrance.version));
    changed.map(|entrance| entrance.buyer).collect()
}

/// A submitted lead, not decided yet. A connected account that submits counts among those that the lead has passed.
async fn enter(app: &App, sender: AccountId, (id, flow, source): (LeadId, Arc<Snapshot>, usize)) -> Result<Entering> {
    let keys = if flow.needs_keys() {
        let keys = app.vault.keys(app.db.write(), &app.clock, Some(flow.account));
        Some(keys.await?)
    } else {
        None
    };
    Ok(Entering {
        id,
        version: flow.config_version,
        source,
        keys,
        path: if sender == flow.account {
            Vec::new()
        } else {
            vec![sender]
        },
        draft: Draft::default(),
        flow,
    })
}

/// Whether the sender had no right to submit, as against a lead that makes no sense or a server that cannot.
fn is_refusal(error: &Error) -> bool {
    match error {
        Error::Unauthenticated(_) | Error::Forbidden(_) => true,
        Error::Broken(broken) => broken
            .iter()
            .any(|rule| matches!(rule.code, UserErrorCode::NotFound | UserErrorCode::NotConnected)),
        _ => false,
    }
}

fn no_flow() -> Error {
    Error::broken(
        UserErrorCode::NotFound,
        "input.flowId",
        "no such flow, or it is not open to you",
    )
}

/// The place of the source: the one that is named, or the sender's first that is enabled, or its first. A source whose
/// connection has ended is answered as one that never was.
fn find_source(flow: &Snapshot, account: AccountId, named: Option<SourceId>) -> Result<usize> {
    let mut own = flow
        .sources
        .iter()
        .enumerate()
        .filter(|(_, source)| source.sender == account && source.access != Access::Closed);
    let (found, path, advice) = if let Some(id) = named {
        let found = own.find(|(_, source)| source.id == id);
        (found, "input.sourceId", "the flow has no such source of yours")
    } else {
        let first = own.clone().next();
        let found = own.find(|(_, source)| source.enabled).or(first);
        (
            found,
            "input.flowId",
            "the flow has no source of your own: add one with addSource",
        )
    };
    match found {
        Some((_, source)) if source.access == Access::Suspended => Err(Error::broken(
            UserErrorCode::NotConnected,
            path,
            "your connection with the recipient is suspended: send again once it is resumed",
        )),
        Some((place, _)) => Ok(place),
        None if flow.account == account => Err(Error::broken(UserErrorCode::NotFound, path, advice)),
        None => Err(no_flow()),
    }
}

/// The key with what it is used for, as text.
fn checked_key(key: String, fields: &Map<String, Value>, test: bool) -> Result<(String, String)> {
    let length = key.chars().count();
    if length == 0 || length > MAX_KEY_CHARS || key.chars().any(char::is_control) {
        let advice = format!("an idempotency key has 1 to {MAX_KEY_CHARS} characters and no control characters");
        return Err(Error::broken(UserErrorCode::Invalid, "input.idempotencyKey", advice));
    }
    let content = serde_json::to_string(fields)?;
    Ok((key, format!("{content}{test}")))
}
