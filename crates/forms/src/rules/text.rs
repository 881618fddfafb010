//! Rules in plain English.

use entity::field::{FieldDef, FieldType};
use serde_json::Value;

use super::brief::{MAX_ENTRIES, brief, with_rest};
use super::family::Family;
use super::operator::Operator;
use super::{Condition, MAX_DEPTH, Rule};

/// The rule in plain English, with the labels of the fields: `State is one of TX, CA and Age is at least 18`.
///
/// Takes any rule, also one that does not pass [`check`](super::check): unknown parts are displayed as written. Long values and lists are
/// cut.
pub fn text(rule: &Rule, fields: &[FieldDef]) -> String {
    let mut out = String::new();
    write_rule(&mut out, rule, fields, 0);
    out
}

fn write_rule(out: &mut String, rule: &Rule, fields: &[FieldDef], depth: usize) {
    match rule {
        _ if depth > MAX_DEPTH => out.push('…'),
        Rule::All(items) if items.is_empty() => out.push_str("always"),
        Rule::Any(items) if items.is_empty() => out.push_str("never"),
        Rule::All(items) => write_group(out, items, " and ", fields, depth + 1),
        Rule::Any(items) => write_group(out, items, " or ", fields, depth + 1),
        Rule::Not(inner) => {
            out.push_str("not (");
            write_rule(out, inner, fields, depth + 1);
            out.push(')');
        }
        Rule::Condition(condition) => {
            let field = fields.iter().find(|field| field.name == condition.field);
            out.push_str(&phrase(condition, field, true));
        }
    }
}

fn write_group(out: &mut String, items: &[Rule], joint: &str, fields: &[FieldDef], depth: usize) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(if matches!(item, Rule::Not(_)) { "," } else { "" });
            out.push_str(joint);
        }
        let apart = items.len() > 1 && matches!(item, Rule::All(inner) | Rule::Any(inner) if inner.len() > 1);
        out.push_str(if apart { "(" } else { "" });
        write_rule(out, item, fields, depth);
        out.push_str(if apart { ")" } else { "" });
    }
}

/// What a condition says of the field, or the opposite of it.
pub(super) fn phrase(condition: &Condition, field: Option<&FieldDef>, holds: bool) -> String {
    let label = field.map_or(condition.field.as_str(), label);
    let dated = field.is_some_and(|field| matches!(Family::of(field.field_type), Family::Date | Family::Instant));
    let (plain, opposite) = verbs(condition.operator, dated);
    let verb = if holds == condition.operator.is_negated() {
        opposite
    } else {
        plain
    };
    if condition.operator.takes_value() {
        format!("{} {verb} {}", brief(label), operand(condition))
    } else {
        format!("{} {verb}", brief(label))
    }
}

/// Marks a fact about an encrypted field. Even whether the condition holds may be read only by those who may reveal the value.
pub const ENCRYPTED_CONDITION: &str = "its condition (encrypted)";

/// The fact for an encrypted field, without the condition's value, which might reveal the field's.
pub(super) fn discreet_phrase(field: &FieldDef, holds: bool) -> String {
    let verb = if holds { "meets" } else { "does not meet" };
    format!("{} {verb} {ENCRYPTED_CONDITION}", brief(label(field)))
}

fn label(field: &FieldDef) -> &str {
    Some(field.label.trim())
        .filter(|label| !label.is_empty())
        .unwrap_or(&field.name)
}

fn verbs(operator: Operator, dated: bool) -> (&'static str, &'static str) {
    match operator {
        Operator::Equals | Operator::NotEquals => ("is", "is not"),
        Operator::Contains | Operator::NotContains => ("contains", "does not contain"),
        Operator::StartsWith => ("starts with", "does not start with"),
        Operator::EndsWith => ("ends with", "does not end with"),
        Operator::In | Operator::NotIn => ("is one of", "is not one of"),
        Operator::Matches => ("matches the pattern", "does not match the pattern"),
        Operator::GreaterThan if !dated => ("is more than", "is not more than"),
        Operator::GreaterOrEqual if !dated => ("is at least", "is not at least"),
        Operator::LessThan if !dated => ("is less than", "is not less than"),
        Operator::LessOrEqual if !dated => ("is at most", "is not at most"),
        Operator::GreaterThan | Operator::After => ("is after", "is not after"),
        Operator::GreaterOrEqual => ("is on or after", "is not on or after"),
        Operator::LessThan | Operator::Before => ("is before", "is not before"),
        Operator::LessOrEqual => ("is on or before", "is not on or before"),
        Operator::Between => ("is between", "is not between"),
        Operator::IsEmpty | Operator::IsNotEmpty => ("is empty", "is not empty"),
        Operator::IsTrue => ("is true", "is not true"),
        Operator::IsFalse => ("is false", "is not false"),
        Operator::IsValid => ("is valid", "is not valid"),
        Operator::IsInvalid => ("is invalid", "is not invalid"),
    }
}

fn operand(condition: &Condition) -> String {
    match &condition.value {
        Some(Value::Array(values)) if condition.operator == Operator::Between => values
            .iter()
            .take(MAX_ENTRIES)
            .map(display)
            .collect::<Vec<_>>()
            .join(" and "),
        Some(Value::Array(values)) => {
            let entries: Vec<String> = values.iter().take(MAX_ENTRIES).map(display).collect();
            with_rest(entries.join(", "), values.len())
        }
        Some(value) => display(value),
        None => "(no value)".to_owned(),
    }
}

/// A value as read in a sentence: in quotation marks unless it is one plain word.
fn display(value: &Value) -> String {
    let is_word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "-_.@+:/%".contains(c));
    match value {
        Value::String(text) if is_word(text) => brief(text).into_owned(),
        Value::String(text) => Value::from(brief(text)).to_string(),
        _ => brief(&value.to_string()).into_owned(),
    }
}

/// The type as the API names it.
pub(super) fn type_name(field_type: FieldType) -> String {
    match serde_json::to_value(field_type) {
        Ok(Value::String(name)) => name,
        _ => format!("{field_type:?}"),
    }
}
