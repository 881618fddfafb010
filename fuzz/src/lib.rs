//! What the targets share: one flow with a field of every type.

use entity::field::{FieldDef, FieldType};
use serde_json::{Map, Value};

/// Every type of field, with the name that it has in [`fields`].
pub const TYPES: [(&str, FieldType); 15] = [
    ("text", FieldType::Text),
    ("email", FieldType::Email),
    ("phone", FieldType::Phone),
    ("url", FieldType::Url),
    ("number", FieldType::Number),
    ("integer", FieldType::Integer),
    ("boolean", FieldType::Boolean),
    ("date", FieldType::Date),
    ("datetime", FieldType::Datetime),
    ("postal_code", FieldType::PostalCode),
    ("state", FieldType::State),
    ("country", FieldType::Country),
    ("choice", FieldType::Choice),
    ("ip_address", FieldType::IpAddress),
    ("json", FieldType::Json),
];

/// A field of this name and type; a CHOICE is between `solar` and `roof`.
pub fn field((name, field_type): (&str, FieldType)) -> FieldDef {
    FieldDef {
        name: name.to_owned(),
        label: name.to_owned(),
        field_type,
        required: false,
        encrypted: false,
        choices: (field_type == FieldType::Choice).then(|| vec!["solar".to_owned(), "roof".to_owned()]),
        example: None,
        description: None,
    }
}

/// A field of every type.
pub fn fields() -> Vec<FieldDef> {
    TYPES.into_iter().map(field).collect()
}

/// Two JSON texts divided by the first line break; none if they are no JSON.
pub fn two(data: &[u8]) -> Option<(Value, Map<String, Value>)> {
    let at = data.iter().position(|byte| *byte == b'\n')?;
    let (first, second) = data.split_at(at);
    Some((
        serde_json::from_slice(first).ok()?,
        serde_json::from_slice(second).ok()?,
    ))
}

/// How many values a value consists of.
pub fn nodes(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(nodes).sum::<usize>(),
        Value::Object(entries) => 1 + entries.values().map(nodes).sum::<usize>(),
        _ => 1,
    }
}
