//! Changing a flow. Its row stays locked from loading to commit; at the end, the rows that differ are written, together with a revision,
//! an audit entry and events.

mod history;
mod senders;
mod size;
mod write;

use entity::cap_usage::Caps;
use entity::ids::{AccountId, FlowId, ProfileId, SourceId, StepId};
use entity::{flow, source, step};
use sea_orm::sea_query::LockType;
use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter, QuerySelect};
use serde_json::json;

use super::MAX_FLOWS;
use super::checks::Checker;
use super::contents::Contents;
use leadmesh_core::app::App;
use leadmesh_core::audit::Entry;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::change::Change as Frame;
use leadmesh_core::identity::policy::Action;
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

/// A flow under change. If it is dropped without `save`, nothing is changed.
pub struct Edit<'a> {
    pub frame: Frame<'a>,
    /// The flow as it will be saved.
    pub(super) after: Contents,
    /// Broken rules so far. Must be empty to save.
    pub(super) check: Checker,
    pub(super) warnings: Vec<String>,
    /// The flow as it was loaded; none for a new flow.
    before: Option<Contents>,
}

impl<'a> std::ops::Deref for Edit<'a> {
    type Target = Frame<'a>;

    fn deref(&self) -> &Frame<'a> {
        &self.frame
    }
}

impl<'a> Edit<'a> {
    /// Begins with a new flow.
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

    /// Begins with a flow of the caller's account; `path` is where the input names it.
    pub async fn of_flow(app: &'a App, caller: &Caller, id: FlowId, path: &str) -> Result<Self> {
        let frame = begin(app, caller).await?;
        let edit = Self::load(frame, Some(id)).await?;
        edit.ok_or_else(|| unknown("flow", path))
    }

    /// Begins with the flow of a source; answers the index of the source.
    pub(super) async fn of_source(app: &'a App, caller: &Caller, id: SourceId, path: &str) -> Result<(Self, usize)> {
        let frame = begin(app, caller).await?;
        let source = source::Entity::in_account(frame.account.id).filter(source::Column::Id.eq(id));
        let source = source.one(&frame.tx).await?;
        let edit = Self::load(frame, source.map(|source| source.flow_id)).await?;
        let found = edit.and_then(|edit| {
            let index = edit.after.sources.iter().position(|source| source.id == id)?;
            Some((edit, index))
        });
        found.ok_or_else(|| unknown("source", path))
    }

    /// Begins with the flow of a step; answers the index of the step.
    pub async fn of_step(app: &'a App, caller: &Caller, id: StepId, path: &str) -> Result<(Self, usize)> {
        let frame = begin(app, caller).await?;
        let step = step::Entity::in_account(frame.account.id).filter(step::Column::Id.eq(id));
        let step = step.one(&frame.tx).await?;
        let edit = Self::load(frame, step.map(|step| step.flow_id)).await?;
        let found = edit.and_then(|edit| {
            let index = edit.after.steps.iter().position(|step| step.id == id)?;
            Some((edit, index))
        });
        found.ok_or_else(|| unknown("step", path))
    }

    /// Adds the sizes of the patterns in the rules that will be saved. A rule with patterns cannot be saved without.
    #[must_use]
    pub fn with_pattern_sizes(mut self, sizes: PatternSizes) -> Self {
        self.check.sizes = sizes;
        self
    }

    pub fn account(&self) -> AccountId {
        self.frame.account.id
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

    async fn load(frame: Frame<'a>, id: Option<FlowId>) -> Result<Option<Self>> {
        let Some(id) = id else { return Ok(None) };
        let flow = flow::Entity::in_account(frame.account.id).filter(flow::Column::Id.eq(id));
        let Some(flow) = flow.lock(LockType::NoKeyUpdate).one(&frame.tx).await? else {
            return Ok(None);
        };
        let before = Contents {
            flow,
            sources: source::Entity::of_flow(id).all(&frame.tx).await?,
            steps: step::Entity::of_flow(id).all(&frame.tx).await?,
        };
        history::record_first(&frame.app.clock, &frame.tx, &before).await?;
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
        self.write(change).await?;
        let Self {
            frame, after, warnings, ..
        } = self;
        frame.commit().await?;
        Ok(SavedFlow {
            flow: after.flow,
            warnings,
        })
    }

    async fn write(&mut self, change: Change) -> Result<()> {
        let (frame, before, after) = (&mut self.frame, self.before.as_ref(), &self.after);
        write::differences(&frame.tx, before, after).await?;
        history::record(&frame.app.clock, &frame.tx, after, &frame.actor, change.summary.clone()).await?;
        let few = after.flow.deleted_at.is_some() || frame.is_quota_half_used();
        history::delete_old(&frame.tx, &after.flow, few).await?;
        if !size::grows(before, after)? {
            frame.lift_quota();
        }
        let entry = Entry::new(change.action, change.subject_type, change.subject_id, &change.label);
        let changes = json!({ "summary": change.summary, "flowVersion": after.flow.version });
        frame.record(entry.with(changes)).await?;
        let events = senders::docs_events(&frame.tx, before, after).await?;
        frame.events.extend(events);
        Ok(())
    }

    fn saved(self) -> SavedFlow {
        SavedFlow {
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
