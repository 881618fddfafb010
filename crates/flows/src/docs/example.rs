//! Example values: the owner's, or generated ones of the field's type that, if possible, pass the acceptance rule.

use std::collections::HashMap;

use entity::field::{FieldDef, FieldType};
use serde_json::{Value, json};

use leadmesh_forms::fields::{TypedValue, TypingContext, type_value};
use leadmesh_forms::rules::{self, Condition, EvalBudget, FieldValue, Operator, Rule};

/// Examples of text fields by part of their names, most specific first.
const TEXTS: [(&str, &str); 10] = [
    ("first", "Ana"),
    ("last", "Silva"),
    ("surname", "Silva"),
    ("company", "Acme Ltd"),
    ("name", "Ana Silva"),
    ("city", "Austin"),
    ("street", "12 Main Street"),
    ("address", "12 Main Street"),
    ("message", "Please call me back."),
    ("comment", "Please call me back."),
];

/// A lead by the flow's field names. If the rule would refuse it, fields of the rule are changed to pass, if possible.
pub(super) fn lead(fields: &[FieldDef], rule: Option<&Rule>) -> HashMap<String, Value> {
    let plain: HashMap<String, Value> = fields.iter().map(|field| (field.name.clone(), value(field))).collect();
    let Some(rule) = rule.filter(|rule| !accepts(rule, fields, &plain)) else {
        return plain;
    };
    let mut fitted = plain.clone();
    fit(rule, fields, &mut fitted);
    if accepts(rule, fields, &fitted) { fitted } else { plain }
}

/// The example as text, for the docs' table.
pub(super) fn text(field: &FieldDef) -> String {
    match value(field) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// The owner's example unless the field is encrypted, with the type that fits the field.
fn value(field: &FieldDef) -> Value {
    let given = field.example.as_deref().filter(|_| !field.encrypted);
    let Some(given) = given.filter(|text| !text.trim().is_empty()) else {
        return made_up(field);
    };
    let typed = match field.field_type {
        FieldType::Number | FieldType::Integer | FieldType::Boolean | FieldType::Json => {
            serde_json::from_str(given).ok()
        }
        _ => None,
    };
    typed.unwrap_or_else(|| given.into())
}

fn made_up(field: &FieldDef) -> Value {
    match field.field_type {
        FieldType::Text => made_up_text(&field.name).into(),
        FieldType::Email => "ana@example.com".into(),
        FieldType::Phone => "+14155550123".into(),
        FieldType::Url => "https://www.example.com".into(),
        FieldType::Number => json!(1250.5),
        FieldType::Integer => json!(3),
        FieldType::Boolean => json!(true),
        FieldType::Date => "1990-05-17".into(),
        FieldType::Datetime => "2026-01-15T09:30:00Z".into(),
        FieldType::PostalCode => "78701".into(),
        FieldType::State => "TX".into(),
        FieldType::Country => "US".into(),
        FieldType::Choice => field
            .choices
            .iter()
            .flatten()
            .next()
            .cloned()
            .unwrap_or_default()
            .into(),
        FieldType::IpAddress => "203.0.113.7".into(),
        FieldType::Json => json!({"key": "value"}),
    }
}

fn made_up_text(name: &str) -> &'static str {
    let fitting = TEXTS.iter().find(|(part, _)| name.contains(part));
    fitting.map_or("Example", |(_, text)| text)
}

/// Sets fields to pass the rule: all of `all`, the first of `any`, nothing of `not`.
fn fit(rule: &Rule, fields: &[FieldDef], lead: &mut HashMap<String, Value>) {
    match rule {
        Rule::All(rules) => rules.iter().for_each(|rule| fit(rule, fields, lead)),
        Rule::Any(rules) => rules.iter().take(1).for_each(|rule| fit(rule, fields, lead)),
        Rule::Not(_) => {}
        Rule::Condition(condition) => {
            let field = fields
                .iter()
                .find(|field| field.name == condition.field && !field.encrypted);
            if let Some((field, wanted)) = field.zip(wanted(condition)) {
                lead.insert(field.name.clone(), wanted);
            }
        }
    }
}

/// A value that meets the condition, for simple operators.
fn wanted(condition: &Condition) -> Option<Value> {
    let value = condition.value.as_ref();
    match condition.operator {
        Operator::Equals | Operator::Contains | Operator::GreaterOrEqual | Operator::LessOrEqual => value.cloned(),
        Operator::In | Operator::Between => value?.get(0).cloned(),
        Operator::GreaterThan => Some(json!(value?.as_i64()?.checked_add(1)?)),
        Operator::LessThan => Some(json!(value?.as_i64()?.checked_sub(1)?)),
        Operator::IsTrue => Some(json!(true)),
        Operator::IsFalse => Some(json!(false)),
        Operator::IsEmpty => Some(Value::Null),
        _ => None,
    }
}

fn accepts(rule: &Rule, fields: &[FieldDef], lead: &HashMap<String, Value>) -> bool {
    let Ok(rule) = rules::compile(rule, fields) else {
        return true;
    };
    let typed: HashMap<&str, (Value, bool)> = fields
        .iter()
        .map(|field| (field.name.as_str(), typed(field, lead)))
        .collect();
    let look = |name: &str| match typed.get(name) {
        Some((value, valid)) => FieldValue {
            value: Some(value),
            valid: *valid,
        },
        None => FieldValue {
            value: None,
            valid: false,
        },
    };
    rule.evaluate(&look, &mut EvalBudget::default())
        .is_ok_and(|verdict| verdict.passed)
}

fn typed(field: &FieldDef, lead: &HashMap<String, Value>) -> (Value, bool) {
    let raw = lead.get(&field.name).unwrap_or(&Value::Null);
    match type_value(field, raw, &TypingContext::default()) {
        TypedValue::Valid(value) => (value, true),
        TypedValue::Empty => (Value::Null, true),
        TypedValue::Invalid(_) => (raw.clone(), false),
    }
}
