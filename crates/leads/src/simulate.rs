//! Simulation: what would become of a lead if it were submitted now. Reads the database and changes nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, FlowId, LeadId, PartnerId, SourceId};
use entity::lead::{self, LeadOutcome};
use entity::{account_key, cap_usage, duplicate_memory, endpoint, partner};
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::allocate::{AllocationContext, Counter, Ledger, LockSet, RoundRobin, Selection, allocate, refuse_duplicate};
use super::compile::{self, Snapshots};
use super::decide::decide;
use super::downstream::{Purpose, TargetResolver};
use super::draft::InboundLead;
use super::handoff::HandoffPlanner;
use super::intake::read_credits;
use super::outcome::{Reason, TraceEntry};
use super::redaction::{redact_reasons, redact_trace};
use super::snapshot::{Action as StepAction, Snapshot, Versions};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;

/// A lead to simulate.
#[derive(Clone, Debug)]
pub struct SimulationInput {
    /// A flow of the caller's account.
    pub flow: FlowId,
    /// One of its sources, also a connected account's; none means the account's first own one.
    pub source: Option<SourceId>,
    /// Values by the sender's field names.
    pub fields: Map<String, Value>,
}

/// What would become of the lead.
#[derive(Clone, Debug)]
pub struct Simulation {
    pub outcome: LeadOutcome,
    pub reasons: Vec<Reason>,
    pub warnings: Vec<Reason>,
    pub trace: Vec<TraceEntry>,
    /// Partners that would get it, in the order of their selection.
    pub partners: Vec<partner::Model>,
}

/// Simulates a submission at this moment. The result shows the setup and, by duplicates and caps, earlier leads: the caller needs the
/// right to read both.
pub async fn simulate(app: &App, caller: &Caller, input: SimulationInput) -> Result<Simulation> {
    let account = caller.require(Action::ReadSetup)?;
    caller.require(Action::ReadLeads)?;
    let db = app.db.read();
    let flow = compile::load(db, input.flow).await?;
    let flow = flow
        .filter(|flow| flow.account == account)
        .ok_or(Error::NotFound("flow"))?;
    let source = find_source(&flow, input.source)?;
    let now = app.clock.now();
    let mut lead = decide_everywhere(app, Arc::new(flow), source, &input.fields).await?;
    refuse_duplicates(app, caller, &mut lead, now).await?;
    let mut locks = LockSet::default();
    locks.add(&lead, now);
    let credits = read_credits(db, locks.profiles).await?;
    let ledger = read_counters(app, locks.counters).await?;
    let mut allocation = AllocationContext::new(ledger, RoundRobin::new(credits), now);
    let open_circuits = endpoint::Entity::open_in([account], now).all(db).await?;
    allocation.open_circuits = open_circuits.into_iter().map(|row| row.id).collect();
    let selections = allocate(&mut lead, &mut allocation);
    let draft = lead.draft;
    Ok(Simulation {
        outcome: if draft.reasons.is_empty() {
            LeadOutcome::Accepted
        } else {
            LeadOutcome::Rejected
        },
        partners: load_partners(app, &lead.flow, &selections).await?,
        reasons: redact_reasons(caller, draft.reasons),
        warnings: draft.warnings,
        trace: redact_trace(caller, draft.trace.entries()),
    })
}

/// Decides the lead here and at the buyers that it may reach, without the caches and rows that storing would make.
async fn decide_everywhere(
    app: &App,
    flow: Arc<Snapshot>,
    source: usize,
    fields: &Map<String, Value>,
) -> Result<InboundLead> {
    let now = app.clock.now();
    let resolver = TargetResolver {
        app,
        snapshots: &Snapshots::default(),
        newest: Versions::new(),
        purpose: Purpose::Simulate,
    };
    let targets = resolver.resolve_all(&flow).await?;
    let from = flow.sources.get(source).ok_or(Error::NotFound("source"))?;
    let sender = (from.sender != flow.account).then_some(from.sender);
    let mut lead = InboundLead {
        id: LeadId(Uuid::nil()),
        version: flow.config_version,
        source,
        keys: None,
        path: sender.into_iter().collect(),
        draft: decide(&flow, from, fields, now),
        flow,
    };
    HandoffPlanner::new(&targets, now, &|| LeadId(Uuid::nil())).plan_handoffs(&mut lead);
    Ok(lead)
}

