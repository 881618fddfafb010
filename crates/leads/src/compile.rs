//! Loading a flow and compiling it into a [`Snapshot`]; kept until its account's configuration changes.

mod exits;
mod plan;
mod profiles;
mod threads;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use entity::account::Plan;
use entity::connection::ConnectionStatus;
use entity::field::FieldDef;
use entity::flow::FieldDefs;
use entity::ids::{AccountId, ConnectionId, FlowId};
use entity::source::SourceKind;
use entity::step::StepConfig;
use entity::{account, connection, flow, source, step};
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::Value;

use super::branch::Entrance;
use super::entrances::Versions;
use super::outcome::Subject;
use super::snapshot::{self, Access, Action, Buyer, Gate, PriceE4, Snapshot, Source, Step};
use exits::Exits;
use leadmesh_core::database::Connection;
use leadmesh_core::error::{Error, Result};
use leadmesh_forms::limits::COMPILED_FLOWS_BYTES;
use leadmesh_forms::rules::{self, Budget, Rule};
use leadmesh_forms::templates::{Escape, Template};
use profiles::{Parts, load_parts};

/// Flows that are kept compiled.
const KEPT: u64 = 2_000;

/// Compiled flows of this process. A kept one may be outdated: who stores a decision compares its `config_version` with the
/// database in the same transaction.
#[derive(Clone)]
pub struct Snapshots {
    kept: moka::future::Cache<FlowId, Arc<Snapshot>>,
    /// Where leads come in over a connection, by the account at its end.
    pub(super) entrances: moka::future::Cache<(ConnectionId, AccountId), Arc<Entrance>>,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self {
            kept: moka::future::Cache::builder()
                .max_capacity(COMPILED_FLOWS_BYTES)
                .weigher(|_, flow: &Arc<Snapshot>| weight(flow))
                .build(),
            entrances: moka::future::Cache::new(KEPT),
        }
    }
}

