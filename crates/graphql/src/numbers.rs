//! Numbers beyond 64 bits ([`leadmesh_forms::numerals`]) in the library's values: marked text in JSON, a name in a document.
//! They are replaced by the form that their scalar expects before anything executes.

use async_graphql::{Name, Value};
use async_graphql_value::Value as Literal;

use leadmesh_forms::numerals::{exceeds_64_bits, json, marked_digits};

/// The digits, if the value is a number beyond 64 bits.
pub fn spelled(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => marked_digits(text),
        Value::Enum(name) => Some(name.as_str()).filter(|text| exceeds_64_bits(text)),
        _ => None,
    }
}

/// The literal that carries such a number in a document.
pub fn literal(text: &str) -> Literal {
    Literal::Enum(Name::new(text))
}

/// The digits, if the literal is a number beyond 64 bits.
pub fn written(value: &Literal) -> Option<&str> {
    match value {
        Literal::Enum(name) => Some(name.as_str()).filter(|text| exceeds_64_bits(text)),
        _ => None,
    }
}

/// Replaces such numbers anywhere in a JSON value.
pub fn resolve_json(value: Value) -> Value {
    if let Some(text) = spelled(&value) {
        return of_json(text);
    }
    match value {
        Value::List(items) => Value::List(items.into_iter().map(resolve_json).collect()),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            Value::Object(fields.map(|(name, value)| (name, resolve_json(value))).collect())
        }
        other => other,
    }
}

/// Replaces such numbers anywhere in a literal, which may contain variables.
pub fn resolve_json_literal(value: &mut Literal) {
    if let Some(text) = written(value) {
        *value = of_json(text).into_value();
        return;
    }
    match value {
        Literal::List(items) => items.iter_mut().for_each(resolve_json_literal),
        Literal::Object(fields) => fields.values_mut().for_each(resolve_json_literal),
        _ => {}
    }
}

fn of_json(text: &str) -> Value {
    match json(text) {
        serde_json::Value::Number(number) => Value::Number(number),
        serde_json::Value::String(text) => Value::String(text),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    #[test]
    fn json_keeps_the_digits() {
        let marked =
            value!({ "a": ["\u{0}#123456789012345678901234", "\u{0}#12", 7], "b": "\u{0}#0.10000000000000001" });
        let expected = value!({ "a": ["123456789012345678901234", "\u{0}#12", 7], "b": 0.1 });
        assert_eq!(resolve_json(marked), expected);
        let mut written = Literal::List(vec![literal("1e400"), Literal::Variable(Name::new("v"))]);
        resolve_json_literal(&mut written);
        assert_eq!(
            written,
            Literal::List(vec![Literal::String("1e400".into()), Literal::Variable(Name::new("v"))])
        );
    }
}
