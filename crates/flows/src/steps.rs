//! The steps of a flow: what happens to a lead that it takes, in order.

mod buyer;

use async_graphql::MaybeUndefined;
use entity::assignment;
use entity::ids::{FlowId, ProfileId, StepId};
use entity::profile;
use entity::step::{self, StepConfig, TemplateAssignment};
use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter};

use super::contents::{changed_parts, paid_parts, profile_of};
use super::edit::{Change, Edit, SavedFlow};
use super::pattern_sizes::{FlowRef, measure_patterns};
use super::{MAX_STEPS, breadth};
pub(crate) use buyer::disable_unconnected;
pub use buyer::{BuyerInput, BuyerTo};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_forms::rules::Rule;

/// Path of the profile in the input.
const PROFILE: &str = "input.step.distribute.profileId";

/// What a step does. The API's input has the same fields and, for a buyer, an invitation.
#[derive(Clone, Debug)]
pub enum StepInput {
    Filter { rule: Rule, reason: String },
    Transform { assignments: Vec<TemplateAssignment> },
    Buyer(BuyerInput),
    Distribute { profile_id: ProfileId },
}

/// A step to add.
#[derive(Clone, Debug)]
pub struct AddStep {
    pub flow_id: FlowId,
    pub name: String,
    pub criteria: Option<Rule>,
    /// From 0. Values beyond either end mean that end; none means last.
    pub position: Option<i32>,
    pub enabled: bool,
    pub step: StepInput,
}

/// Changes to a step; absent fields stay unchanged.
#[derive(Clone, Debug, Default)]
pub struct UpdateStep {
    pub name: Option<String>,
    pub criteria: MaybeUndefined<Rule>,
    /// Must be of the step's kind.
    pub step: Option<StepInput>,
}

impl AddStep {
    /// The rules that will be saved.
    pub fn rules(&self) -> Vec<&Rule> {
        self.criteria.iter().chain(self.step.rule()).collect()
    }
}

impl UpdateStep {
    /// The rules that will be saved.
    pub fn rules(&self) -> Vec<&Rule> {
        let criteria = self.criteria.value().into_iter();
        criteria.chain(self.step.as_ref().and_then(StepInput::rule)).collect()
    }
}

impl StepInput {
    fn rule(&self) -> Option<&Rule> {
        match self {
            Self::Filter { rule, .. } => Some(rule),
            Self::Transform { .. } | Self::Buyer(_) | Self::Distribute { .. } => None,
        }
    }
}

pub async fn add(app: &App, caller: &Caller, input: AddStep) -> Result<SavedFlow> {
    let sizes = measure_patterns(app, caller, FlowRef::Flow(input.flow_id), input.rules()).await?;
    let edit = Edit::of_flow(app, caller, input.flow_id, "input.flowId").await?;
    add_to(edit.with_pattern_sizes(sizes), input).await
}

/// Adds a step to the flow under change.
pub async fn add_to(mut edit: Edit<'_>, input: AddStep) -> Result<SavedFlow> {
    if edit.after.steps.len() >= MAX_STEPS {
        let text = format!("a flow has at most {MAX_STEPS} steps: remove one that is not used any more");
        edit.check.broken(UserErrorCode::LimitReached, "input.flowId", text);
    }
    let name = edit.check.name(&input.name, "input.name");
    let criteria = input.criteria.and_then(|rule| check_criteria(&mut edit, &rule));
    let mut step = step::Model {
        id: edit.app.clock.id(),
        account_id: edit.account.id,
        flow_id: edit.after.flow.id,
        position: 0,
        name,
        enabled: input.enabled,
        criteria,
        profile_id: None,
        config: StepConfig::Transform {
            assignments: Vec::new(),
        },
        connection_id: None,
        invitation_id: None,
        deleted_at: None,
    };
    set_up(&mut edit, &mut step, input.step).await?;
    let change = change("step.added", &step, format!("Added step {}", step.name));
    let index = clamped(input.position, edit.after.steps.len());
    edit.after.steps.insert(index, step);
    breadth::check(&mut edit, PROFILE).await?;
    edit.save(change).await
}

