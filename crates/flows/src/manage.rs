//! Creating, changing, enabling and deleting flows.

use async_graphql::{InputObject, MaybeUndefined};
use entity::connection_side;
use entity::field::{FieldDef, FieldType};
use entity::flow::{self, FieldDefs, Names};
use entity::ids::FlowId;
use entity::source::SourceKind;

use super::caps::CapInput;
use super::contents::changed_parts;
use super::edit::{Change, Edit, SavedFlow};
use super::pattern_sizes::{FlowRef, measure_patterns};
use super::price::PriceInput;
use super::{sources, usage};
use leadmesh_core::app::App;
use leadmesh_core::error::{Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_forms::rules::Rule;

/// A field of a flow.
#[derive(Clone, Debug, PartialEq, Eq, InputObject)]
#[graphql(name = "FlowFieldInput")]
pub struct FieldInput {
    /// Lower-case letters, digits and underscores. Unique in the flow.
    pub name: String,
    /// Label for people. Defaults to one made from the name.
    pub label: Option<String>,
    /// Type of the field.
    #[graphql(name = "type")]
    pub field_type: FieldType,
    /// Whether a lead without a valid value is rejected.
    #[graphql(default_with = "Some(false)")]
    pub required: Option<bool>,
    /// Whether values are encrypted at rest and shown only to callers who may reveal them.
    #[graphql(default_with = "Some(false)")]
    pub encrypted: Option<bool>,
    /// Accepted values of a CHOICE field.
    pub choices: Option<Vec<String>>,
    /// A valid value, for the submission docs.
    pub example: Option<String>,
    /// What senders should know about the field.
    pub description: Option<String>,
}

/// A flow to create.
#[derive(Clone, Debug, InputObject)]
#[graphql(name = "CreateFlowInput")]
pub struct CreateFlow {
    /// Display name, at most 120 characters.
    pub name: String,
    /// Purpose of the flow, at most 2,000 characters.
    pub description: Option<String>,
    /// Fields of the flow, in order.
    pub fields: Vec<FieldInput>,
    /// Which leads the flow accepts. Null means all. Requires the PAID plan.
    pub acceptance_rule: Option<Rule>,
    /// Up to 10 fields whose equal values make two leads duplicates. Requires `duplicateWindowDays`.
    pub duplicate_keys: Option<Vec<String>>,
    /// Days for which a duplicate is recognised, 1 to 3,650. Requires `duplicateKeys`.
    pub duplicate_window_days: Option<i32>,
    /// Caps on accepted leads, at most one per period. Requires the PAID plan.
    pub caps: Option<Vec<CapInput>>,
    /// Price paid to the sender for an accepted lead.
    pub price: Option<PriceInput>,
    /// Whether the flow accepts leads immediately.
    #[graphql(default_with = "Some(true)")]
    pub enabled: Option<bool>,
}

/// Changes to a flow; omitted fields stay unchanged.
#[derive(Clone, Debug, Default, InputObject)]
pub struct UpdateFlow {
    /// Expected version of the flow. If it has changed since, nothing is changed and the answer is `STALE_VERSION`.
    pub version: Option<i32>,
    /// Display name, at most 120 characters.
    pub name: Option<String>,
    /// Purpose of the flow, at most 2,000 characters. Null removes it.
    pub description: MaybeUndefined<String>,
    /// All fields, in order. A field that a rule, step or source of the flow names cannot be removed.
    pub fields: Option<Vec<FieldInput>>,
    /// Which leads the flow accepts. Null means all. Requires the PAID plan.
    pub acceptance_rule: MaybeUndefined<Rule>,
    /// Up to 10 fields whose equal values make two leads duplicates. Null or an empty list ends the duplicate check.
    pub duplicate_keys: MaybeUndefined<Vec<String>>,
    /// Days for which a duplicate is recognised, 1 to 3,650. Null ends the duplicate check.
    pub duplicate_window_days: MaybeUndefined<i32>,
    /// All caps, at most one per period. Null removes them. A cap whose period and time zone stay keeps its count.
    /// Requires the PAID plan.
    pub caps: MaybeUndefined<Vec<CapInput>>,
    /// Price paid to the sender for an accepted lead. Null removes it.
    pub price: MaybeUndefined<PriceInput>,
}

/// Creates a flow with one source of the account's own, named Default.
pub async fn create(app: &App, caller: &Caller, input: CreateFlow) -> Result<SavedFlow> {
    let rules = input.acceptance_rule.iter().collect();
    let sizes = measure_patterns(app, caller, FlowRef::New, rules).await?;
    let mut edit = Edit::of_new_flow(app, caller).await?.with_pattern_sizes(sizes);
    edit.after.flow.enabled = input.enabled.unwrap_or(true);
    let given = UpdateFlow {
        version: None,
        name: Some(input.name),
        description: Some(input.description).into(),
        fields: Some(input.fields),
        acceptance_rule: Some(input.acceptance_rule).into(),
        duplicate_keys: MaybeUndefined::Value(input.duplicate_keys.unwrap_or_default()),
        duplicate_window_days: Some(input.duplicate_window_days).into(),
        caps: MaybeUndefined::Value(input.caps.unwrap_or_default()),
        price: Some(input.price).into(),
    };
    apply(&mut edit, given);
    let flow = &edit.after.flow;
    let source = sources::blank(app, flow, SourceKind::Own, "Default".into());
    let change = Change::of_flow("flow.created", flow, format!("Created {}", flow.name));
    edit.after.sources.push(source);
    edit.save(change).await
}

/// Changes a flow. A field that something of the flow still names cannot go (`IN_USE`); what names it recipients of the flow is
/// told in the warnings.
pub async fn update(app: &App, caller: &Caller, id: FlowId, input: UpdateFlow) -> Result<SavedFlow> {
    let rules = input.acceptance_rule.value().into_iter().collect();
    let sizes = measure_patterns(app, caller, FlowRef::Flow(id), rules).await?;
    let mut edit = Edit::of_flow(app, caller, id, "input.id")
        .await?
        .with_pattern_sizes(sizes);
    let before = edit.after.clone();
    if input.version.is_some_and(|seen| seen != before.flow.version) {
        let text = format!(
            "the flow was changed since: it is at version {}; read it again and repeat the change",
            before.flow.version
        );
        edit.check.broken(UserErrorCode::StaleVersion, "input.version", text);
        edit.check.finish()?;
    }
    let refields = input.fields.is_some();
    apply(&mut edit, input);
    if refields {
        for problem in usage::revalidate(&mut edit.after) {
            edit.check.broken(UserErrorCode::InUse, "input.fields", problem);
        }
        edit.check.finish()?;
    }
    let summary = format!("Changed {}", changes(&before.flow, &edit.after.flow));
    let change = Change::of_flow("flow.updated", &edit.after.flow, summary);
    let after = edit.after.clone();
    let mut changed = edit.save(change).await?;
    if refields {
        changed.warnings = usage::warnings(app, before, after).await;
    }
    Ok(changed)
}

/// Enables or disables a flow. A disabled flow rejects every lead.
pub async fn set_enabled(app: &App, caller: &Caller, id: FlowId, enabled: bool) -> Result<SavedFlow> {
    let mut edit = Edit::of_flow(app, caller, id, "id").await?;
    edit.after.flow.enabled = enabled;
    if edit.after.flow.is_inbox && !enabled {
        edit.check.paid("enabled", "refusing what other accounts deliver");
    }
    let (action, verb) = if enabled {
        ("flow.enabled", "Enabled")
    } else {
        ("flow.disabled", "Disabled")
    };
    let change = Change::of_flow(action, &edit.after.flow, format!("{verb} the flow"));
    edit.save(change).await
}

/// Deletes a flow with its sources and steps. Its leads and its history stay. The Inbox cannot be deleted, nor a flow that receives over
/// a connection (`IN_USE`).
pub async fn delete(app: &App, caller: &Caller, id: FlowId) -> Result<()> {
    let mut edit = Edit::of_flow(app, caller, id, "id").await?;
    if edit.after.flow.is_inbox {
        let text = "every account keeps its Inbox: disable it instead";
        edit.check.broken(UserErrorCode::Conflict, "id", text);
    }
    let receiving = connection_side::Entity::receiving_into(edit.account(), id);
    if receiving.one(&edit.tx).await?.is_some() {
        let text = "partners deliver into this flow: choose another one for them with setReceivingFlow first";
        edit.check.broken(UserErrorCode::InUse, "id", text);
    }
    let change = Change::of_flow("flow.deleted", &edit.after.flow, "Deleted the flow".into());
    edit.after.flow.deleted_at = Some(app.clock.now());
    edit.after.sources.clear();
    edit.after.steps.clear();
    edit.save(change).await?;
    Ok(())
}

fn apply(edit: &mut Edit<'_>, input: UpdateFlow) {
    let (flow, check) = (&mut edit.after.flow, &mut edit.check);
    if let Some(name) = input.name {
        flow.name = check.name(&name, "input.name");
    }
    match input.description {
        MaybeUndefined::Undefined => {}
        MaybeUndefined::Null => flow.description = None,
        MaybeUndefined::Value(text) => flow.description = check.description(&text, "input.description"),
    }
    if let Some(fields) = input.fields {
        flow.fields = FieldDefs(fields.into_iter().map(definition).collect());
        check.fields(&flow.fields.0, "input.fields");
    }
    match input.acceptance_rule {
        MaybeUndefined::Undefined => {}
        MaybeUndefined::Null => flow.acceptance_rule = None,
        MaybeUndefined::Value(rule) => {
            flow.acceptance_rule = check.rule(&rule, &flow.fields.0, "input.acceptanceRule", "acceptance rules");
        }
    }
    match input.caps {
        MaybeUndefined::Undefined => {}
        MaybeUndefined::Null => flow.caps.0.clear(),
        MaybeUndefined::Value(caps) => flow.caps = check.caps(&caps, &flow.caps, "input.caps"),
    }
    if !input.price.is_undefined() {
        (flow.price_e4, flow.price_currency) = check.price(input.price.value(), "input.price");
    }
    apply_duplicates(edit, input.duplicate_keys, input.duplicate_window_days);
}

fn apply_duplicates(edit: &mut Edit<'_>, keys: MaybeUndefined<Vec<String>>, days: MaybeUndefined<i32>) {
    let (flow, check) = (&mut edit.after.flow, &mut edit.check);
    let keys = match keys {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(Vec::new()),
        MaybeUndefined::Value(keys) => Some(keys),
    };
    let off = days.is_null() || keys.as_ref().is_some_and(Vec::is_empty);
    if let Some(keys) = &keys {
        check.duplicate_keys(keys, &flow.fields.0, "input.duplicateKeys");
    }
    if let MaybeUndefined::Value(days) = days {
        check.duplicate_window(days, "input.duplicateWindowDays");
    }
    let (kept_keys, kept_days) = if off {
        (Vec::new(), None)
    } else {
        (std::mem::take(&mut flow.duplicate_keys.0), flow.duplicate_window_days)
    };
    flow.duplicate_keys = Names(keys.unwrap_or(kept_keys));
    flow.duplicate_window_days = days.take().or(kept_days);
    match (flow.duplicate_keys.0.is_empty(), flow.duplicate_window_days) {
        (false, None) => {
            let text = "say for how many days leads with the same values are duplicates";
            check.broken(UserErrorCode::Required, "input.duplicateWindowDays", text);
        }
        (true, Some(_)) => {
            let text = "name the fields that make two leads the same";
            check.broken(UserErrorCode::Required, "input.duplicateKeys", text);
        }
        _ => {}
    }
}

fn definition(input: FieldInput) -> FieldDef {
    let label = input.label.map(|label| label.trim().to_owned());
    FieldDef {
        label: label
            .filter(|label| !label.is_empty())
            .unwrap_or_else(|| label_of(&input.name)),
        name: input.name,
        field_type: input.field_type,
        required: input.required.unwrap_or_default(),
        encrypted: input.encrypted.unwrap_or_default(),
        choices: input.choices.filter(|choices| !choices.is_empty()),
        example: input.example,
        description: input.description,
    }
}

/// A label made from a name: `first_name` becomes `First name`.
fn label_of(name: &str) -> String {
    let spaced = name.replace('_', " ");
    let mut letters = spaced.trim().chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn changes(before: &flow::Model, after: &flow::Model) -> String {
    let price = |flow: &flow::Model| (flow.price_e4, flow.price_currency.clone());
    let duplicates = |flow: &flow::Model| (flow.duplicate_keys.clone(), flow.duplicate_window_days);
    changed_parts(&[
        ("the name", before.name != after.name),
        ("the description", before.description != after.description),
        ("the fields", before.fields != after.fields),
        ("the acceptance rule", before.acceptance_rule != after.acceptance_rule),
        ("the duplicate check", duplicates(before) != duplicates(after)),
        ("the caps", before.caps != after.caps),
        ("the price", price(before) != price(after)),
    ])
}
