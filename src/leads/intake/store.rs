//! Storing submitted leads: one transaction for all of a batch. Rights and idempotency are settled here, because only here
//! they are exact; the rest is [`settle`](super::settle)'s.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use entity::event::EventKind;
use entity::ids::{DeliveryId, SourceId};
use entity::{bulk, gate, idempotency, lead};
use sea_orm::{DatabaseTransaction, Set};
use uuid::Uuid;

use super::rows::Occasion;
use super::settle::{Around, ToStore, accounts, settle, versions_hold};
use super::{Answer, Job};
use crate::app::App;
use crate::error::{Error, Result, UserErrorCode};
use crate::identity::authenticate;
use crate::leads::allocate::Touched;
use crate::leads::receipts::Receipt;
use crate::live::events::{self, Heads};
use crate::queue::Claimed;

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
    let (mut standings, closed) = check_rights(tx, app, jobs).await?;
    settle_repeats(tx, jobs, &mut standings).await?;
    let new = jobs.iter_mut().zip(&standings);
    let new = new.filter(|(_, standing)| matches!(standing, Standing::New));
    let leads = new.map(|(job, _)| to_store(job)).collect();
    let around = Around {
        closed,
        touched: Touched::default(),
    };
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
/// With the endpoints that are held.
async fn check_rights(tx: &DatabaseTransaction, app: &App, jobs: &[Job]) -> Result<(Vec<Standing>, HashSet<Uuid>)> {
    // A connection that ends meanwhile ends after these leads. What stays within an account waits for nobody.
    let crossing = jobs.iter().filter(|job| job.crosses_accounts());
    gate::pass(tx, accounts(crossing.map(|job| &job.lead))).await?;
    let rests_on = accounts(jobs.iter().map(|job| &job.lead));
    let principals = jobs.iter().map(|job| &job.principal);
    let now = authenticate::recheck(tx, app.clock.now(), principals, rests_on).await?;
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
    Ok((jobs.iter().map(standing).collect(), now.closed.clone()))
}

/// The first job of a batch that brings an idempotency key, by its place.
type FirstWith<'a> = HashMap<(SourceId, &'a str), usize>;

/// Takes the idempotency keys. A key that is taken already answers with the first receipt; so does one that a job before it in the
/// same batch takes.
async fn settle_repeats(tx: &DatabaseTransaction, jobs: &[Job], standings: &mut [Standing]) -> Result<()> {
    let mut first_with = FirstWith::new();
    let mut wanted: BTreeMap<(SourceId, String), idempotency::ActiveModel> = BTreeMap::new();
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
    let kept = take_keys(tx, wanted).await?;
    for (place, (job, standing)) in jobs.iter().zip(standings.iter_mut()).enumerate() {
        let (Standing::New, Some((source, key, fingerprint))) = (&*standing, keyed(job)) else {
            continue;
        };
        let first = first_with.get(&(source, key)).copied().unwrap_or(place);
        let first_id = jobs.get(first).map(|first| first.lead.id);
        let before = kept.get(&(source, key.to_owned()));
        if let Some(before) = before.filter(|row| Some(row.lead_id) != first_id) {
            *standing = Standing::Answered(Answer::Done(replay(tx, before, fingerprint).await));
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

/// Takes those keys that are free; answers the rows of all of them if some were not.
async fn take_keys(
    tx: &DatabaseTransaction,
    wanted: BTreeMap<(SourceId, String), idempotency::ActiveModel>,
) -> Result<HashMap<(SourceId, String), idempotency::Model>> {
    let (sources, keys): (BTreeSet<SourceId>, Vec<String>) = wanted.keys().cloned().unzip();
    let taken = bulk::insert_if_absent::<idempotency::Entity>(tx, wanted.into_values().collect()).await?;
    if usize::try_from(taken).is_ok_and(|taken| taken == keys.len()) {
        return Ok(HashMap::new());
    }
    let kept = idempotency::Entity::with_keys(tx, sources, keys).all(tx).await?;
    Ok(kept
        .into_iter()
        .map(|row| ((row.source_id, row.key.clone()), row))
        .collect())
}

fn other_fields() -> Error {
    let advice = "this idempotency key was used for a lead with other fields: use a new key for a new lead";
    Error::broken(UserErrorCode::Conflict, "input.idempotencyKey", advice)
}

async fn replay(tx: &DatabaseTransaction, first: &idempotency::Model, fingerprint: &str) -> Result<Receipt> {
    if !first.fingerprint.is_empty() && first.fingerprint != fingerprint {
        return Err(other_fields());
    }
    let lead = lead::Entity::receipts(lead::Entity::for_worker([first.lead_id]));
    let lead: Option<lead::Receipt> = lead.into_model().one(tx).await?;
    let lead = lead.ok_or_else(|| Error::Internal(anyhow::anyhow!("an idempotency key without its lead")))?;
    Ok(again(&Receipt::of(lead)))
}