/// A flow without large patterns takes one of [`KEPT`] places.
fn weight(flow: &Snapshot) -> u32 {
    let least = COMPILED_FLOWS_BYTES / KEPT;
    let bytes = u64::try_from(flow.pattern_bytes).unwrap_or(u64::MAX).max(least);
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

impl Snapshots {
    /// The flow as last compiled, or compiled now; none when there is no such flow.
    pub async fn get(&self, db: &Connection, id: FlowId) -> Result<Option<Arc<Snapshot>>> {
        match self.kept.get(&id).await {
            Some(snapshot) => Ok(Some(snapshot)),
            None => self.reload(db, id).await,
        }
    }

    /// The flow as kept, unless its account is known to have changed since.
    pub async fn get_newest(&self, db: &Connection, id: FlowId, newest: &Versions) -> Result<Option<Arc<Snapshot>>> {
        match self.kept.get(&id).await {
            Some(kept) if newest.get(&kept.account) == Some(&kept.config_version) => Ok(Some(kept)),
            _ => self.reload(db, id).await,
        }
    }

    /// Whether nothing of the account has changed since the flow was compiled: asked before a sender is refused for what it
    /// says.
    pub async fn is_newest(&self, db: &Connection, snapshot: &Snapshot) -> Result<bool> {
        let versions = account::Entity::versions(db, [snapshot.account]).await?;
        Ok(versions.contains(&(snapshot.account, snapshot.config_version)))
    }

    /// The flow as it is in the database now.
    pub async fn reload(&self, db: &Connection, id: FlowId) -> Result<Option<Arc<Snapshot>>> {
        let Some(snapshot) = load(db, id).await?.map(Arc::new) else {
            self.kept.invalidate(&id).await;
            return Ok(None);
        };
        self.kept.insert(id, snapshot.clone()).await;
        Ok(Some(snapshot))
    }
}

/// Loads and compiles, which may take long: so never within a transaction, which the type of `db` sees to. The version is read
/// first: should anything change meanwhile, the snapshot is newer than it says, and is found outdated.
pub async fn load(db: &Connection, id: FlowId) -> Result<Option<Snapshot>> {
    let Some(owner) = flow::Entity::by_id(id).one(db).await?.map(|flow| flow.account_id) else {
        return Ok(None);
    };
    let Some(account) = account::Entity::by_id(owner).one(db).await? else {
        return Ok(None);
    };
    let Some(flow) = flow::Entity::by_id(id).one(db).await? else {
        return Ok(None);
    };
    let others = flow::Entity::in_account(account.id).all(db).await?;
    let sources = source::Entity::of_flow(id).all(db).await?;
    let former = source::Entity::removed_from(id).all(db).await?;
    let links = load_links(db, account.id, &sources).await?;
    let steps = step::Entity::of_flow(id).all(db).await?;
    let definitions = all_definitions(&flow.fields, &others);
    let mut exits = Exits::load(db, account.id, &steps).await?;
    let mut parts = load_parts(db, &account, &steps, &mut exits).await?;
    let mut stored = Compiled {
        account,
        flow,
        sources,
        former,
        links,
        steps,
    };
    plan::keep_to(&mut stored, &mut parts);
    let has_patterns = stored.rules().chain(parts.rules()).any(mentions_patterns);
    let make = move || {
        let patterns = RefCell::new(Budget::of_routing());
        let with = Compiler { definitions, patterns };
        with.snapshot(stored, &parts, &exits)
    };
    if has_patterns {
        threads::run(owner, make).await?.map(Some)
    } else {
        make().map(Some)
    }
}

/// Whether a stored rule may have patterns.
fn mentions_patterns(rule: &Value) -> bool {
    let mut pending = vec![rule];
    while let Some(value) = pending.pop() {
        match value {
            Value::String(text) if text == "MATCHES" => return true,
            Value::Array(items) => pending.extend(items),
            Value::Object(entries) => pending.extend(entries.values()),
            _ => {}
        }
    }
    false
}

/// The flow's own fields, and after them those that only other flows of the account have: a profile's rule may name them, and
/// finds them empty here.
fn all_definitions(own: &FieldDefs, flows: &[flow::Model]) -> Vec<FieldDef> {
    let mut all = own.0.clone();
    for field in flows.iter().flat_map(|flow| &flow.fields.0) {
        if !all.iter().any(|known| known.name == field.name) {
            all.push(field.clone());
        }
    }
    all
}

struct Compiled {
    account: account::Model,
    flow: flow::Model,
    sources: Vec<source::Model>,
    former: Vec<source::Model>,
    links: Links,
    steps: Vec<step::Model>,
}

/// The connections of a flow's sources.
type Links = HashMap<ConnectionId, connection::Model>;

async fn load_links(db: &Connection, account: AccountId, sources: &[source::Model]) -> Result<Links> {
    let ids: Vec<ConnectionId> = sources.iter().filter_map(|source| source.connection_id).collect();
    if ids.is_empty() {
        return Ok(Links::new());
    }
    let rows = connection::Entity::of_account(account).filter(connection::Column::Id.is_in(ids));
    Ok(rows.all(db).await?.into_iter().map(|row| (row.id, row)).collect())
}

/// The account that submits through a source.
fn sender(source: &source::Model) -> AccountId {
    source.sender_account_id.unwrap_or(source.account_id)
}

struct Compiler {
    definitions: Vec<FieldDef>,
    /// What the patterns of all rules may still take.
    patterns: RefCell<Budget>,
}

impl Compiled {
    fn rules(&self) -> impl Iterator<Item = &Value> {
        let sources = self.sources.iter().filter_map(|source| source.acceptance_rule.as_ref());
        let steps = self.steps.iter().flat_map(|step| {
            let filter = match &step.config {
                StepConfig::Filter { rule, .. } => Some(rule),
                _ => None,
            };
            step.criteria.iter().chain(filter)
        });
        self.flow.acceptance_rule.iter().chain(sources).chain(steps)
    }
}

impl Compiler {
    fn gate(&self, rule: Option<Value>) -> Option<Gate> {
        let compiled = serde_json::from_value::<Rule>(rule?)
            .map_err(|error| error.to_string())
            .and_then(|rule| {
                rules::compile_within(&rule, &self.definitions, &mut self.patterns.borrow_mut()).map_err(|problems| {
                    let texts: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
                    texts.join("; ")
                })
            });
        Some(match compiled {
            Ok(rule) => Gate::Ready(rule),
            Err(why) => Gate::Unusable(format!("the rule cannot be used: {why}")),
        })
    }

    fn snapshot(&self, compiled: Compiled, parts: &Parts, exits: &Exits) -> Result<Snapshot> {
        let Compiled {
            account,
            flow,
            sources,
            former,
            links,
            steps,
        } = compiled;
        let places = flow
            .fields
            .0
            .iter()
            .enumerate()
            .map(|(place, field)| (field.name.clone(), place))
            .collect();
        let rule = self.gate(flow.acceptance_rule);
        let sources = sources.into_iter().map(|source| self.source(source, &links)).collect();
        let mut steps = steps
            .into_iter()
            .map(|step| self.step(step, &flow.fields.0, parts, exits))
            .collect::<Result<Vec<Step>>>()?;
        plan::pass_over(account.plan, &mut steps);
        Ok(Snapshot {
            pattern_bytes: self.patterns.borrow().used(),
            account: account.id,
            paid: account.plan == Plan::Paid,
            config_version: account.config_version,
            flow: flow.id,
            version: flow.version,
            subject: Subject::new(flow.id, &flow.name),
            enabled: flow.enabled,
            beyond_plan: account.plan == Plan::Free && !flow.is_inbox,
            rule,
            duplicate_days: flow.duplicate_window_days.unwrap_or_default(),
            duplicate_keys: if flow.duplicate_window_days.is_some() {
                flow.duplicate_keys.0
            } else {
                Vec::new()
            },
            caps: flow.caps.0,
            price: PriceE4::from_columns(flow.price_e4, flow.price_currency),
            sources,
            former_sources: former.iter().map(|source| (source.id, sender(source))).collect(),
            fields: Arc::new(flow.fields.0),
            places,
            exits: snapshot::exits(&steps),
            steps,
        })
    }

    /// A source takes leads only if its connection lets the sender send. Every change of a connection raises the version of
    /// both accounts, so what is compiled here is outdated with it.
    fn source(&self, source: source::Model, links: &Links) -> Source {
        let sender = sender(&source);
        let link = source.connection_id.and_then(|id| links.get(&id));
        let linked = source.kind == SourceKind::Own || link.is_some_and(|link| link.lets_send(sender));
        Source {
            id: source.id,
            subject: Subject::new(source.id, &source.name),
            kind: source.kind,
            connection: source.connection_id,
            sender,
            access: access(source.kind, sender, link),
            enabled: source.enabled && linked,
            rule: self.gate(source.acceptance_rule),
            mapping: source.mapping.0,
            caps: source.caps.0,
            price: PriceE4::from_columns(source.price_e4, source.price_currency),
        }
    }

    fn step(&self, step: step::Model, fields: &[FieldDef], parts: &Parts, exits: &Exits) -> Result<Step> {
        let action = match step.config {
            StepConfig::Filter { rule, reason } => {
                let rule = self
                    .gate(Some(rule))
                    .ok_or_else(|| Error::Internal(anyhow::anyhow!("a filter without a rule")))?;
                Action::Filter { rule, reason }
            }
            StepConfig::Transform { assignments } => transform(&assignments, fields),
            StepConfig::Buyer {
                settings_id,
                price_e4,
                price_currency,
                caps,
                ..
            } => match exits.outlet_of_step(settings_id, step.connection_id) {
                Some(outlet) => Action::Buyer(Box::new(Buyer {
                    outlet,
                    settings: settings_id,
                    caps,
                    price: PriceE4::from_columns(price_e4, price_currency),
                })),
                None => Action::Unusable("the buyer has not accepted the invitation yet".into()),
            },
            StepConfig::Distribute { profile_id } => {
                match parts.profiles.iter().find(|profile| profile.id == profile_id) {
                    Some(profile) => Action::Distribute(Arc::new(self.profile(profile, parts, exits))),
                    None => Action::Unusable("its distribution profile is gone".into()),
                }
            }
        };
        Ok(Step {
            id: step.id,
            subject: Subject::new(step.id, &step.name),
            enabled: step.enabled,
            criteria: self.gate(step.criteria),
            action,
        })
    }
}

/// Own sources and connected accounts' take their senders' credentials. What else a source may be for is not submitted to.
fn access(kind: SourceKind, sender: AccountId, link: Option<&connection::Model>) -> Access {
    if kind == SourceKind::Own {
        return Access::Open;
    }
    let Some(link) = link.filter(|link| kind == SourceKind::Account && link.type_for(sender).sends()) else {
        return Access::Closed;
    };
    match link.status {
        ConnectionStatus::Active => Access::Open,
        ConnectionStatus::Suspended => Access::Suspended,
        ConnectionStatus::Terminated => Access::Closed,
    }
}

fn transform(assignments: &[entity::step::TemplateAssignment], fields: &[FieldDef]) -> Action {
    let mut compiled = Vec::with_capacity(assignments.len());
    for assignment in assignments {
        let Some(field) = fields.iter().find(|field| field.name == assignment.field) else {
            return Action::Unusable(format!("it sets {}, which the flow no longer has", assignment.field));
        };
        match Template::parse(&assignment.template, Escape::None) {
            Ok(template) => compiled.push((field.clone(), template)),
            Err(error) => {
                return Action::Unusable(format!("its template for {} cannot be used: {error}", assignment.field));
            }
        }
    }
    Action::Transform(compiled)
}
