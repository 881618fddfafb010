//! The engine as a whole, by tables and by properties.

mod comparing;
mod properties;
mod saving;
mod wording;

use entity::field::{FieldDef, FieldType};
use serde_json::Value;

use super::{Condition, EvalBudget, FieldValue, Operator, Rule, Verdict, compile};

const TYPES: [FieldType; 15] = [
    FieldType::Text,
    FieldType::Email,
    FieldType::Phone,
    FieldType::Url,
    FieldType::Number,
    FieldType::Integer,
    FieldType::Boolean,
    FieldType::Date,
    FieldType::Datetime,
    FieldType::PostalCode,
    FieldType::State,
    FieldType::Country,
    FieldType::Choice,
    FieldType::IpAddress,
    FieldType::Json,
];

fn field(name: &str, label: &str, field_type: FieldType) -> FieldDef {
    FieldDef {
        name: name.to_owned(),
        label: label.to_owned(),
        field_type,
        required: false,
        encrypted: false,
        choices: (field_type == FieldType::Choice).then(|| vec!["Solar Roof".to_owned(), "Heat pump".to_owned()]),
        example: None,
        description: None,
    }
}

/// A field for each type, named as its type: `postal_code`.
fn fields() -> Vec<FieldDef> {
    let name = |field_type| super::text::type_name(field_type).to_lowercase();
    TYPES
        .into_iter()
        .map(|field_type| field(&name(field_type), "", field_type))
        .collect()
}

fn condition(field: &str, operator: Operator, value: Option<Value>) -> Rule {
    Rule::Condition(Condition {
        field: field.to_owned(),
        operator,
        value,
    })
}

fn operators() -> impl Iterator<Item = Operator> {
    <Operator as async_graphql::resolver_utils::EnumType>::items()
        .iter()
        .map(|item| item.value)
}

/// Runs the rule on a lead given as a JSON object. Its fields count as valid, but not those named in `invalid`.
fn run(rule: &Rule, fields: &[FieldDef], lead: &Value, invalid: &[&str]) -> Verdict {
    let compiled = compile(rule, fields).unwrap();
    let values = |name: &str| FieldValue {
        value: lead.get(name),
        valid: !invalid.contains(&name),
    };
    compiled.evaluate(&values, &mut EvalBudget::default()).unwrap()
}