/// Changes a step; it keeps its kind.
pub async fn update(app: &App, caller: &Caller, id: StepId, input: UpdateStep) -> Result<SavedFlow> {
    let sizes = measure_patterns(app, caller, FlowRef::Step(id), input.rules()).await?;
    let (edit, index) = Edit::of_step(app, caller, id, "input.id").await?;
    update_in(edit.with_pattern_sizes(sizes), index, input).await
}

/// Changes a step of the flow under change.
pub async fn update_in(mut edit: Edit<'_>, index: usize, input: UpdateStep) -> Result<SavedFlow> {
    let before = edit.after.steps.remove(index);
    let mut step = before.clone();
    if let Some(name) = input.name {
        step.name = edit.check.name(&name, "input.name");
    }
    match input.criteria {
        MaybeUndefined::Undefined => {}
        MaybeUndefined::Null => step.criteria = None,
        MaybeUndefined::Value(rule) => step.criteria = check_criteria(&mut edit, &rule),
    }
    if let Some(given) = input.step {
        if kind_of(&given) != kind(&before.config) {
            let text = "a step keeps its kind: remove it and add another";
            edit.check.broken(UserErrorCode::Invalid, "input.step", text);
            edit.check.finish()?;
        }
        set_up(&mut edit, &mut step, given).await?;
    }
    let parts = changes(&before, &step);
    let change = change("step.updated", &step, format!("Changed {parts} of step {}", step.name));
    edit.after.steps.insert(index, step);
    breadth::check(&mut edit, PROFILE).await?;
    edit.save(change).await
}

/// Enables or disables a step. Leads pass a disabled step unchanged.
pub async fn set_enabled(app: &App, caller: &Caller, id: StepId, enabled: bool) -> Result<SavedFlow> {
    let (mut edit, index) = Edit::of_step(app, caller, id, "id").await?;
    let mut step = edit.after.steps.remove(index);
    if enabled && !step.enabled {
        for what in paid_parts(&step) {
            edit.check.paid("id", what);
        }
    }
    buyer::switch(&mut edit, &mut step, enabled).await?;
    step.enabled = enabled;
    let (action, verb) = if enabled {
        ("step.enabled", "Enabled")
    } else {
        ("step.disabled", "Disabled")
    };
    let change = change(action, &step, format!("{verb} step {}", step.name));
    edit.after.steps.insert(index, step);
    edit.save(change).await
}

/// Removes a step.
pub async fn remove(app: &App, caller: &Caller, id: StepId) -> Result<SavedFlow> {
    let (mut edit, index) = Edit::of_step(app, caller, id, "id").await?;
    let step = edit.after.steps.remove(index);
    let change = change("step.removed", &step, format!("Removed step {}", step.name));
    edit.save(change).await
}

/// Moves a step to a position, from 0. Values beyond either end mean that end.
pub async fn move_to(app: &App, caller: &Caller, id: StepId, position: i32) -> Result<SavedFlow> {
    let (mut edit, index) = Edit::of_step(app, caller, id, "id").await?;
    let step = edit.after.steps.remove(index);
    let index = clamped(Some(position), edit.after.steps.len());
    let summary = format!("Moved step {} to place {}", step.name, index + 1);
    let change = change("step.moved", &step, summary);
    edit.after.steps.insert(index, step);
    edit.save(change).await
}

fn clamped(position: Option<i32>, end: usize) -> usize {
    match position {
        None => end,
        Some(position) => usize::try_from(position).unwrap_or(0).min(end),
    }
}

fn check_criteria(edit: &mut Edit<'_>, rule: &Rule) -> Option<serde_json::Value> {
    edit.check
        .rule(rule, &edit.after.flow.fields.0, "input.criteria", "step criteria")
}

