//! Takes a sender's values into a draft: mapped, typed, normalised. Unknown fields are dropped with a warning.

use std::collections::HashSet;

use entity::delivery_config::FieldMapping;
use entity::field::{FieldDef, FieldType};
use serde_json::{Map, Value};

use crate::draft::Draft;
use crate::outcome::{Reason, ReasonCode, add_reason};
use crate::snapshot::{Snapshot, Source};
use leadmesh_forms::fields::{TypedValue, TypingContext, type_value};

/// Unknown fields that get a warning each. The others are counted.
const MAX_WARNINGS: usize = 20;
/// Longest value that is kept as sent, in bytes of JSON.
const MAX_RAW_BYTES: usize = 40_000;

pub(super) fn take_values(flow: &Snapshot, source: &Source, submitted: &Map<String, Value>, draft: &mut Draft) {
    let mut known: Vec<(&FieldDef, &str, &Value)> = Vec::with_capacity(submitted.len());
    let mut unknown = Vec::new();
    for (sent_as, value) in submitted {
        match flow.field(own_name(&source.mapping, sent_as)) {
            Some(field) => known.push((field, sent_as, value)),
            None => unknown.push(sent_as.as_str()),
        }
    }
    warn_of_unknown(&unknown, draft);
    let country = known
        .iter()
        .find(|(field, ..)| field.field_type == FieldType::Country)
        .and_then(|(.., value)| value.as_str().map(str::to_owned));
    let context = TypingContext {
        country: country.as_deref(),
    };
    let hidden = known
        .iter()
        .any(|(field, ..)| field.field_type == FieldType::Country && field.encrypted);
    for (field, sent_as, value) in known {
        take(field, sent_as, value, &context, draft);
    }
    if hidden && !context.alpha2().is_empty() {
        hide(context.alpha2(), draft);
    }
}

/// Removes an encrypted country from messages about other fields, which everybody who reads the lead may see.
fn hide(country: &str, draft: &mut Draft) {
    for reason in draft.reasons.iter_mut().chain(&mut draft.warnings) {
        if reason.code == ReasonCode::InvalidValue && reason.message.contains(country) {
            "This does not fit the lead's country.".clone_into(&mut reason.message);
        }
    }
}

/// Stored fields whose value is not of its type, for leads that were stored without that list.
pub fn invalid(definitions: &[FieldDef], fields: &Map<String, Value>) -> HashSet<String> {
    let country = definitions
        .iter()
        .filter(|field| field.field_type == FieldType::Country)
        .find_map(|field| fields.get(&field.name)?.as_str());
    let context = TypingContext { country };
    let wrong = |field: &&FieldDef| {
        let value = fields.get(&field.name);
        value.is_some_and(|value| matches!(type_value(field, value, &context), TypedValue::Invalid(_)))
    };
    let wrong = definitions.iter().filter(wrong);
    wrong.map(|field| field.name.clone()).collect()
}

/// The flow's name for a sender's field.
pub fn own_name<'a>(mapping: &'a [FieldMapping], sent_as: &'a str) -> &'a str {
    mapping
        .iter()
        .find(|mapping| mapping.from == sent_as)
        .map_or(sent_as, |mapping| mapping.to.as_str())
}

/// The sender's name for a field of the flow.
pub(crate) fn sent_name<'a>(source: &'a Source, name: &'a str) -> &'a str {
    source
        .mapping
        .iter()
        .find(|mapping| mapping.to == name)
        .map_or(name, |mapping| mapping.from.as_str())
}

fn warn_of_unknown(unknown: &[&str], draft: &mut Draft) {
    for name in unknown.iter().take(MAX_WARNINGS) {
        let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
        let message = "the flow does not know this field: it was dropped";
        let warning = Reason::about(ReasonCode::InvalidValue, &name, message);
        add_reason(&mut draft.warnings, warning);
    }
    let more = unknown.len().saturating_sub(MAX_WARNINGS);
    if more > 0 {
        let message = format!("{more} more fields that the flow does not know were dropped");
        add_reason(&mut draft.warnings, Reason::new(ReasonCode::InvalidValue, message));
    }
}

fn take(field: &FieldDef, sent_as: &str, value: &Value, context: &TypingContext<'_>, draft: &mut Draft) {
    match type_value(field, value, context) {
        TypedValue::Empty => {}
        TypedValue::Valid(typed) => {
            if typed != *value && can_be_kept(value) {
                draft.raw.insert(field.name.clone(), value.clone());
            }
            if is_damaged(&typed) {
                let message =
                    "parts of characters were lost before it came here (U+FFFD stands for them); it was kept so";
                let warning = Reason::about(ReasonCode::InvalidValue, sent_as, message);
                add_reason(&mut draft.warnings, warning);
            }
            draft.fields.insert(field.name.clone(), typed);
        }
        TypedValue::Invalid(what) => take_invalid(field, sent_as, value, &what, draft),
    }
}

fn take_invalid(field: &FieldDef, sent_as: &str, value: &Value, what: &str, draft: &mut Draft) {
    draft.invalid.insert(field.name.clone());
    let keep = can_be_kept(value);
    if keep {
        draft.fields.insert(field.name.clone(), value.clone());
    }
    if field.required {
        let reason = Reason::about(ReasonCode::InvalidValue, sent_as, what);
        add_reason(&mut draft.reasons, reason);
    } else {
        let kept = if keep { "kept as sent" } else { "not kept" };
        // Some messages are whole sentences.
        let message = match what.strip_suffix('.') {
            Some(sentence) => format!("{sentence}. It was {kept}."),
            None => format!("{what}; it was {kept}"),
        };
        let warning = Reason::about(ReasonCode::InvalidValue, sent_as, message);
        add_reason(&mut draft.warnings, warning);
    }
}

/// Whether a text in the value has U+FFFD, which stands for bytes that were no character.
fn is_damaged(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(char::REPLACEMENT_CHARACTER),
        Value::Array(items) => items.iter().any(is_damaged),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| name.contains(char::REPLACEMENT_CHARACTER) || is_damaged(value)),
        _ => false,
    }
}

/// `PostgreSQL` cannot store NUL, and a megabyte of an invalid value helps nobody.
fn can_be_kept(value: &Value) -> bool {
    let text = value.to_string();
    text.len() <= MAX_RAW_BYTES && !text.contains("\\u0000")
}

/// Rejects a lead that lacks a required field.
pub(super) fn require(flow: &Snapshot, source: &Source, draft: &mut Draft) {
    for field in flow.fields.iter().filter(|field| field.required) {
        if !draft.fields.contains_key(&field.name) && !draft.invalid.contains(&field.name) {
            let sent_as = sent_name(source, &field.name);
            let text = format!("{} is required", field.label);
            add_reason(&mut draft.reasons, Reason::about(ReasonCode::Required, sent_as, text));
        }
    }
    let passed = draft.reasons.is_empty();
    let detail = if passed {
        "every required field has a valid value"
    } else {
        "required fields are missing or invalid"
    };
    draft.trace.check(&flow.subject, "required fields", passed, detail);
}

/// Sets a field as a TRANSFORM step does. An empty text empties it.
pub(super) fn set(draft: &mut Draft, field: &FieldDef, value: &Value) -> Result<(), String> {
    match type_value(field, value, &TypingContext::default()) {
        TypedValue::Empty => {
            draft.fields.remove(&field.name);
        }
        TypedValue::Valid(typed) => {
            draft.fields.insert(field.name.clone(), typed);
        }
        TypedValue::Invalid(what) => return Err(what),
    }
    draft.invalid.remove(&field.name);
    Ok(())
}
