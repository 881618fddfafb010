//! Making, changing, switching and deleting flows.

use async_graphql::MaybeUndefined;
use entity::connection_side;
use entity::field::{FieldDef, FieldType};
use entity::flow::{self, FieldDefs, Names};
use entity::ids::FlowId;
use entity::source::SourceKind;

use super::caps::CapInput;
use super::checks::PriceInput;
use super::contents::words;
use super::edit::{Change, Changed, Edit};
use super::weighing::{Of, weigh};
use super::{sources, usage};
use leadmesh_core::app::App;
use leadmesh_core::error::{Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_forms::rules::Rule;

/// A field of a flow, as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldInput {
    /// Lower-case letters, digits and underscores; unique in the flow.
    pub name: String,
    /// As people read it; made from the name if absent.
    pub label: Option<String>,
    /// What it holds.
    pub field_type: FieldType,
    /// Whether a lead without a valid value is rejected.
    pub required: bool,
    /// Whether it is encrypted at rest.
    pub encrypted: bool,
    /// The values of a CHOICE field.
    pub choices: Option<Vec<String>>,
    /// A valid value for the docs.
    pub example: Option<String>,
    /// What senders should know.
    pub description: Option<String>,
}

/// A flow to make.
#[derive(Clone, Debug)]
pub struct CreateFlow {
    /// At most 120 characters.
    pub name: String,
    /// At most 2,000 characters.
    pub description: Option<String>,
    /// What it knows about a lead.
    pub fields: Vec<FieldInput>,
    /// Which leads it takes; PAID.
    pub acceptance_rule: Option<Rule>,
    /// Up to 10 fields that make two leads the same; with `duplicate_window_days`.
    pub duplicate_keys: Vec<String>,
    /// For how long, 1 to 3,650 days.
    pub duplicate_window_days: Option<i32>,
    /// Limits of accepted leads; PAID.
    pub caps: Vec<CapInput>,
    /// What is paid to sources.
    pub price: Option<PriceInput>,
    /// Whether it takes leads at once.
    pub enabled: bool,
}

/// What to change of a flow; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct UpdateFlow {
    /// The version that the caller has seen; a change since then answers `STALE_VERSION`.
    pub version: Option<i32>,
    /// At most 120 characters.
    pub name: Option<String>,
    /// At most 2,000 characters; null removes it.
    pub description: MaybeUndefined<String>,
    /// All fields anew.
    pub fields: Option<Vec<FieldInput>>,
    /// Null removes it; a rule is PAID.
    pub acceptance_rule: MaybeUndefined<Rule>,
    /// Null or none removes them, and the window with them unless one is given.
    pub duplicate_keys: MaybeUndefined<Vec<String>>,
    /// Null removes it, and the keys with it unless some are given.
    pub duplicate_window_days: MaybeUndefined<i32>,
    /// All caps anew; null removes them. Caps are PAID.
    pub caps: MaybeUndefined<Vec<CapInput>>,
    /// Null removes it.
    pub price: MaybeUndefined<PriceInput>,
}

/// Makes a flow with one source of the account's own, named Default.
pub async fn create(app: &App, caller: &Caller, input: CreateFlow) -> Result<Changed> {
    let rules = input.acceptance_rule.iter().collect();
    let weighed = weigh(app, caller, Of::New, rules).await?;
    let mut edit = Edit::of_new_flow(app, caller).await?.knowing(weighed);
    edit.after.flow.enabled = input.enabled;
    let given = UpdateFlow {
        version: None,
        name: Some(input.name),
        description: Some(input.description).into(),
        fields: Some(input.fields),
        acceptance_rule: Some(input.acceptance_rule).into(),
        duplicate_keys: MaybeUndefined::Value(input.duplicate_keys),
        duplicate_window_days: Some(input.duplicate_window_days).into(),
        caps: MaybeUndefined::Value(input.caps),
        price: Some(input.price).into(),
    };
    apply(&mut edit, given);
    let flow = &edit.after.flow;
    let source = sources::blank(app, flow, SourceKind::Own, "Default".into());
    let change = Change::of_flow("flow.created", flow, format!("Created {}", flow.name));
    edit.after.sources.push(source);
    edit.save(change).await
}

/// Changes a flow. A field that something of the flow still names cannot go (`IN_USE`); what names it outside of the flow is
/// told in the warnings.
pub async fn update(app: &App, caller: &Caller, id: FlowId, input: UpdateFlow) -> Result<Changed> {
    let rules = input.acceptance_rule.value().into_iter().collect();
    let weighed = weigh(app, caller, Of::Flow(id), rules).await?;
    let mut edit = Edit::of_flow(app, caller, id, "input.id").await?.knowing(weighed);
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
        for complaint in usage::settle(&mut edit.after) {
            edit.check.broken(UserErrorCode::InUse, "input.fields", complaint);
        }
        edit.check.finish()?;
    }
    let summary = format!("Changed {}", words(&changed_parts(&before.flow, &edit.after.flow)));
    let change = Change::of_flow("flow.updated", &edit.after.flow, summary);
    let after = edit.after.clone();
    let mut changed = edit.save(change).await?;
    if refields {
        changed.warnings = usage::warnings(app, before, after).await;
    }
    Ok(changed)
}

/// Switches a flow on or off. A flow that is off rejects every lead.
pub async fn set_enabled(app: &App, caller: &Caller, id: FlowId, enabled: bool) -> Result<Changed> {
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

/// Deletes a flow with its sources and steps. Its leads stay, and so does its history. The Inbox cannot be deleted, nor a flow that
/// was chosen to receive over a connection (`IN_USE`).
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
            .unwrap_or_else(|| spoken(&input.name)),
        name: input.name,
        field_type: input.field_type,
        required: input.required,
        encrypted: input.encrypted,
        choices: input.choices.filter(|choices| !choices.is_empty()),
        example: input.example,
        description: input.description,
    }
}

/// `first_name` as people would write it: `First name`.
fn spoken(name: &str) -> String {
    let spaced = name.replace('_', " ");
    let mut letters = spaced.trim().chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn changed_parts(before: &flow::Model, after: &flow::Model) -> Vec<&'static str> {
    let price = |flow: &flow::Model| (flow.price_e4, flow.price_currency.clone());
    let duplicates = |flow: &flow::Model| (flow.duplicate_keys.clone(), flow.duplicate_window_days);
    let parts = [
        ("the name", before.name != after.name),
        ("the description", before.description != after.description),
        ("the fields", before.fields != after.fields),
        ("the acceptance rule", before.acceptance_rule != after.acceptance_rule),
        ("the duplicate check", duplicates(before) != duplicates(after)),
        ("the caps", before.caps != after.caps),
        ("the price", price(before) != price(after)),
    ];
    parts
        .into_iter()
        .filter(|(_, changed)| *changed)
        .map(|(part, _)| part)
        .collect()
}