/// The index of the named source, or of the one that submitting would choose, or of a connected account's if the account has none of
/// its own.
fn find_source(flow: &Snapshot, named: Option<SourceId>) -> Result<usize> {
    let mut sources = flow.sources.iter().enumerate();
    if let Some(id) = named {
        let found = sources.find(|(_, source)| source.id == id);
        return found.map(|(index, _)| index).ok_or(Error::NotFound("source"));
    }
    let first = sources.min_by_key(|(_, source)| (source.sender != flow.account, !source.enabled));
    let (index, _) = first.ok_or_else(|| Error::BadInput("the flow has no source: add one with addSource".into()))?;
    Ok(index)
}

/// Rejects the lead where its values are in the duplicate memory, without adding them. An account without keys has no memory, and gets
/// no keys.
///
/// A reader who may not reveal encrypted values could learn them by guessing. So for that reader nothing is a duplicate where a key is
/// encrypted now, which the trace says in any case, or where the remembered lead has encrypted values.
async fn refuse_duplicates(app: &App, caller: &Caller, lead: &mut InboundLead, now: DateTime<Utc>) -> Result<()> {
    let mut wanted = Vec::new();
    let (simulating, may_reveal) = (lead.flow.account, caller.may_reveal());
    lead.visit(&mut |lead| {
        let (flow, draft) = (&lead.flow, &mut lead.draft);
        // The seller must not find out which leads a buyer has from others.
        if flow.account != simulating {
            return;
        }
        if !may_reveal && compares_encrypted(flow) {
            let detail =
                "not looked for: a key of the duplicate check is encrypted, and you may not reveal encrypted values";
            draft.trace.check(&flow.subject, "duplicates", true, detail);
            return;
        }
        let values = draft.duplicate_values.clone();
        wanted.extend(values.map(|values| (flow.account, flow.flow, values)));
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

/// Whether a stored lead has no encrypted value.
async fn is_plain(app: &App, account: AccountId, id: LeadId) -> Result<bool> {
    let sealed = lead::Entity::sealed_among(app.db.read(), account, [id]).await?;
    Ok(sealed.is_empty())
}

/// Reads counters without locking them.
async fn read_counters(app: &App, wanted: BTreeSet<Counter>) -> Result<Ledger> {
    if wanted.is_empty() {
        return Ok(Ledger::default());
    }
    let (caps, windows): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
    let rows = cap_usage::Entity::of_caps(caps).filter(cap_usage::Column::WindowStart.is_in(windows));
    let rows = rows.all(app.db.read()).await?.into_iter();
    let used = rows.map(|row| ((row.cap_id, row.window_start), row.used));
    Ok(Ledger::new(used.collect()))
}

async fn load_partners(app: &App, flow: &Snapshot, selections: &[Selection]) -> Result<Vec<partner::Model>> {
    let placed = selections.iter().filter(|selection| selection.placement.is_placed());
    let partners = placed.filter_map(|selection| match &flow.steps.get(selection.step)?.action {
        StepAction::Distribute(profile) => Some(profile.candidates.get(selection.candidate)?.partner),
        _ => None,
    });
    let ids: Vec<PartnerId> = partners.collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = partner::Entity::in_account(flow.account).filter(partner::Column::Id.is_in(ids.clone()));
    let rows = rows.all(app.db.read()).await?.into_iter();
    let mut rows: HashMap<PartnerId, partner::Model> = rows.map(|row| (row.id, row)).collect();
    Ok(ids.iter().filter_map(|id| rows.remove(id)).collect())
}
