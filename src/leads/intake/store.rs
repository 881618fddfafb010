//! Storing decided leads: one transaction for all of a batch. Rights, idempotency, duplicates and caps are settled here,
//! because only here they are exact.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use entity::event::EventKind;
use entity::ids::{AccountId, DeliveryId, FlowId, LeadId, SourceId};
use entity::{account, bulk, cap_usage, delivery, duplicate_memory, idempotency, lead};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, Set};

use super::rows::{Rows, rows};
use super::{Answer, Job};
use crate::app::App;
use crate::error::{Error, Result, UserErrorCode};
use crate::identity::authenticate;
use crate::leads::allocate::{Counter, Ledger, allocate, counters, refuse_duplicate};
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
    /// Answered without storing anything.
    Answered(Answer),
}

/// Stores a batch. On an error nothing is stored.
pub(super) async fn store(app: &App, jobs: &mut [Job]) -> Result<Stored> {
    let tx = app.db.begin().await?;
    let mut standings = check_rights(&tx, app, jobs).await?;
    settle_repeats(&tx, jobs, &mut standings).await?;
    settle_duplicates(&tx, jobs, &standings).await?;
    let mut ledger = lock_caps(&tx, jobs, &standings).await?;

    let mut all = Rows::default();
    let mut answers = Vec::with_capacity(jobs.len());
    let mut forgotten = Vec::new();
    for (job, standing) in jobs.iter_mut().zip(standings) {
        if let Standing::Answered(answer) = standing {
            answers.push(answer);
            continue;
        }
        let flow = job.flow.clone();
        let Some(source) = flow.sources.get(job.source) else {
            return Err(Error::Internal(anyhow::anyhow!("a job without a source")));
        };
        let chosen = allocate(&flow, source, &mut job.draft, &mut ledger, job.at, job.test);
        if !job.draft.reasons.is_empty() && job.draft.duplicate_values.is_some() {
            forgotten.push(job.id);
        }
        answers.push(Answer::Done(Ok(rows(app, job, source, chosen, &mut all)?)));
    }
    forget_duplicates(&tx, forgotten).await?;
    write_caps(&tx, &ledger).await?;
    bulk::insert::<lead::Entity>(&tx, all.leads).await?;
    bulk::insert::<delivery::Entity>(&tx, all.deliveries).await?;
    let in_portals = events::count(&all.events, EventKind::PortalDelivered);
    let heads = events::append(&tx, app.clock.now(), all.events).await?;
    tx.commit().await.map_err(|error| {
        tracing::error!(%error, "a commit of leads has failed");
        Error::Unavailable("the database did not confirm in time: submit again, with an idempotency key to be sure")
    })?;
    app.metrics.delivered_in_portals(in_portals);
    Ok(Stored {
        answers,
        claimed: all.claimed,
        waiting: all.waiting,
        heads,
    })
}

/// The caller's credentials and the flow as they are in this transaction: nothing that was revoked or changed before may count.
async fn check_rights(tx: &DatabaseTransaction, app: &App, jobs: &[Job]) -> Result<Vec<Standing>> {
    let accounts: BTreeSet<AccountId> = jobs.iter().map(|job| job.flow.account).collect();
    let versions: HashMap<AccountId, i64> = account::Entity::versions(tx, accounts).await?.into_iter().collect();
    let valid = authenticate::recheck(tx, app.clock.now(), jobs.iter().map(|job| &job.principal)).await?;
    let standing = |job: &Job| {
        if !valid.includes(&job.principal) {
            return Standing::Answered(Answer::Done(Err(Error::Unauthenticated(
                "these credentials have ended",
            ))));
        }
        if versions.get(&job.flow.account) != Some(&job.flow.config_version) {
            return Standing::Answered(Answer::Outdated);
        }
        Standing::New
    };
    Ok(jobs.iter().map(standing).collect())
}

