//! Submitting leads. A submission is decided in its caller's task and handed to a writer, which stores all that came while it
//! wrote the last ones in one transaction; only after its commit the receipts go out.

mod batch;
mod rows;
mod store;

pub use rows::{delivery_event, fully_set, new_delivery, portal_event};
pub use store::{lock_counters, write_caps};

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chrono::{DateTime, Utc};
use entity::ids::{FlowId, LeadId, SourceId};
use ring::digest;
use serde_json::{Map, Value};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::compile::Snapshots;
use super::decide::{Draft, decide};
use super::receipts::Receipt;
use super::snapshot::{Access, Snapshot, Source};
use crate::app::App;
use crate::crypto::Keys;
use crate::error::{Error, Result, UserErrorCode};
use crate::identity::caller::{Caller, Principal};
use crate::identity::policy::Action;

/// Leads in one bulk submission.
pub const MAX_BULK: usize = 500;
/// Characters of an idempotency key.
pub const MAX_KEY_CHARS: usize = 255;
/// Submissions that wait for a writer; more are told to come back.
const WAITING: usize = 2_048;
/// How long a submission waits for a place among them.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a submission is decided anew because the flow has changed meanwhile.
const DECISIONS: usize = 5;

/// A lead as its sender gives it.
#[derive(Clone, Debug)]
pub struct Submission {
    /// To which flow.
    pub flow: FlowId,
    /// Through which source; none means the sender's first.
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
    /// Compiled flows.
    pub snapshots: Snapshots,
}

/// A decided submission on its way to a writer.
struct Job {
    id: LeadId,
    flow: Arc<Snapshot>,
    source: usize,
    submitted: Map<String, Value>,
    idempotency: Option<(String, String)>,
    test: bool,
    principal: Principal,
    keys: Option<Arc<Keys>>,
    draft: Draft,
    at: DateTime<Utc>,
    started: Instant,
    answer: oneshot::Sender<Answer>,
}

/// What a writer answers.
enum Answer {
    Done(Result<Receipt>),
    /// The flow has changed since it was compiled: decide again.
    Outdated,
}

impl Job {
    fn source(&self) -> Option<&Source> {
        self.flow.sources.get(self.source)
    }

    /// Decides from the beginning: a draft is used up by the attempt to store it.
    fn decide_again(&mut self) {
        if let Some(source) = self.flow.sources.get(self.source) {
            self.draft = decide(&self.flow, source, &self.submitted, self.at);
        }
    }
}

impl Intake {
    /// Starts the writers: one on `SQLite`, which writes one transaction at a time anyway; two on `PostgreSQL`, so that one
    /// collects while the other waits for the disk. They end when the last `Intake` is dropped and the queue is empty.
    pub fn start(app: &App) -> Self {
        let (jobs, waiting) = mpsc::channel(WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        let writers = if app.db.is_postgres() { 2 } else { 1 };
        for _ in 0..writers {
            tokio::spawn(batch::write(app.clone(), waiting.clone()));
        }
        Self {
            jobs,
            snapshots: Snapshots::default(),
        }
    }

    /// Submits one lead. The receipt is the proof that it is stored, with every delivery that follows from it. A sender that
    /// has no right to submit is refused, and counted.
    pub async fn submit(&self, app: &App, caller: &Caller, submission: Submission) -> Result<Receipt> {
        let flow = submission.flow;
        let result = self.decide_and_store(app, caller, submission).await;
        if result.as_ref().is_err_and(is_refusal) {
            app.tally.refused(flow, caller.principal.account(), app.clock.now());
        }
        result
    }

    async fn decide_and_store(&self, app: &App, caller: &Caller, submission: Submission) -> Result<Receipt> {
        let account = caller.require(Action::SubmitLeads)?;
        let idempotency = submission
            .idempotency_key
            .map(|key| checked_key(key, &submission.fields, submission.test))
            .transpose()?;
        let (started, at, id) = (Instant::now(), app.clock.now(), app.clock.id());
        let mut flow = self.snapshots.get(app.db.read(), submission.flow).await?;
        for _ in 0..DECISIONS {
            let Some(snapshot) = flow else { return Err(no_flow()) };
            let source = match find_source(&snapshot, account, submission.source) {
                Ok(source) => source,
                Err(refusal) if self.snapshots.is_newest(app.db.read(), &snapshot).await? => return Err(refusal),
                Err(_outdated) => {
                    flow = self.snapshots.reload(app.db.read(), submission.flow).await?;
                    continue;
                }
            };
            let draft = snapshot
                .sources
                .get(source)
                .map(|source| decide(&snapshot, source, &submission.fields, at));
            let encrypts = snapshot.fields.iter().any(|field| field.encrypted);
            let keys = if encrypts || !snapshot.duplicate_keys.is_empty() {
                Some(
                    app.vault
                        .keys(app.db.write(), &app.clock, Some(snapshot.account))
                        .await?,
                )
            } else {
                None
            };
            let (answer, answered) = oneshot::channel();
            self.enqueue(Job {
                id,
                flow: snapshot,
                source,
                submitted: submission.fields.clone(),
                idempotency: idempotency.clone(),
                test: submission.test,
                principal: caller.principal.clone(),
                keys,
                draft: draft.unwrap_or_default(),
                at,
                started,
                answer,
            })
            .await?;
            match answered.await {
                Ok(Answer::Done(receipt)) => return receipt,
                Ok(Answer::Outdated) => flow = self.snapshots.reload(app.db.read(), submission.flow).await?,
                Err(_stopped) => return Err(Error::Unavailable("the server is stopping: submit again")),
            }
        }
        Err(Error::Unavailable(
            "the flow is being changed too quickly: submit again",
        ))
    }

    async fn enqueue(&self, job: Job) -> Result<()> {
        match self.jobs.send_timeout(job, PATIENCE).await {
            Ok(()) => Ok(()),
            Err(_full_or_closed) => Err(Error::Unavailable(
                "too many leads are waiting to be stored: submit again in a moment",
            )),
        }
    }
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
fn find_source(flow: &Snapshot, account: entity::ids::AccountId, named: Option<SourceId>) -> Result<usize> {
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

/// The key with the fingerprint of what it was used for.
fn checked_key(key: String, fields: &Map<String, Value>, test: bool) -> Result<(String, String)> {
    let length = key.chars().count();
    if length == 0 || length > MAX_KEY_CHARS || key.chars().any(char::is_control) {
        let advice = format!("an idempotency key has 1 to {MAX_KEY_CHARS} characters and no control characters");
        return Err(Error::broken(UserErrorCode::Invalid, "input.idempotencyKey", advice));
    }
    let mut content = serde_json::to_vec(fields)?;
    content.push(u8::from(test));
    let hash = digest::digest(&digest::SHA256, &content);
    Ok((key, STANDARD_NO_PAD.encode(hash.as_ref())))
}
