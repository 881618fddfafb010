//! What would become of a lead: the path of a submission, with the database looked at and left as it is.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, FlowId, LeadId, PartnerId, SourceId};
use entity::lead::{self, LeadOutcome};
use entity::{account_key, cap_usage, duplicate_memory, endpoint, partner};
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::allocate::{Chosen, Counter, Ledger, Settling, Touched, Turns, allocate, profile_of, refuse_duplicate};
use super::branch::{Entering, Growing};
use super::compile::{self, Snapshots};
use super::decide::decide;
use super::discretion::{discreet, discreet_trace};
use super::entrances::{LookUp, Purpose, Versions};
use super::intake::look_at_turns;
use super::outcome::{Reason, TraceEntry};
use super::snapshot::Snapshot;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;

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
    /// What its sender would be told besides.
    pub warnings: Vec<Reason>,
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
    let mut lead = enter(app, Arc::new(flow), source, &trial.fields).await?;
    recall(app, caller, &mut lead, now).await?;
    let mut touched = Touched::default();
    touched.add(&lead, now);
    let turns = look_at_turns(app.db.read(), touched.turns).await?;
    let ledger = read_counters(app, touched.counters).await?;
    let mut settling = Settling::new((ledger, Turns::new(turns)), now);
    let closed = endpoint::Entity::open_in([account], now).all(app.db.read()).await?;
    settling.closed = closed.into_iter().map(|row| row.id).collect();
    let chosen = allocate(&mut lead, &mut settling);
    let draft = lead.draft;
    Ok(Simulation {
        outcome: if draft.reasons.is_empty() {
            LeadOutcome::Accepted
        } else {
            LeadOutcome::Rejected
        },
        partners: load_partners(app, &lead.flow, &chosen).await?,
        reasons: discreet(caller, draft.reasons),
        warnings: draft.warnings,
        trace: discreet_trace(caller, draft.trace.entries()),
    })
}

/// The lead as it would be decided, here and at the buyers that it may reach. Nothing is looked up that is kept for storing.
async fn enter(app: &App, flow: Arc<Snapshot>, source: usize, fields: &Map<String, Value>) -> Result<Entering> {
    let now = app.clock.now();
    let look_up = LookUp {
        app,
        snapshots: &Snapshots::default(),
        newest: Versions::new(),
        purpose: Purpose::Trying,
    };
    let reach = look_up.reach(&flow).await?;
    let from = flow.sources.get(source).ok_or(Error::NotFound("source"))?;
    let sender = (from.sender != flow.account).then_some(from.sender);
    let mut lead = Entering {
        id: LeadId(Uuid::nil()),
        version: flow.config_version,
        source,
        keys: None,
        path: sender.into_iter().collect(),
        draft: decide(&flow, from, fields, now),
        flow,
    };
    Growing::new(&reach, now, &|| LeadId(Uuid::nil())).grow(&mut lead);
    Ok(lead)
}

/// The place of the source that is named; else as submitting chooses it, and a connected account's if the account has none of
/// its own.
fn find_source(flow: &Snapshot, named: Option<SourceId>) -> Result<usize> {
    let mut sources = flow.sources.iter().enumerate();
    if let Some(id) = named {
        let found = sources.find(|(_, source)| source.id == id);
        return found.map(|(place, _)| place).ok_or(Error::NotFound("source"));
    }
    let first = sources.min_by_key(|(_, source)| (source.sender != flow.account, !source.enabled));
    let (place, _) = first.ok_or_else(|| Error::BadInput("the flow has no source: add one with addSource".into()))?;
    Ok(place)
}

/// Looks for leads with the same values, without taking them. An account without keys remembers nothing, and gets no keys.
///
/// Whoever may not reveal encrypted values would learn them by guessing: to them no duplicate is told where one of the keys is encrypted
/// now, which the trace says whatever there is, or was when the lead that is remembered came.
async fn recall(app: &App, caller: &Caller, lead: &mut Entering, now: DateTime<Utc>) -> Result<()> {
    let mut wanted = Vec::new();
    let (simulating, may_reveal) = (lead.flow.account, caller.may_reveal());
    lead.visit(&mut |lead| {
        if !may_reveal && lead.flow.account == simulating && compares_encrypted(&lead.flow) {
            let told =
                "not looked for: a key of the duplicate check is encrypted, and you may not reveal encrypted values";
            lead.draft.trace.look(&lead.flow.subject, "duplicates", true, told);
            return;
        }
        // What a buyer has had from others is not the seller's to find out.
        let values = lead
            .draft
            .duplicate_values
            .clone()
            .filter(|_| lead.flow.account == simulating);
        wanted.extend(values.map(|values| (lead.flow.account, lead.flow.flow, values)));
    });
    let db = app.db.read();
    let mut remembered: HashMap<(FlowId, String), DateTime<Utc>> = HashMap::new();
    for (account, flow, values) in wanted {
        let owner = Some(account);
        if account_key::Entity::owned_by(owner).one(db).await?.is_none() {
            continue;
        }
        let keys = app.vault.keys(db, &app.clock, owner).await?;
        let row = duplicate_memory::Entity::remembered(flow, keys.index("duplicate", &values));
        if let Some(last) = row.one(db).await?
            && (may_reveal || is_plain(app, account, last.lead_id).await?)
        {
            remembered.insert((flow, values), last.at);
        }
    }
    lead.visit(&mut |lead| {
        let values = lead.draft.duplicate_values.clone();
        if let Some(last) = values.and_then(|values| remembered.get(&(lead.flow.flow, values))) {
            refuse_duplicate(&lead.flow, &mut lead.draft, *last, now);
        }
    });
    Ok(())
}

fn compares_encrypted(flow: &Snapshot) -> bool {
    let encrypted = |name: &String| flow.field(name).is_some_and(|field| field.encrypted);
    flow.duplicate_keys.iter().any(encrypted)
}

/// Whether a lead that is remembered has no encrypted value.
async fn is_plain(app: &App, account: AccountId, id: LeadId) -> Result<bool> {
    let sealed = lead::Entity::sealed_among(app.db.read(), account, [id]).await?;
    Ok(sealed.is_empty())
}

/// The counters as they stand, without locking them.
async fn read_counters(app: &App, wanted: BTreeSet<Counter>) -> Result<Ledger> {
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
        .filter(|chosen| chosen.fate.is_good())
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
