//! A flow under change: its row stays locked from loading to commit, and what differs at the end is written.

mod senders;
mod size;
mod write;

use entity::cap_usage::Caps;
use entity::ids::{AccountId, FlowId, ProfileId, SourceId, StepId};
use entity::{account, flow, source, step};
use sea_orm::sea_query::LockType;
use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter, QuerySelect};
use serde_json::json;

use super::checks::Checker;
use super::contents::Contents;
use super::{MAX_FLOWS, revisions};
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry, Who};
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::accounts;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::quota::Stored;
use leadmesh_core::live::events;
use leadmesh_forms::rules::Weighed;

/// A flow after a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// As it is now.
    pub flow: flow::Model,
    /// What its owner should know about the change.
    pub warnings: Vec<String>,
}

/// What a change is called in history and audit trail.
pub(super) struct Change {
    /// As `noun.verb`, the verb in the past tense.
    pub(super) action: &'static str,
    /// The GraphQL type of the subject.
    pub(super) subject_type: &'static str,
    /// Its public identifier.
    pub(super) subject_id: String,
    /// Its name.
    pub(super) label: String,
    /// In words.
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

/// A flow under change. Dropped without [`save`](Self::save), nothing happens.
pub struct Edit<'a> {
    pub(super) app: &'a App,
    /// What the change is made in.
    pub tx: Transaction,
    pub(super) account: account::Model,
    /// As it should become.
    pub(super) after: Contents,
    /// What is wrong with it so far; must be empty to save.
    pub(super) check: Checker,
    pub(super) warnings: Vec<String>,
    /// As it was loaded; none for a new flow.
    before: Option<Contents>,
    stored: Stored,
    who: Who,
}

/// What every change begins with.
type Begun = (Transaction, account::Model, Stored);

impl<'a> Edit<'a> {
    /// Begins with a flow that is not there yet.
    pub(super) async fn of_new_flow(app: &'a App, caller: &Caller) -> Result<Self> {
        let begun = begin(app, caller).await?;
        let id = begun.1.id;
        let after = Contents {
            flow: blank(app, id),
            sources: Vec::new(),
            steps: Vec::new(),
        };
        let flows = flow::Entity::in_account(id).count(&begun.0).await?;
        let mut edit = Self::new(app, caller, begun, None, after);
        if flows > 0 {
            edit.check.paid("input", "a second flow");
        }
        if flows >= MAX_FLOWS {
            let text = format!("an account has at most {MAX_FLOWS} flows: delete one that is not used any more");
            edit.check.broken(UserErrorCode::LimitReached, "input", text);
        }
        Ok(edit)
    }

    /// Begins with a flow of the caller's account; `path` is where its ID is in the input.
    pub async fn of_flow(app: &'a App, caller: &Caller, id: FlowId, path: &str) -> Result<Self> {
        let begun = begin(app, caller).await?;
        Self::load(app, caller, begun, id)
            .await?
            .ok_or_else(|| unknown("flow", path))
    }

    /// Begins with the flow of a source; answers the source's place in it.
    pub(super) async fn of_source(app: &'a App, caller: &Caller, id: SourceId, path: &str) -> Result<(Self, usize)> {
        let (tx, account, stored) = begin(app, caller).await?;
        let source = source::Entity::in_account(account.id)
            .filter(source::Column::Id.eq(id))
            .one(&tx)
            .await?;
        let flow = source.ok_or_else(|| unknown("source", path))?.flow_id;
        let edit = Self::load(app, caller, (tx, account, stored), flow).await?;
        let place = |edit: &Self| edit.after.sources.iter().position(|source| source.id == id);
        edit.and_then(|edit| place(&edit).map(|place| (edit, place)))
            .ok_or_else(|| unknown("source", path))
    }

    /// Begins with the flow of a step; answers the step's place in it.
    pub async fn of_step(app: &'a App, caller: &Caller, id: StepId, path: &str) -> Result<(Self, usize)> {
        let (tx, account, stored) = begin(app, caller).await?;
        let step = step::Entity::in_account(account.id)
            .filter(step::Column::Id.eq(id))
            .one(&tx)
            .await?;
        let flow = step.ok_or_else(|| unknown("step", path))?.flow_id;
        let edit = Self::load(app, caller, (tx, account, stored), flow).await?;
        let place = |edit: &Self| edit.after.steps.iter().position(|step| step.id == id);
        edit.and_then(|edit| place(&edit).map(|place| (edit, place)))
            .ok_or_else(|| unknown("step", path))
    }

