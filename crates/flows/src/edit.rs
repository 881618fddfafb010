//! A flow under change: its row stays locked from loading to commit, and what differs at the end is written.

mod senders;
mod size;
mod write;

use entity::cap_usage::Caps;
use entity::ids::{AccountId, FlowId, ProfileId, SourceId, StepId};
use entity::{flow, source, step};
use sea_orm::sea_query::LockType;
use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter, QuerySelect};
use serde_json::json;

use super::checks::Checker;
use super::contents::Contents;
use super::{MAX_FLOWS, revisions};
use leadmesh_core::app::App;
use leadmesh_core::audit::Entry;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::change::Change as Frame;
use leadmesh_core::identity::policy::Action;
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
    pub frame: Frame<'a>,
    /// As it should become.
    pub(super) after: Contents,
    /// What is wrong with it so far; must be empty to save.
    pub(super) check: Checker,
    pub(super) warnings: Vec<String>,
    /// As it was loaded; none for a new flow.
    before: Option<Contents>,
}

impl<'a> std::ops::Deref for Edit<'a> {
    type Target = Frame<'a>;

    fn deref(&self) -> &Frame<'a> {
        &self.frame
    }
}

impl<'a> Edit<'a> {
    /// Begins with a flow that is not there yet.
    pub(super) async fn of_new_flow(app: &'a App, caller: &Caller) -> Result<Self> {
        let frame = begin(app, caller).await?;
        let id = frame.account.id;
        let after = Contents {
            flow: blank(app, id),
            sources: Vec::new(),
            steps: Vec::new(),
        };
        let flows = flow::Entity::in_account(id).count(&frame.tx).await?;
        let mut edit = Self::new(frame, None, after);
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
        let frame = begin(app, caller).await?;
        Self::load(frame, id).await?.ok_or_else(|| unknown("flow", path))
    }

    /// Begins with the flow of a source; answers the source's place in it.
    pub(super) async fn of_source(app: &'a App, caller: &Caller, id: SourceId, path: &str) -> Result<(Self, usize)> {
        let frame = begin(app, caller).await?;
        let source = source::Entity::in_account(frame.account.id)
            .filter(source::Column::Id.eq(id))
            .one(&frame.tx)
            .await?;
        let flow = source.ok_or_else(|| unknown("source", path))?.flow_id;
        let edit = Self::load(frame, flow).await?;
        let place = |edit: &Self| edit.after.sources.iter().position(|source| source.id == id);
        edit.and_then(|edit| place(&edit).map(|place| (edit, place)))
            .ok_or_else(|| unknown("source", path))
    }

    /// Begins with the flow of a step; answers the step's place in it.
    pub async fn of_step(app: &'a App, caller: &Caller, id: StepId, path: &str) -> Result<(Self, usize)> {
        let frame = begin(app, caller).await?;
        let step = step::Entity::in_account(frame.account.id)
            .filter(step::Column::Id.eq(id))
            .one(&frame.tx)
            .await?;
        let flow = step.ok_or_else(|| unknown("step", path))?.flow_id;
        let edit = Self::load(frame, flow).await?;
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
        self.frame.account.id
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

    async fn load(frame: Frame<'a>, id: FlowId) -> Result<Option<Self>> {
        let flow = flow::Entity::in_account(frame.account.id).filter(flow::Column::Id.eq(id));
        let Some(flow) = flow.lock(LockType::NoKeyUpdate).one(&frame.tx).await? else {
            return Ok(None);
        };
        let before = Contents {
            flow,
            sources: source::Entity::of_flow(id).all(&frame.tx).await?,
            steps: step::Entity::of_flow(id).all(&frame.tx).await?,
        };
        revisions::record_first(frame.app, &frame.tx, &before).await?;
        let after = before.clone();
        Ok(Some(Self::new(frame, Some(before), after)))
    }

    fn new(frame: Frame<'a>, before: Option<Contents>, after: Contents) -> Self {
        Self {
            check: Checker::new(frame.app, &frame.account),
            frame,
            after,
            warnings: Vec::new(),
            before,
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
        self.write(change).await?;
        let Self {
            frame, after, warnings, ..
        } = self;
        frame.commit().await?;
        Ok(Changed {
            flow: after.flow,
            warnings,
        })
    }

    async fn write(&mut self, change: Change) -> Result<()> {
        let (frame, before, after) = (&mut self.frame, self.before.as_ref(), &self.after);
        write::differences(&frame.tx, before, after).await?;
        revisions::record(&frame.app.clock, &frame.tx, after, &frame.actor, change.summary.clone()).await?;
        let kept = revisions::kept(after.flow.deleted_at.is_some() || frame.is_quota_half_used());
        revisions::forget_old(&frame.tx, &after.flow, kept).await?;
        if !size::grows(before, after)? {
            frame.lift_quota();
        }
        let entry = Entry::new(change.action, change.subject_type, change.subject_id, &change.label);
        let changes = json!({ "summary": change.summary, "flowVersion": after.flow.version });
        frame.record(entry.with(changes)).await?;
        let events = senders::told(&frame.tx, before, after).await?;
        frame.events.extend(events);
        Ok(())
    }

    fn changed(self) -> Changed {
        Changed {
            flow: self.after.flow,
            warnings: self.warnings,
        }
    }
}

async fn begin<'a>(app: &'a App, caller: &Caller) -> Result<Frame<'a>> {
    let account = caller.require(Action::ManageFlows)?;
    Frame::begin(app, caller, account).await?.metered().await
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
    Error::user(
        UserErrorCode::NotFound,
        path,
        format!("there is no such {noun} in this account: check the ID"),
    )
}
