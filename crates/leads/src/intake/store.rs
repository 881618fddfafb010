//! Storing submitted leads: one transaction for all of a batch. Rights and idempotency are settled here, because only here
//! they are exact; the rest is [`settle`](super::settle)'s.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use entity::event::EventKind;
use entity::ids::{DeliveryId, LeadId, SourceId};
use entity::{bulk, gate, idempotency, lead};
use sea_orm::{DatabaseTransaction, Set};

use super::rows::Occasion;
use super::settle::{Around, ToStore, accounts, settle, versions_hold};
use super::{Answer, Job};
use crate::allocate::Touched;
use crate::receipts::Receipt;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Outage, Result, UserErrorCode};
use leadmesh_core::identity::authenticate;
use leadmesh_core::live::events::{self, Heads};
use leadmesh_core::queue::Claimed;

/// How often keys are taken that are forgotten while they are.
const TAKINGS: usize = 5;

/// What follows from a committed batch.
pub(super) struct Stored {
    /// One for each job, in order.
    pub(super) answers: Vec<Answer>,
    /// Deliveries that this process' worker starts at once.
    pub(super) claimed: Vec<Claimed>,
    /// Deliveries that wait for a worker.
    pub(super) waiting: Vec<DeliveryId>,
    /// Logs that have grown.
    pub(super) heads: Heads,
}

/// What is settled of a job before it is stored.
enum Standing {
    /// To be stored.
    New,
    /// Answered with the receipt of the job at this place of the batch, which comes before it and is stored.
    Repeats(usize),
    /// Answered without storing anything.
    Answered(Answer),
}

/// Stores a batch. On an error nothing is stored, unless it says that the end of the commit is not known.
pub(super) async fn store(app: &App, jobs: &mut [Job]) -> Result<Stored> {
    let tx = app.db.begin().await?;
    let prepared = prepare(app, &tx, jobs).await.map_err(Error::before_commit)?;
    tx.commit().await.map_err(|error| {
        tracing::error!(%error, "a commit of leads has failed");
        Error::from(error)
    })?;
    app.metrics.delivered_in_portals(prepared.in_portals);
    Ok(prepared.stored)
}

/// A batch that is written, and not committed yet.
struct Prepared {
    stored: Stored,
    in_portals: usize,
}

async fn prepare(app: &App, tx: &DatabaseTransaction, jobs: &mut [Job]) -> Result<Prepared> {
    let (mut standings, around) = check_rights(tx, app, jobs).await?;
    settle_repeats(tx, jobs, &mut standings).await?;
    let new = jobs.iter_mut().zip(&standings);
    let new = new.filter(|(_, standing)| matches!(standing, Standing::New));
    let leads = new.map(|(job, _)| to_store(job)).collect();
    let settled = settle(app, tx, leads, around).await?;
    let in_portals = events::count(&settled.events, EventKind::PortalDelivered);
    let heads = events::append(tx, app.clock.now(), settled.events).await?;
    let stored = Stored {
        answers: answers(standings, settled.receipts)?,
        claimed: settled.claimed,
        waiting: settled.waiting,
        heads,
    };
    Ok(Prepared { stored, in_portals })
}

fn to_store(job: &mut Job) -> ToStore<'_> {
    ToStore {
        occasion: Occasion {
            at: job.at,
            started: job.started,
            test: job.test,
            idempotency_key: job.idempotency.as_ref().map(|key| key.text.clone()),
            came_by: None,
            span: job.span.clone(),
        },
        lead: &mut job.lead,
    }
}

/// What was answered without storing, and the receipts of the rest, in order.
fn answers(standings: Vec<Standing>, receipts: Vec<Receipt>) -> Result<Vec<Answer>> {
    let mut receipts = receipts.into_iter();
    let mut answers = Vec::with_capacity(standings.len());
    for standing in standings {
        let answer = match standing {
            Standing::Answered(answer) => Some(answer),
            Standing::New => receipts.next().map(|receipt| Answer::Done(Ok(receipt))),
            Standing::Repeats(first) => match answers.get(first) {
                Some(Answer::Done(Ok(receipt))) => Some(Answer::Done(Ok(again(receipt)))),
                _ => None,
            },
        };
        answers.push(answer.ok_or_else(|| Error::Internal(anyhow::anyhow!("a lead without a receipt")))?);
    }
    Ok(answers)
}

fn again(receipt: &Receipt) -> Receipt {
    Receipt {
        replayed: true,
        ..receipt.clone()
    }
}

/// The caller's credentials and the flows as they are in this transaction: nothing that was revoked or changed before may count.
/// With the endpoints that are held, and the worker's lease.
async fn check_rights(tx: &DatabaseTransaction, app: &App, jobs: &[Job]) -> Result<(Vec<Standing>, Around)> {
    // A connection that ends meanwhile ends after these leads. What stays within an account waits for nobody.
    let crossing = jobs.iter().filter(|job| job.crosses_accounts());
    gate::pass(tx, accounts(crossing.map(|job| &job.lead))).await?;
    let rests_on = accounts(jobs.iter().map(|job| &job.lead));
    let principals = jobs.iter().map(|job| &job.principal);
    let lease = app.queue.valid_owner();
    let now = authenticate::recheck_with(tx, app.clock.now(), principals, rests_on, lease).await?;
    let standing = |job: &Job| {
        if !now.valid.includes(&job.principal) {
            return Standing::Answered(Answer::Done(Err(Error::Unauthenticated(
                "these credentials have ended",
            ))));
        }
        if !versions_hold(&job.lead, &now.versions) {
            return Standing::Answered(Answer::Outdated(now.versions.clone()));
        }
        Standing::New
    };
    let standings = jobs.iter().map(standing).collect();
    let around = Around {
        closed: now.closed,
        lease: now.lease,
        touched: Touched::default(),
    };
    Ok((standings, around))
}

