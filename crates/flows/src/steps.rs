//! The steps of a flow: what happens to a lead that it takes, in order.

mod buyer;

use async_graphql::MaybeUndefined;
use entity::assignment;
use entity::ids::{FlowId, ProfileId, StepId};
use entity::profile;
use entity::step::{self, StepConfig, TemplateAssignment};
use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter};

use super::contents::words;
use super::edit::{Change, Changed, Edit};
use super::weighing::{Of, weigh};
use super::{MAX_STEPS, breadth};
pub(crate) use buyer::settle_reverted;
pub use buyer::{BuyerInput, BuyerTo};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_forms::rules::Rule;

/// Where the profile of a step stands in the input.
const PROFILE: &str = "input.step.distribute.profileId";

/// What a step does, as given.
#[derive(Clone, Debug)]
pub enum StepInput {
    /// Stops the lead when the rule holds; PAID.
    Filter {
        /// Which leads to stop.
        rule: Rule,
        /// What the sender is told; at most 500 characters.
        reason: String,
    },
    /// Sets up to 50 fields from templates.
    Transform {
        /// In order.
        assignments: Vec<TemplateAssignment>,
    },
    /// Delivers to a connected account; PAID.
    Buyer(BuyerInput),
    /// Routes to partners; FREE accounts have one such step with one partner.
    Distribute {
        /// Through which profile.
        profile_id: ProfileId,
    },
}

/// A step to add.
#[derive(Clone, Debug)]
pub struct AddStep {
    /// Where.
    pub flow_id: FlowId,
    /// At most 120 characters.
    pub name: String,
    /// Which leads it concerns; PAID.
    pub criteria: Option<Rule>,
    /// From 0; beyond the ends means there. Last if absent.
    pub position: Option<i32>,
    /// Whether leads pass through it at once.
    pub enabled: bool,
    /// What it does.
    pub step: StepInput,
}

/// What to change of a step; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct UpdateStep {
    /// At most 120 characters.
    pub name: Option<String>,
    /// Null removes it; a rule is PAID.
    pub criteria: MaybeUndefined<Rule>,
    /// Of the kind that the step has.
    pub step: Option<StepInput>,
}

impl AddStep {
    /// The rules that it saves.
    pub fn rules(&self) -> Vec<&Rule> {
        self.criteria.iter().chain(self.step.rule()).collect()
    }
}

impl UpdateStep {
    /// The rules that it saves.
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

/// Adds a step to a flow.
pub async fn add(app: &App, caller: &Caller, input: AddStep) -> Result<Changed> {
    let weighed = weigh(app, caller, Of::Flow(input.flow_id), input.rules()).await?;
    let edit = Edit::of_flow(app, caller, input.flow_id, "input.flowId").await?;
    add_to(edit.knowing(weighed), input).await
}

/// Adds a step to the flow under change.
pub async fn add_to(mut edit: Edit<'_>, input: AddStep) -> Result<Changed> {
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
    let place = clamped(input.position, edit.after.steps.len());
    edit.after.steps.insert(place, step);
    breadth::check(&mut edit, PROFILE).await?;
    edit.save(change).await
}

/// Changes a step; it keeps its kind.
pub async fn update(app: &App, caller: &Caller, id: StepId, input: UpdateStep) -> Result<Changed> {
    let weighed = weigh(app, caller, Of::Step(id), input.rules()).await?;
    let (edit, place) = Edit::of_step(app, caller, id, "input.id").await?;
    update_in((edit.knowing(weighed), place), input).await
}

/// Changes the step at a place of the flow under change.
pub async fn update_in((mut edit, place): (Edit<'_>, usize), input: UpdateStep) -> Result<Changed> {
    let before = edit.after.steps.remove(place);
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
    let parts = words(&changed_parts(&before, &step));
    let change = change("step.updated", &step, format!("Changed {parts} of step {}", step.name));
    edit.after.steps.insert(place, step);
    breadth::check(&mut edit, PROFILE).await?;
    edit.save(change).await
}

/// Switches a step on or off; leads pass one that is off as if it were not there.
pub async fn set_enabled(app: &App, caller: &Caller, id: StepId, enabled: bool) -> Result<Changed> {
    let (mut edit, place) = Edit::of_step(app, caller, id, "id").await?;
    let mut step = edit.after.steps.remove(place);
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
    edit.after.steps.insert(place, step);
    edit.save(change).await
}

/// Removes a step.
pub async fn remove(app: &App, caller: &Caller, id: StepId) -> Result<Changed> {
    let (mut edit, place) = Edit::of_step(app, caller, id, "id").await?;
    let step = edit.after.steps.remove(place);
    let change = change("step.removed", &step, format!("Removed step {}", step.name));
    edit.save(change).await
}

/// Moves a step to a place counted from 0; beyond the ends means there.
pub async fn move_to(app: &App, caller: &Caller, id: StepId, position: i32) -> Result<Changed> {
    let (mut edit, place) = Edit::of_step(app, caller, id, "id").await?;
    let step = edit.after.steps.remove(place);
    let place = clamped(Some(position), edit.after.steps.len());
    let summary = format!("Moved step {} to place {}", step.name, place + 1);
    let change = change("step.moved", &step, summary);
    edit.after.steps.insert(place, step);
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

/// Puts what a step does into it, checked.
async fn set_up(edit: &mut Edit<'_>, step: &mut step::Model, input: StepInput) -> Result<()> {
    if let StepInput::Buyer(input) = input {
        return buyer::apply(edit, step, input).await;
    }
    let others = distribute_steps(edit, Some(step.id));
    step.config = checked(edit, input, others).await?;
    step.profile_id = profile_of(&step.config);
    Ok(())
}

/// The settings of another step than a BUYER one, checked. `others` counts the flow's other distribute steps.
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
            let profile = profile::Entity::in_account(edit.account.id).filter(profile::Column::Id.eq(profile_id));
            if profile.count(&edit.tx).await? == 0 {
                let text = "there is no such distribution profile in this account: check the ID";
                check.broken(UserErrorCode::NotFound, path, text);
            } else {
                check_free_destination(edit, profile_id, others, path).await?;
            }
            Ok(StepConfig::Distribute { profile_id })
        }
    }
}

/// FREE accounts have one destination: one distribute step, whose profile has one partner.
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

/// What of a step only PAID accounts have.
pub(super) fn paid_parts(step: &step::Model) -> Vec<&'static str> {
    let filter = matches!(step.config, StepConfig::Filter { .. }).then_some("filters");
    let buyer = matches!(step.config, StepConfig::Buyer { .. }).then_some("buyer steps");
    let criteria = step.criteria.as_ref().map(|_| "step criteria");
    filter.into_iter().chain(buyer).chain(criteria).collect()
}

/// The profile that a step distributes through.
pub(super) fn profile_of(config: &StepConfig) -> Option<ProfileId> {
    match config {
        StepConfig::Distribute { profile_id } => Some(*profile_id),
        StepConfig::Filter { .. } | StepConfig::Transform { .. } | StepConfig::Buyer { .. } => None,
    }
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

fn changed_parts(before: &step::Model, after: &step::Model) -> Vec<&'static str> {
    let parts = [
        ("the name", before.name != after.name),
        ("the criteria", before.criteria != after.criteria),
        (
            "the buyer",
            before.connection_id != after.connection_id || before.invitation_id != after.invitation_id,
        ),
        ("the settings", before.config != after.config),
    ];
    parts
        .into_iter()
        .filter(|(_, changed)| *changed)
        .map(|(part, _)| part)
        .collect()
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
