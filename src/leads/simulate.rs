//! What would become of a lead: the path of a submission, with the database looked at and left as it is.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::ids::{FlowId, PartnerId, SourceId};
use entity::lead::LeadOutcome;
use entity::{account_key, cap_usage, duplicate_memory, partner};
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::{Map, Value};

use super::allocate::{Chosen, Counter, Ledger, allocate, counters, profile_of, refuse_duplicate};
use super::compile;
use super::decide::{Draft, decide};
use super::outcome::{Reason, TraceEntry};
use super::snapshot::{Snapshot, Source};
use crate::app::App;
use crate::error::{Error, Result};
use crate::identity::caller::Caller;
use crate::identity::policy::Action;

/// A lead to try out.
#[derive(Clone, Debug)]
pub struct Trial {
    /// On which flow of the caller's account.
    pub flow: FlowId,
    /// Through which of its sources, also a connected account's; none means the first of the account's own.
    pub source: Option<SourceId>,
    /// Values by the sender's names.
    pub fields: Map<String, Value>,
}

/// What would become of it.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// Accepted or rejected.
    pub outcome: LeadOutcome,
    /// Why it would not be accepted.
    pub reasons: Vec<Reason>,
    /// Every look that was taken.
    pub trace: Vec<TraceEntry>,
    /// Who would get it, in the order of being chosen.
    pub partners: Vec<partner::Model>,
}

/// Tries a lead out. The verdict is that of a submission at this moment. It tells of the setup and, by duplicates and caps, of
/// leads that came before: both may be read by the caller, or it is refused.
pub async fn simulate(app: &App, caller: &Caller, trial: Trial) -> Result<Simulation> {
    let account = caller.require(Action::ReadSetup)?;
    caller.require(Action::ReadLeads)?;
    let flow = compile::load(app.db.read(), trial.flow).await?;
    let flow = flow
        .filter(|flow| flow.account == account)
        .ok_or(Error::NotFound("flow"))?;
    let source = find_source(&flow, trial.source)?;
    let now = app.clock.now();
    let mut draft = decide(&flow, source, &trial.fields, now);
    recall(app, &flow, &mut draft, now).await?;
    let mut ledger = read_counters(app, counters(&flow, source, &draft, now)).await?;
    let chosen = allocate(&flow, source, &mut draft, &mut ledger, now, false);
    Ok(Simulation {
        outcome: if draft.reasons.is_empty() {
            LeadOutcome::Accepted
        } else {
            LeadOutcome::Rejected
        },
        partners: load_partners(app, &flow, &chosen).await?,
        reasons: draft.reasons,
        trace: draft.trace.0,
    })
}

/// The source that is named; else as submitting chooses it, and a connected account's if the account has none of its own.
fn find_source(flow: &Snapshot, named: Option<SourceId>) -> Result<&Source> {
    if let Some(id) = named {
        let found = flow.sources.iter().find(|source| source.id == id);
        return found.ok_or(Error::NotFound("source"));
    }
    let first = flow
        .sources
        .iter()
        .min_by_key(|source| (source.sender != flow.account, !source.enabled));
    first.ok_or_else(|| Error::BadInput("the flow has no source: add one with addSource".into()))
}

/// Looks for a lead with the same values, without taking them. An account without keys remembers nothing, and gets no keys.
async fn recall(app: &App, flow: &Snapshot, draft: &mut Draft, now: DateTime<Utc>) -> Result<()> {
    let Some(values) = &draft.duplicate_values else {
        return Ok(());
    };
    let db = app.db.read();
    let owner = Some(flow.account);
    if account_key::Entity::owned_by(owner).one(db).await?.is_none() {
        return Ok(());
    }
    let keys = app.vault.keys(db, &app.clock, owner).await?;
    let remembered = duplicate_memory::Entity::remembered(flow.flow, keys.index("duplicate", values));
    if let Some(last) = remembered.one(db).await? {
        refuse_duplicate(flow, draft, last.at, now);
    }
    Ok(())
}

/// The counters as they stand, without locking them.
async fn read_counters(app: &App, wanted: Vec<Counter>) -> Result<Ledger> {
    if wanted.is_empty() {
        return Ok(Ledger::default());
    }
    let (caps, windows): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
    let rows = cap_usage::Entity::of_caps(caps).filter(cap_usage::Column::WindowStart.is_in(windows));
    let used = rows.all(app.db.read()).await?.into_iter();
    Ok(Ledger::new(
        used.map(|row| ((row.cap_id, row.window_start), row.used)).collect(),
    ))
}

async fn load_partners(app: &App, flow: &Snapshot, chosen: &[Chosen]) -> Result<Vec<partner::Model>> {
    let ids: Vec<PartnerId> = chosen
        .iter()
        .filter_map(|chosen| profile_of(flow, chosen.step)?.candidates.get(chosen.candidate))
        .map(|candidate| candidate.partner)
        .collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = partner::Entity::in_account(flow.account).filter(partner::Column::Id.is_in(ids.clone()));
    let mut rows: HashMap<PartnerId, partner::Model> = rows
        .all(app.db.read())
        .await?
        .into_iter()
        .map(|row| (row.id, row))
        .collect();
    Ok(ids.iter().filter_map(|id| rows.remove(id)).collect())
}