/// The first job of a batch that brings an idempotency key, by its place.
type FirstWith<'a> = HashMap<(SourceId, &'a str), usize>;

/// Takes the idempotency keys. A key that is taken already answers with the first receipt; so does one that a job before it in the
/// same batch takes.
async fn settle_repeats(tx: &DatabaseTransaction, jobs: &[Job], standings: &mut [Standing]) -> Result<()> {
    let mut first_with = FirstWith::new();
    let mut wanted = Wanted::new();
    for (place, (job, standing)) in jobs.iter().zip(standings.iter()).enumerate() {
        let (Standing::New, Some((source, key, fingerprint))) = (standing, keyed(job)) else {
            continue;
        };
        if first_with.contains_key(&(source, key)) {
            continue;
        }
        first_with.insert((source, key), place);
        wanted.insert(
            (source, key.to_owned()),
            idempotency::ActiveModel {
                source_id: Set(source),
                key: Set(key.to_owned()),
                fingerprint: Set(fingerprint.to_owned()),
                lead_id: Set(job.lead.id),
                at: Set(job.at),
            },
        );
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let own: HashSet<LeadId> = jobs.iter().map(|job| job.lead.id).collect();
    let kept = take_keys(tx, wanted).await?;
    let before = kept.values().map(|row| row.lead_id).filter(|id| !own.contains(id));
    let receipts = receipts(tx, before.collect()).await?;
    for (place, (job, standing)) in jobs.iter().zip(standings.iter_mut()).enumerate() {
        let (Standing::New, Some((source, key, fingerprint))) = (&*standing, keyed(job)) else {
            continue;
        };
        let first = first_with.get(&(source, key)).copied().unwrap_or(place);
        let first_id = jobs.get(first).map(|first| first.lead.id);
        let before = kept.get(&(source, key.to_owned()));
        if let Some(before) = before.filter(|row| Some(row.lead_id) != first_id) {
            *standing = Standing::Answered(Answer::Done(replay(&receipts, before, fingerprint)));
        } else if first != place {
            let same = jobs
                .get(first)
                .and_then(keyed)
                .is_some_and(|(.., of_first)| of_first == fingerprint);
            *standing = if same {
                Standing::Repeats(first)
            } else {
                Standing::Answered(Answer::Done(Err(other_fields())))
            };
        }
    }
    Ok(())
}

/// The source, the key and the fingerprint of a job that has a key.
fn keyed(job: &Job) -> Option<(SourceId, &str, &str)> {
    let key = job.idempotency.as_ref()?;
    Some((key.source, &key.text, &key.fingerprint))
}

/// What an idempotency key is kept for.
type Wanted = BTreeMap<(SourceId, String), idempotency::ActiveModel>;
/// The rows of keys.
type Kept = HashMap<(SourceId, String), idempotency::Model>;

/// Takes those keys that are free; answers the rows of all of them if some were not. One that was taken and is forgotten before its
/// row is read is taken anew, or a lead would be accepted whose key nobody knows.
async fn take_keys(tx: &DatabaseTransaction, wanted: Wanted) -> Result<Kept> {
    let (sources, keys): (BTreeSet<SourceId>, Vec<String>) = wanted.keys().cloned().unzip();
    let mut missing = wanted;
    for _ in 0..TAKINGS {
        let taken = bulk::insert_if_absent::<idempotency::Entity>(tx, missing.values().cloned().collect()).await?;
        if usize::try_from(taken).is_ok_and(|taken| taken == keys.len()) {
            return Ok(Kept::new());
        }
        let kept = idempotency::Entity::with_keys(tx, sources.clone(), keys.clone())
            .all(tx)
            .await?;
        let kept: Kept = kept
            .into_iter()
            .map(|row| ((row.source_id, row.key.clone()), row))
            .collect();
        missing.retain(|key, _| !kept.contains_key(key));
        if missing.is_empty() {
            return Ok(kept);
        }
    }
    Err(Error::Outage(Outage::GaveWay))
}

fn other_fields() -> Error {
    let advice = "this idempotency key was used for a lead with other fields: use a new key for a new lead";
    Error::broken(UserErrorCode::Conflict, "input.idempotencyKey", advice)
}

/// The first receipts of leads, all by one query: a call may repeat hundreds.
async fn receipts(tx: &DatabaseTransaction, of: HashSet<LeadId>) -> Result<HashMap<LeadId, Receipt>> {
    if of.is_empty() {
        return Ok(HashMap::new());
    }
    let leads = lead::Entity::receipts(lead::Entity::for_worker(of));
    let leads: Vec<lead::Receipt> = leads.into_model().all(tx).await?;
    Ok(leads.into_iter().map(|lead| (lead.id, Receipt::of(lead))).collect())
}

fn replay(receipts: &HashMap<LeadId, Receipt>, first: &idempotency::Model, fingerprint: &str) -> Result<Receipt> {
    if !first.fingerprint.is_empty() && first.fingerprint != fingerprint {
        return Err(other_fields());
    }
    let receipt = receipts.get(&first.lead_id).map(again);
    receipt.ok_or_else(|| Error::Internal(anyhow::anyhow!("an idempotency key without its lead")))
}
