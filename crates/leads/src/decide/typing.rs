//! Taking a sender's values into a draft: mapped, typed, normalised; what is not known is dropped with a warning.

use std::collections::HashSet;

use entity::delivery_config::FieldMapping;
use entity::field::{FieldDef, FieldType};
use serde_json::{Map, Value};

use super::Draft;
use crate::outcome::{Reason, ReasonCode, tell};
use crate::snapshot::{Snapshot, Source};
use leadmesh_forms::fields::{Typed, TypingContext, type_value};

/// Warnings about unknown fields that are spelled out; the others are counted.
const UNKNOWN_TOLD: usize = 20;
/// Bytes of JSON up to which a value that is not of its type is kept as sent.
const KEPT_BYTES: usize = 40_000;

/// Takes the values that the flow knows.
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

/// An encrypted country is not named by what is told of other fields, which is kept with the lead for all who may read it.
fn hide(country: &str, draft: &mut Draft) {
    for told in draft.reasons.iter_mut().chain(&mut draft.warnings) {
        if told.code == ReasonCode::InvalidValue && told.message.contains(country) {
            "This does not fit the lead's country.".clone_into(&mut told.message);
        }
    }
}

/// Fields whose value is not of their type, of values as they are stored: for leads of which that was not noted.
pub fn invalid(definitions: &[FieldDef], fields: &Map<String, Value>) -> HashSet<String> {
    let country = definitions
        .iter()
        .filter(|field| field.field_type == FieldType::Country)
        .find_map(|field| fields.get(&field.name)?.as_str());
    let context = TypingContext { country };
    let wrong = |field: &&FieldDef| {
        let value = fields.get(&field.name);
        value.is_some_and(|value| matches!(type_value(field, value, &context), Typed::Invalid(_)))
    };
    let wrong = definitions.iter().filter(wrong);
    wrong.map(|field| field.name.clone()).collect()
}

/// The flow's name for what a sender calls so.
pub fn own_name<'a>(mapping: &'a [FieldMapping], sent_as: &'a str) -> &'a str {
    mapping
        .iter()
        .find(|mapping| mapping.from == sent_as)
        .map_or(sent_as, |mapping| mapping.to.as_str())
}

/// The name by which a sender knows a field.
pub(crate) fn sent_name<'a>(source: &'a Source, name: &'a str) -> &'a str {
    source
        .mapping
        .iter()
        .find(|mapping| mapping.to == name)
        .map_or(name, |mapping| mapping.from.as_str())
}

fn warn_of_unknown(unknown: &[&str], draft: &mut Draft) {
    for name in unknown.iter().take(UNKNOWN_TOLD) {
        let name: String = name
            .chars()
            .filter(|character| !character.is_control())
            .take(100)
            .collect();
        tell(
            &mut draft.warnings,
            Reason::about(
                ReasonCode::InvalidValue,
                &name,
                "the flow does not know this field: it was dropped",
            ),
        );
    }
    let untold = unknown.len().saturating_sub(UNKNOWN_TOLD);
    if untold > 0 {
        tell(
            &mut draft.warnings,
            Reason::new(
                ReasonCode::InvalidValue,
                format!("{untold} more fields that the flow does not know were dropped"),
            ),
        );
    }
}

fn take(field: &FieldDef, sent_as: &str, value: &Value, context: &TypingContext<'_>, draft: &mut Draft) {
    match type_value(field, value, context) {
        Typed::Empty => {}
        Typed::Valid(typed) => {
            if typed != *value && can_be_kept(value) {
                draft.raw.insert(field.name.clone(), value.clone());
            }
            if is_damaged(&typed) {
                let told = "parts of characters were lost before it came here (U+FFFD stands for them); it was kept so";
                let told = Reason::about(ReasonCode::InvalidValue, sent_as, told);
                tell(&mut draft.warnings, told);
            }
            draft.fields.insert(field.name.clone(), typed);
        }
        Typed::Invalid(what) => take_invalid(field, sent_as, value, &what, draft),
    }
}

fn take_invalid(field: &FieldDef, sent_as: &str, value: &Value, what: &str, draft: &mut Draft) {
    draft.invalid.insert(field.name.clone());
    let keep = can_be_kept(value);
    if keep {
        draft.fields.insert(field.name.clone(), value.clone());
    }
    if field.required {
        tell(
            &mut draft.reasons,
            Reason::about(ReasonCode::InvalidValue, sent_as, what),
        );
    } else {
        let kept = if keep { "kept as sent" } else { "not kept" };
        // Some of these are sentences.
        let told = match what.strip_suffix('.') {
            Some(sentence) => format!("{sentence}. It was {kept}."),
            None => format!("{what}; it was {kept}"),
        };
        tell(
            &mut draft.warnings,
            Reason::about(ReasonCode::InvalidValue, sent_as, told),
        );
    }
}

/// Whether a text inside has the character that stands for one that could not be read.
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

/// `PostgreSQL` stores no NUL, and nobody needs a megabyte of what is not even of its type.
fn can_be_kept(value: &Value) -> bool {
    let text = value.to_string();
    text.len() <= KEPT_BYTES && !text.contains("\\u0000")
}

/// Refuses a lead that lacks a required field.
pub(super) fn require(flow: &Snapshot, source: &Source, draft: &mut Draft) {
    for field in flow.fields.iter().filter(|field| field.required) {
        if !draft.fields.contains_key(&field.name) && !draft.invalid.contains(&field.name) {
            let sent_as = sent_name(source, &field.name);
            let text = format!("{} is required", field.label);
            tell(&mut draft.reasons, Reason::about(ReasonCode::Required, sent_as, text));
        }
    }
    let passed = draft.reasons.is_empty();
    let detail = if passed {
        "every required field has a valid value"
    } else {
        "required fields are missing or invalid"
    };
    draft.trace.look(&flow.subject, "required fields", passed, detail);
}

/// Sets a field as a TRANSFORM step does; an empty text empties it.
pub(super) fn set(draft: &mut Draft, field: &FieldDef, value: &Value) -> Result<(), String> {
    match type_value(field, value, &TypingContext::default()) {
        Typed::Empty => {
            draft.fields.remove(&field.name);
        }
        Typed::Valid(typed) => {
            draft.fields.insert(field.name.clone(), typed);
        }
        Typed::Invalid(what) => return Err(what),
    }
    draft.invalid.remove(&field.name);
    Ok(())
}