/// Checks what a step does and sets it.
async fn set_up(edit: &mut Edit<'_>, step: &mut step::Model, input: StepInput) -> Result<()> {
    if let StepInput::Buyer(input) = input {
        return buyer::apply(edit, step, input).await;
    }
    let others = distribute_steps(edit, Some(step.id));
    step.config = checked(edit, input, others).await?;
    step.profile_id = profile_of(&step.config);
    Ok(())
}

/// Checks the settings of a step that is no BUYER step. `others` counts the flow's other DISTRIBUTE steps.
async fn checked(edit: &mut Edit<'_>, input: StepInput, others: usize) -> Result<StepConfig> {
    let (fields, check) = (&edit.after.flow.fields.0, &mut edit.check);
    match input {
        StepInput::Filter { rule, reason } => {
            let rule = check.rule(&rule, fields, "input.step.filter.rule", "filters");
            let reason = check.reason(&reason, "input.step.filter.reason");
            let rule = rule.unwrap_or_default();
            Ok(StepConfig::Filter { rule, reason })
        }
        StepInput::Transform { assignments } => {
            check.assignments(&assignments, fields, "input.step.transform.assignments");
            Ok(StepConfig::Transform { assignments })
        }
        StepInput::Buyer(_) => Err(Error::Internal(anyhow::anyhow!("a buyer step is set up by itself"))),
        StepInput::Distribute { profile_id } => {
            let path = PROFILE;
            let profile = profile::Entity::in_account(edit.account()).filter(profile::Column::Id.eq(profile_id));
            if profile.count(&edit.frame.tx).await? == 0 {
                let text = "there is no such distribution profile in this account: check the ID";
                edit.check.broken(UserErrorCode::NotFound, path, text);
            } else {
                check_free_destination(edit, profile_id, others, path).await?;
            }
            Ok(StepConfig::Distribute { profile_id })
        }
    }
}

/// FREE accounts have one destination: one DISTRIBUTE step, whose profile has one partner.
pub(super) async fn check_free_destination(
    edit: &mut Edit<'_>,
    profile: ProfileId,
    others: usize,
    path: &str,
) -> Result<()> {
    if edit.check.is_paid() {
        return Ok(());
    }
    let partners = assignment::Entity::in_account(edit.account.id)
        .filter(assignment::Column::ProfileId.eq(profile))
        .count(&edit.tx)
        .await?;
    if others > 0 || partners > 1 {
        edit.check.paid(path, "more than one destination");
    }
    Ok(())
}

fn distribute_steps(edit: &Edit<'_>, except: Option<StepId>) -> usize {
    let others = edit.after.steps.iter().filter(|step| Some(step.id) != except);
    others.filter(|step| step.profile_id.is_some()).count()
}

/// The GraphQL type of a step.
fn kind(config: &StepConfig) -> &'static str {
    match config {
        StepConfig::Filter { .. } => "FilterStep",
        StepConfig::Transform { .. } => "TransformStep",
        StepConfig::Buyer { .. } => "BuyerStep",
        StepConfig::Distribute { .. } => "DistributeStep",
    }
}

fn kind_of(input: &StepInput) -> &'static str {
    match input {
        StepInput::Filter { .. } => "FilterStep",
        StepInput::Transform { .. } => "TransformStep",
        StepInput::Buyer(_) => "BuyerStep",
        StepInput::Distribute { .. } => "DistributeStep",
    }
}

fn changes(before: &step::Model, after: &step::Model) -> String {
    let buyer = |step: &step::Model| (step.connection_id, step.invitation_id);
    changed_parts(&[
        ("the name", before.name != after.name),
        ("the criteria", before.criteria != after.criteria),
        ("the buyer", buyer(before) != buyer(after)),
        ("the settings", before.config != after.config),
    ])
}

fn change(action: &'static str, step: &step::Model, summary: String) -> Change {
    Change {
        action,
        subject_type: kind(&step.config),
        subject_id: step.id.to_string(),
        label: step.name.clone(),
        summary,
    }
}