    /// With what the patterns of the rules take that it is to save: a rule with patterns cannot be saved without.
    pub fn knowing(mut self, weighed: Weighed) -> Self {
        self.check.weighed = weighed;
        self
    }

    /// The flow's account.
    pub fn account(&self) -> AccountId {
        self.account.id
    }

    /// The flow's sources, in order.
    pub fn sources(&self) -> &[source::Model] {
        &self.after.sources
    }

    /// The profiles by which the flow distributed as it was loaded, one for each step.
    pub(super) fn profiles_before(&self) -> Vec<ProfileId> {
        let steps = self.before.iter().flat_map(|before| &before.steps);
        steps.filter_map(|step| step.profile_id).collect()
    }

    async fn load(app: &'a App, caller: &Caller, (tx, account, stored): Begun, id: FlowId) -> Result<Option<Self>> {
        let flow = flow::Entity::in_account(account.id).filter(flow::Column::Id.eq(id));
        let Some(flow) = flow.lock(LockType::NoKeyUpdate).one(&tx).await? else {
            return Ok(None);
        };
        let before = Contents {
            flow,
            sources: source::Entity::of_flow(id).all(&tx).await?,
            steps: step::Entity::of_flow(id).all(&tx).await?,
        };
        revisions::record_first(app, &tx, &before).await?;
        let after = before.clone();
        Ok(Some(Self::new(app, caller, (tx, account, stored), Some(before), after)))
    }

    fn new(
        app: &'a App,
        caller: &Caller,
        (tx, account, stored): Begun,
        before: Option<Contents>,
        after: Contents,
    ) -> Self {
        Self {
            app,
            check: Checker::new(app, &account),
            tx,
            account,
            after,
            warnings: Vec::new(),
            before,
            stored,
            who: caller.who(),
        }
    }

    /// Writes what differs, with a revision and an audit entry. A change that changes nothing leaves no trace.
    pub(super) async fn save(mut self, change: Change) -> Result<Changed> {
        self.check.finish()?;
        if self.before.as_ref() == Some(&self.after) {
            return Ok(self.changed());
        }
        size::check(&mut self)?;
        self.check.finish()?;
        for (position, step) in (0..).zip(&mut self.after.steps) {
            step.position = position;
        }
        self.after.flow.version += 1;
        self.after.flow.updated_at = self.app.clock.now();
        write::differences(&self.tx, self.before.as_ref(), &self.after).await?;
        revisions::record(
            &self.app.clock,
            &self.tx,
            &self.after,
            &self.who,
            change.summary.clone(),
        )
        .await?;
        let account = self.account.id;
        let kept = revisions::kept(self.after.flow.deleted_at.is_some() || self.stored.is_much(self.app));
        revisions::forget_old(&self.tx, &self.after.flow, kept).await?;
        if size::grows(self.before.as_ref(), &self.after)? {
            self.stored.check(self.app, &self.tx, "input").await?;
        }
        let entry = Entry {
            action: change.action,
            subject_type: change.subject_type,
            subject_id: change.subject_id,
            label: Some(&change.label),
            changes: Some(json!({ "summary": change.summary, "flowVersion": self.after.flow.version })),
        };
        audit::record(&self.tx, &self.app.clock, account, &self.who, entry).await?;
        accounts::touch_config(&self.tx, account).await?;
        let events = senders::told(&self.tx, self.before.as_ref(), &self.after).await?;
        let heads = events::append(&self.tx, self.after.flow.updated_at, events).await?;
        let changed = Changed {
            flow: self.after.flow,
            warnings: self.warnings,
        };
        self.tx.commit().await?;
        self.app.hub.tell(&heads);
        Ok(changed)
    }

    fn changed(self) -> Changed {
        Changed {
            flow: self.after.flow,
            warnings: self.warnings,
        }
    }
}

/// Both databases: the account's row is held until the commit, so that what is counted and what is referred to (profiles)
/// stays as it is. On `PostgreSQL` weaker than FOR UPDATE: leads that are stored meanwhile may still refer to the rows.
async fn begin(app: &App, caller: &Caller) -> Result<Begun> {
    let id = caller.require(Action::ManageFlows)?;
    let tx = app.db.begin().await?;
    let account = account::Entity::by_id(id).lock(LockType::NoKeyUpdate).one(&tx).await?;
    let account = account.ok_or(Error::NotFound("account"))?;
    let stored = Stored::before(&tx, account.id).await?;
    Ok((tx, account, stored))
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
