//! Storing a batch of submissions in one transaction. Credentials, versions and idempotency keys are checked here, because only here
//! the answer is exact. [`store`](super::store::store) does the rest.

use entity::event::EventKind;
use entity::gate;
use entity::ids::DeliveryId;
use sea_orm::DatabaseTransaction;

use super::idempotency::resolve_repeats;
use super::job::{Answer, Job, JobState};
use super::rows::SubmissionMeta;
use super::store::{LeadToStore, StoreContext, accounts, store, versions_hold};
use crate::allocate::LockSet;
use crate::receipts::Receipt;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::authenticate;
use leadmesh_core::live::events::{self, LogHeads};
use leadmesh_core::queue::Claimed;

/// What follows from a committed batch.
pub(super) struct StoredBatch {
    /// One for each job, in order.
    pub(super) answers: Vec<Answer>,
    /// Deliveries that this process's worker starts now.
    pub(super) claimed: Vec<Claimed>,
    /// Deliveries that wait for a worker.
    pub(super) waiting: Vec<DeliveryId>,
    /// Topics that have grown.
    pub(super) heads: LogHeads,
    /// Deliveries that have arrived in portals.
    in_portals: usize,
}

/// Stores a batch. An error means that nothing is stored, unless it is [`Outage::EndUnknown`](leadmesh_core::error::Outage::EndUnknown).
pub(super) async fn commit_batch(app: &App, jobs: &mut [Job]) -> Result<StoredBatch> {
    let tx = app.db.begin().await?;
    let batch = write_batch(app, &tx, jobs).await.map_err(Error::before_commit)?;
    tx.commit().await.map_err(|error| {
        tracing::error!(%error, "a commit of leads has failed");
        Error::from(error)
    })?;
    app.metrics.delivered_in_portals(batch.in_portals);
    Ok(batch)
}

async fn write_batch(app: &App, tx: &DatabaseTransaction, jobs: &mut [Job]) -> Result<StoredBatch> {
    let (mut states, context) = check_rights(tx, app, jobs).await?;
    resolve_repeats(tx, jobs, &mut states).await?;
    let new = jobs.iter_mut().zip(&states);
    let new = new.filter(|(_, state)| matches!(state, JobState::New));
    let leads = new.map(|(job, _)| to_store(job)).collect();
    let stored = store(app, tx, leads, context).await?;
    Ok(StoredBatch {
        in_portals: events::count(&stored.events, EventKind::PortalDelivered),
        heads: events::append(tx, app.clock.now(), stored.events).await?,
        answers: answers(states, stored.receipts)?,
        claimed: stored.claimed,
        waiting: stored.waiting,
    })
}

fn to_store(job: &mut Job) -> LeadToStore<'_> {
    LeadToStore {
        meta: SubmissionMeta {
            at: job.at,
            started: job.started,
            test: job.test,
            idempotency_key: job.idempotency.as_ref().map(|key| key.text.clone()),
            origin: None,
            span: job.span.clone(),
        },
        lead: &mut job.lead,
    }
}

/// The answers that are known, and the receipts of the others, in order.
fn answers(states: Vec<JobState>, receipts: Vec<Receipt>) -> Result<Vec<Answer>> {
    let mut receipts = receipts.into_iter();
    let mut answers = Vec::with_capacity(states.len());
    for state in states {
        let answer = match state {
            JobState::Answered(answer) => Some(answer),
            JobState::New => receipts.next().map(|receipt| Answer::Done(Ok(receipt))),
            JobState::Repeats(first) => match answers.get(first) {
                Some(Answer::Done(Ok(receipt))) => Some(Answer::Done(Ok(Receipt::replay(receipt)))),
                _ => None,
            },
        };
        answers.push(answer.ok_or_else(|| Error::Internal(anyhow::anyhow!("a lead without a receipt")))?);
    }
    Ok(answers)
}

/// Checks credentials and versions in this transaction: a revocation or change that was committed before holds. Also reads the open
/// circuits and the worker's lease.
async fn check_rights(tx: &DatabaseTransaction, app: &App, jobs: &[Job]) -> Result<(Vec<JobState>, StoreContext)> {
    // Connections that end meanwhile end after these leads. Leads that stay within an account wait for nothing.
    let crossing = jobs.iter().filter(|job| job.crosses_accounts());
    gate::pass(tx, accounts(crossing.map(|job| &job.lead))).await?;
    let rests_on = accounts(jobs.iter().map(|job| &job.lead));
    let principals = jobs.iter().map(|job| &job.principal);
    let lease = app.queue.valid_owner();
    let now = authenticate::recheck(tx, app.clock.now(), principals, rests_on, lease).await?;
    let state = |job: &Job| {
        if !now.valid.includes(&job.principal) {
            let ended = Error::Unauthenticated("these credentials have ended");
            return JobState::Answered(Answer::Done(Err(ended)));
        }
        if !versions_hold(&job.lead, &now.versions) {
            return JobState::Answered(Answer::Outdated(now.versions.clone()));
        }
        JobState::New
    };
    let states = jobs.iter().map(state).collect();
    let context = StoreContext {
        open_circuits: now.closed,
        lease: now.lease,
        locks: LockSet::default(),
    };
    Ok((states, context))
}
