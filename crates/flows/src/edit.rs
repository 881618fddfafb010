//! Changing a flow. Its row stays locked from loading to commit; at the end, the rows that differ are written, together with a revision,
//! an audit entry and events.

mod history;
mod senders;
mod size;
mod write;

use entity::cap_usage::Caps;
use entity::ids::{AccountId, FlowId, ProfileId, SourceId, StepId};
use entity::{account, flow, source, step};
use sea_orm::sea_query::LockType;
use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter, QuerySelect};
use serde_json::json;

use super::MAX_FLOWS;
use super::checks::Checker;
use super::contents::Contents;
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry, Who};
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::accounts;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::quota::Stored;
use leadmesh_core::live::events;
use leadmesh_forms::rules::PatternSizes;

/// A flow after a change.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedFlow {
    pub flow: flow::Model,
    /// What its owner should know about the change.
    pub warnings: Vec<String>,
}

/// What a change is called in the history and the audit log.
pub(super) struct Change {
    /// As `noun.verb`, the verb in the past tense.
    pub(super) action: &'static str,
    /// The GraphQL type of the subject.
    pub(super) subject_type: &'static str,
    pub(super) subject_id: String,
    /// The subject's name.
    pub(super) label: String,
    /// For people.
    pub(super) summary: String,
}

impl Change {
    /// A change of the flow itself.
    pub(super) fn of_flow(action: &'static str, flow: &flow::Model, summary: String) -> Self {
        Self {
            action,
            subject_type: "Flow",
            subject_id: flow.id.to_string(),
            label: flow.name.clone(),
            summary,
        }
    }
}

/// A flow under change. If it is dropped without [`save`](Self::save), nothing is changed.
pub struct Edit<'a> {
    pub(super) app: &'a App,
    /// The transaction of the change.
    pub tx: Transaction,
    pub(super) account: account::Model,
    /// The flow as it will be saved.
    pub(super) after: Contents,
    /// Broken rules so far. Must be empty to save.
    pub(super) check: Checker,
    pub(super) warnings: Vec<String>,
    /// The flow as it was loaded; none for a new flow.
    before: Option<Contents>,
    stored: Stored,
    who: Who,
}

/// A transaction in which the account's row is locked, so that what is counted and referred to stays as it is until the commit.
struct Opened {
    tx: Transaction,
    account: account::Model,
    stored: Stored,
    who: Who,
}

impl Opened {
    async fn begin(app: &App, caller: &Caller) -> Result<Self> {
        let id = caller.require(Action::ManageFlows)?;
        let tx = app.db.begin().await?;
        // Weaker than FOR UPDATE on `PostgreSQL`: leads that are stored meanwhile may still refer to the row.
        let account = account::Entity::by_id(id).lock(LockType::NoKeyUpdate).one(&tx).await?;
        let account = account.ok_or(Error::NotFound("account"))?;
        Ok(Self {
            stored: Stored::before(&tx, account.id).await?,
            tx,
            account,
            who: caller.who(),
        })
    }
}

impl<'a> Edit<'a> {
    /// Begins with a new flow.
    pub(super) async fn of_new_flow(app: &'a App, caller: &Caller) -> Result<Self> {
        let opened = Opened::begin(app, caller).await?;
        let id = opened.account.id;
        let flows = flow::Entity::in_account(id).count(&opened.tx).await?;
        let after = Contents {
            flow: blank(app, id),
            sources: Vec::new(),
            steps: Vec::new(),
        };
        let mut edit = Self::new(app, opened, None, after);
        if flows > 0 {
            edit.check.paid("input", "a second flow");
        }
        if flows >= MAX_FLOWS {
            let text = format!("an account has at most {MAX_FLOWS} flows: delete one that is not used any more");
            edit.check.broken(UserErrorCode::LimitReached, "input", text);
        }
        Ok(edit)
    }

    /// Begins with a flow of the caller's account; `path` is where the input names it.
    pub async fn of_flow(app: &'a App, caller: &Caller, id: FlowId, path: &str) -> Result<Self> {
        let opened = Opened::begin(app, caller).await?;
        let edit = Self::load(app, opened, Some(id)).await?;
        edit.ok_or_else(|| unknown("flow", path))
    }

    /// Begins with the flow of a source; answers the index of the source.
    pub(super) async fn of_source(app: &'a App, caller: &Caller, id: SourceId, path: &str) -> Result<(Self, usize)> {
        let opened = Opened::begin(app, caller).await?;
        let source = source::Entity::in_account(opened.account.id).filter(source::Column::Id.eq(id));
        let source = source.one(&opened.tx).await?;
        let edit = Self::load(app, opened, source.map(|source| source.flow_id)).await?;
        let found = edit.and_then(|edit| {
            let index = edit.after.sources.iter().position(|source| source.id == id)?;
            Some((edit, index))
        });
        found.ok_or_else(|| unknown("source", path))
    }

