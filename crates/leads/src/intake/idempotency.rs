//! Idempotency keys: the same key gives the same receipt.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use entity::ids::{AccountId, LeadId, SourceId};
use entity::{bulk, idempotency, lead};
use sea_orm::{DatabaseTransaction, Set};
use serde_json::{Map, Value};

use super::job::{Answer, Job, JobState, Key};
use crate::receipts::Receipt;
use crate::snapshot::Snapshot;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Outage, Result, UserErrorCode};

/// Longest key, in characters.
pub const MAX_KEY_CHARS: usize = 255;
/// How often keys are inserted again when housekeeping deletes them at the same time.
const MAX_TRIES: usize = 5;

/// A key as its sender gives it.
pub(super) struct GivenKey {
    text: String,
    /// What it is used for: the submitted fields, and whether they are a test.
    content: String,
}

impl GivenKey {
    pub(super) fn check(text: String, fields: &Map<String, Value>, is_test: bool) -> Result<Self> {
        let length = text.chars().count();
        if length == 0 || length > MAX_KEY_CHARS || text.chars().any(char::is_control) {
            let advice = format!("an idempotency key has 1 to {MAX_KEY_CHARS} characters and no control characters");
            return Err(Error::user(UserErrorCode::Invalid, "input.idempotencyKey", advice));
        }
        let content = format!("{}{is_test}", serde_json::to_string(fields)?);
        Ok(Self { text, content })
    }
}

/// Who submits to a flow, and through which source.
pub(super) struct Submitter<'a> {
    pub(super) flow: &'a Snapshot,
    pub(super) sender: AccountId,
    /// Index of the source in the flow.
    pub(super) source: usize,
    /// Whether the sender has named the source.
    pub(super) is_named: bool,
}

impl Submitter<'_> {
    /// The key as it is stored.
    pub(super) async fn key(&self, app: &App, given: Option<&GivenKey>) -> Result<Option<Key>> {
        let Some(given) = given else { return Ok(None) };
        let chosen = self.flow.sources.get(self.source).map(|source| source.id);
        let chosen = chosen.ok_or_else(|| Error::Internal(anyhow::anyhow!("a source that the flow does not have")))?;
        let source = if self.is_named {
            chosen
        } else {
            self.first_source(app, &given.text, chosen).await?
        };
        let keys = app.vault.keys(app.db.write(), &app.clock, Some(self.flow.account));
        Ok(Some(Key {
            source,
            text: given.text.clone(),
            fingerprint: keys.await?.index("submission", &given.content),
        }))
    }

    /// The source with which the sender has first used the key, else the chosen one. A sender that names no source means the key
    /// alone, although another of its sources may be the first one by now.
    async fn first_source(&self, app: &App, key: &str, chosen: SourceId) -> Result<SourceId> {
        let present = self.flow.sources.iter().map(|source| (source.id, source.sender));
        let all = present.chain(self.flow.former_sources.iter().copied());
        let own = all.filter(|(_, sender)| *sender == self.sender);
        let own: Vec<SourceId> = own.map(|(id, _)| id).collect();
        if own.iter().all(|id| *id == chosen) {
            return Ok(chosen);
        }
        let db = app.db.read();
        let known = idempotency::Entity::with_keys(db, own, vec![key.to_owned()]);
        let known = known.all(db).await?;
        let first = known.iter().min_by_key(|row| (row.source_id != chosen, row.at));
        Ok(first.map_or(chosen, |row| row.source_id))
    }
}

/// Rows to insert, by source and key.
type Wanted = BTreeMap<(SourceId, String), idempotency::ActiveModel>;
/// Stored rows, by source and key.
type Stored = HashMap<(SourceId, String), idempotency::Model>;

/// Inserts the keys of a batch. A key that is stored already is answered with its first receipt, and so is a key that an earlier job
/// of the batch inserts.
pub(super) async fn resolve_repeats(tx: &DatabaseTransaction, jobs: &[Job], states: &mut [JobState]) -> Result<()> {
    let mut first_with = HashMap::new();
    let mut wanted = Wanted::new();
    for (index, (job, state)) in jobs.iter().zip(states.iter()).enumerate() {
        let (JobState::New, Some(key)) = (state, &job.idempotency) else {
            continue;
        };
        if first_with.contains_key(&(key.source, key.text.as_str())) {
            continue;
        }
        first_with.insert((key.source, key.text.as_str()), index);
        wanted.insert((key.source, key.text.clone()), row(key, job));
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let own: HashSet<LeadId> = jobs.iter().map(|job| job.lead.id).collect();
    let stored = insert_keys(tx, wanted).await?;
    let before = stored.values().map(|row| row.lead_id).filter(|id| !own.contains(id));
    let receipts = receipts(tx, before.collect()).await?;
    for (index, (job, state)) in jobs.iter().zip(states.iter_mut()).enumerate() {
        let (JobState::New, Some(key)) = (&*state, &job.idempotency) else {
            continue;
        };
        let first = first_with
            .get(&(key.source, key.text.as_str()))
            .copied()
            .unwrap_or(index);
        let first_job = jobs.get(first);
        let before = stored.get(&(key.source, key.text.clone()));
        if let Some(before) = before.filter(|row| Some(row.lead_id) != first_job.map(|job| job.lead.id)) {
            *state = JobState::Answered(Answer::Done(replay(&receipts, before, &key.fingerprint)));
        } else if first != index {
            let first_key = first_job.and_then(|job| job.idempotency.as_ref());
            *state = if first_key.is_some_and(|first| first.fingerprint == key.fingerprint) {
                JobState::Repeats(first)
            } else {
                JobState::Answered(Answer::Done(Err(other_fields())))
            };
        }
    }
    Ok(())
}

fn row(key: &Key, job: &Job) -> idempotency::ActiveModel {
    idempotency::ActiveModel {
        source_id: Set(key.source),
        key: Set(key.text.clone()),
        fingerprint: Set(key.fingerprint.clone()),
        lead_id: Set(job.lead.id),
        at: Set(job.at),
    }
}

/// Inserts keys; answers the rows of all if some existed. A key whose row is deleted before it is read is inserted again: otherwise a
/// lead would be accepted whose key is not stored.
async fn insert_keys(tx: &DatabaseTransaction, wanted: Wanted) -> Result<Stored> {
    let (sources, keys): (BTreeSet<SourceId>, Vec<String>) = wanted.keys().cloned().unzip();
    let mut missing = wanted;
    for _ in 0..MAX_TRIES {
        let inserted = bulk::insert_if_absent::<idempotency::Entity>(tx, missing.values().cloned().collect()).await?;
        if usize::try_from(inserted).is_ok_and(|inserted| inserted == keys.len()) {
            return Ok(Stored::new());
        }
        let stored = idempotency::Entity::with_keys(tx, sources.clone(), keys.clone());
        let stored = stored.all(tx).await?.into_iter();
        let stored: Stored = stored.map(|row| ((row.source_id, row.key.clone()), row)).collect();
        missing.retain(|key, _| !stored.contains_key(key));
        if missing.is_empty() {
            return Ok(stored);
        }
    }
    Err(Error::Outage(Outage::GaveWay))
}

fn other_fields() -> Error {
    let advice = "this idempotency key was used for a lead with other fields: use a new key for a new lead";
    Error::user(UserErrorCode::Conflict, "input.idempotencyKey", advice)
}

/// The first receipts of leads, by one query: a call may repeat hundreds.
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
    let receipt = receipts.get(&first.lead_id).map(Receipt::replay);
    receipt.ok_or_else(|| Error::Internal(anyhow::anyhow!("an idempotency key without its lead")))
}