/// Takes the idempotency keys. A key that is taken already answers with the first receipt.
async fn settle_repeats(tx: &DatabaseTransaction, jobs: &[Job], standings: &mut [Standing]) -> Result<()> {
    let mut wanted: BTreeMap<(SourceId, String), idempotency::ActiveModel> = BTreeMap::new();
    for (job, standing) in jobs.iter().zip(standings.iter()) {
        let (Standing::New, Some((key, fingerprint)), Some(source)) = (standing, &job.idempotency, job.source()) else {
            continue;
        };
        wanted.insert(
            (source.id, key.clone()),
            idempotency::ActiveModel {
                source_id: Set(source.id),
                key: Set(key.clone()),
                fingerprint: Set(fingerprint.clone()),
                lead_id: Set(job.id),
                at: Set(job.at),
            },
        );
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let (sources, keys): (BTreeSet<SourceId>, Vec<String>) = wanted.keys().cloned().unzip();
    let taken = bulk::insert_if_absent::<idempotency::Entity>(tx, wanted.into_values().collect()).await?;
    if usize::try_from(taken).is_ok_and(|taken| taken == keys.len()) {
        return Ok(());
    }
    let kept = idempotency::Entity::with_keys(tx, sources, keys).all(tx).await?;
    let kept: HashMap<(SourceId, &str), &idempotency::Model> = kept
        .iter()
        .map(|row| ((row.source_id, row.key.as_str()), row))
        .collect();
    for (job, standing) in jobs.iter().zip(standings.iter_mut()) {
        let (Standing::New, Some((key, fingerprint)), Some(source)) = (&*standing, &job.idempotency, job.source())
        else {
            continue;
        };
        let Some(first) = kept.get(&(source.id, key.as_str())).filter(|row| row.lead_id != job.id) else {
            continue;
        };
        *standing = Standing::Answered(Answer::Done(replay(tx, first, fingerprint).await));
    }
    Ok(())
}

async fn replay(tx: &DatabaseTransaction, first: &idempotency::Model, fingerprint: &str) -> Result<Receipt> {
    if first.fingerprint != fingerprint {
        let advice = "this idempotency key was used for a lead with other fields: use a new key for a new lead";
        return Err(Error::broken(UserErrorCode::Conflict, "input.idempotencyKey", advice));
    }
    let lead = lead::Entity::for_worker([first.lead_id]).one(tx).await?;
    let lead = lead.ok_or_else(|| Error::Internal(anyhow::anyhow!("an idempotency key without its lead")))?;
    Ok(Receipt {
        replayed: true,
        ..Receipt::of(lead)
    })
}

/// Takes the duplicate keys of leads that may be accepted, and tells of those that are taken. Whoever wants the same ones waits
/// for this commit.
async fn settle_duplicates(tx: &DatabaseTransaction, jobs: &mut [Job], standings: &[Standing]) -> Result<()> {
    let mut wanted: BTreeMap<(FlowId, String), usize> = BTreeMap::new();
    for (place, (job, standing)) in jobs.iter().zip(standings).enumerate() {
        let (Standing::New, false, Some(keys), Some(values)) =
            (standing, job.test, &job.keys, &job.draft.duplicate_values)
        else {
            continue;
        };
        wanted.insert((job.flow.flow, keys.index("duplicate", values)), place);
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let rows = wanted.iter().filter_map(|((flow, hash), place)| {
        let job = jobs.get(*place).filter(|job| job.draft.reasons.is_empty())?;
        Some(duplicate_memory::ActiveModel {
            flow_id: Set(*flow),
            key_hash: Set(hash.clone()),
            lead_id: Set(job.id),
            at: Set(job.at),
        })
    });
    let taken = bulk::insert_if_absent::<duplicate_memory::Entity>(tx, rows.collect()).await?;
    if usize::try_from(taken).is_ok_and(|taken| taken == wanted.len()) {
        return Ok(());
    }
    let (flows, hashes): (BTreeSet<FlowId>, Vec<String>) = wanted.keys().cloned().unzip();
    for row in duplicate_memory::Entity::locked(tx, flows, hashes).all(tx).await? {
        let Some(job) = wanted
            .get(&(row.flow_id, row.key_hash.clone()))
            .and_then(|place| jobs.get_mut(*place))
        else {
            continue;
        };
        if row.lead_id == job.id {
            continue;
        }
        if refuse_duplicate(&job.flow, &mut job.draft, row.at, job.at) {
            continue;
        }
        if job.draft.reasons.is_empty() {
            let taken = duplicate_memory::ActiveModel {
                flow_id: Set(row.flow_id),
                key_hash: Set(row.key_hash),
                lead_id: Set(job.id),
                at: Set(job.at),
            };
            taken.update(tx).await?;
        }
    }
    Ok(())
}

/// A lead that was not accepted after all is not remembered.
async fn forget_duplicates(tx: &DatabaseTransaction, leads: Vec<LeadId>) -> Result<()> {
    if !leads.is_empty() {
        duplicate_memory::Entity::forget(leads).exec(tx).await?;
    }
    Ok(())
}

/// Locks every counter that the batch may touch.
async fn lock_caps(tx: &DatabaseTransaction, jobs: &[Job], standings: &[Standing]) -> Result<Ledger> {
    let mut wanted: BTreeSet<Counter> = BTreeSet::new();
    for (job, standing) in jobs.iter().zip(standings) {
        if let (Standing::New, false, Some(source)) = (standing, job.test, job.source()) {
            wanted.extend(counters(&job.flow, source, &job.draft, job.at));
        }
    }
    if wanted.is_empty() {
        return Ok(Ledger::default());
    }
    lock_counters(tx, wanted).await
}

/// Makes the counters that are missing and locks all.
pub async fn lock_counters(tx: &DatabaseTransaction, wanted: BTreeSet<Counter>) -> Result<Ledger> {
    let rows = wanted.iter().map(|(cap, window)| cap_usage::ActiveModel {
        cap_id: Set(*cap),
        window_start: Set(*window),
        used: Set(0),
    });
    bulk::insert_if_absent::<cap_usage::Entity>(tx, rows.collect()).await?;
    let caps: HashSet<_> = wanted.iter().map(|(cap, _)| *cap).collect();
    let windows: BTreeSet<_> = wanted.iter().map(|(_, window)| *window).collect();
    let kept = cap_usage::Entity::locked(caps, windows).all(tx).await?;
    let used = kept
        .into_iter()
        .map(|row| ((row.cap_id, row.window_start), row.used))
        .collect();
    Ok(Ledger::new(used))
}

/// Writes the counters back.
pub async fn write_caps(tx: &DatabaseTransaction, ledger: &Ledger) -> Result<()> {
    for ((cap, window), used) in ledger.changes() {
        let row = cap_usage::ActiveModel {
            cap_id: Set(cap),
            window_start: Set(window),
            used: Set(used),
        };
        row.update(tx).await?;
    }
    Ok(())
}