    /// Begins with the flow of a step; answers the index of the step.
    pub async fn of_step(app: &'a App, caller: &Caller, id: StepId, path: &str) -> Result<(Self, usize)> {
        let opened = Opened::begin(app, caller).await?;
        let step = step::Entity::in_account(opened.account.id).filter(step::Column::Id.eq(id));
        let step = step.one(&opened.tx).await?;
        let edit = Self::load(app, opened, step.map(|step| step.flow_id)).await?;
        let found = edit.and_then(|edit| {
            let index = edit.after.steps.iter().position(|step| step.id == id)?;
            Some((edit, index))
        });
        found.ok_or_else(|| unknown("step", path))
    }

    /// Adds the sizes of the patterns in the rules that will be saved. A rule with patterns cannot be saved without.
    pub fn with_pattern_sizes(mut self, sizes: PatternSizes) -> Self {
        self.check.sizes = sizes;
        self
    }

    pub fn account(&self) -> AccountId {
        self.account.id
    }

    /// The flow's sources, in order.
    pub fn sources(&self) -> &[source::Model] {
        &self.after.sources
    }

    /// The profiles of the flow as it was loaded, one for each DISTRIBUTE step.
    pub(super) fn profiles_before(&self) -> Vec<ProfileId> {
        let steps = self.before.iter().flat_map(|before| &before.steps);
        steps.filter_map(|step| step.profile_id).collect()
    }

    async fn load(app: &'a App, opened: Opened, id: Option<FlowId>) -> Result<Option<Self>> {
        let Some(id) = id else { return Ok(None) };
        let tx = &opened.tx;
        let flow = flow::Entity::in_account(opened.account.id).filter(flow::Column::Id.eq(id));
        let Some(flow) = flow.lock(LockType::NoKeyUpdate).one(tx).await? else {
            return Ok(None);
        };
        let before = Contents {
            flow,
            sources: source::Entity::of_flow(id).all(tx).await?,
            steps: step::Entity::of_flow(id).all(tx).await?,
        };
        history::record_first(&app.clock, tx, &before).await?;
        let after = before.clone();
        Ok(Some(Self::new(app, opened, Some(before), after)))
    }

    fn new(app: &'a App, opened: Opened, before: Option<Contents>, after: Contents) -> Self {
        Self {
            app,
            check: Checker::new(app, &opened.account),
            tx: opened.tx,
            account: opened.account,
            after,
            warnings: Vec::new(),
            before,
            stored: opened.stored,
            who: opened.who,
        }
    }

    /// Writes the rows that differ, with a revision, an audit entry and events. A change that changes nothing writes nothing.
    pub(super) async fn save(mut self, change: Change) -> Result<SavedFlow> {
        self.check.finish()?;
        if self.before.as_ref() == Some(&self.after) {
            return Ok(self.saved());
        }
        size::check(&mut self.check, self.before.as_ref(), &self.after)?;
        self.check.finish()?;
        for (position, step) in (0..).zip(&mut self.after.steps) {
            step.position = position;
        }
        self.after.flow.version += 1;
        self.after.flow.updated_at = self.app.clock.now();
        let (tx, clock, after) = (&self.tx, &self.app.clock, &self.after);
        write::differences(tx, self.before.as_ref(), after).await?;
        history::record(clock, tx, after, &self.who, change.summary.clone()).await?;
        let few = after.flow.deleted_at.is_some() || self.stored.is_much(self.app);
        history::delete_old(tx, &after.flow, few).await?;
        if size::grows(self.before.as_ref(), after)? {
            self.stored.check(self.app, tx, "input").await?;
        }
        let entry = Entry {
            action: change.action,
            subject_type: change.subject_type,
            subject_id: change.subject_id,
            label: Some(&change.label),
            changes: Some(json!({ "summary": change.summary, "flowVersion": after.flow.version })),
        };
        audit::record(tx, clock, self.account.id, &self.who, entry).await?;
        accounts::touch_config(tx, self.account.id).await?;
        let events = senders::docs_events(tx, self.before.as_ref(), after).await?;
        let heads = events::append(tx, after.flow.updated_at, events).await?;
        let saved = SavedFlow {
            flow: self.after.flow,
            warnings: self.warnings,
        };
        self.tx.commit().await?;
        self.app.hub.tell(&heads);
        Ok(saved)
    }

    fn saved(self) -> SavedFlow {
        SavedFlow {
            flow: self.after.flow,
            warnings: self.warnings,
        }
    }
}

/// Version 0: saving makes it 1.
fn blank(app: &App, account: AccountId) -> flow::Model {
    let now = app.clock.now();
    flow::Model {
        id: app.clock.id(),
        account_id: account,
        name: String::new(),
        description: None,
        enabled: true,
        is_inbox: false,
        version: 0,
        fields: flow::FieldDefs::default(),
        acceptance_rule: None,
        duplicate_keys: flow::Names::default(),
        duplicate_window_days: None,
        caps: Caps::default(),
        price_e4: None,
        price_currency: None,
        created_at: now,
        updated_at: now,
        deleted_at: None,
    }
}

fn unknown(noun: &str, path: &str) -> Error {
    Error::broken(
        UserErrorCode::NotFound,
        path,
        format!("there is no such {noun} in this account: check the ID"),
    )
}
