//! What scalars take.

use async_graphql::{Number, ScalarType, Value};
use chrono::{DateTime, Utc};

use crate::numbers;
use crate::scalars::{Decimal, NO_DECIMAL};
use leadmesh_forms::fields::decimal;
use leadmesh_forms::numerals;

/// A literal is stricter than JSON: `1.0` in a document is no Int and `1` no String of an enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// It stands in the document.
    Literal,
    /// It came as JSON.
    Json,
}

/// The value as a resolver expects it, or the reason why the scalar refuses it: half a sentence that does not repeat
/// the value. Scalars that are not ours accept anything.
pub(super) fn coerce(scalar: &str, value: Value, from: From) -> Result<Value, String> {
    let refuse = |expected: &str, found: &Value| Err(format!("expected {expected}, found {}", called(found)));
    if let Some(text) = numbers::spelled(&value).filter(|_| scalar != "JSON") {
        return numeral(scalar, text, from);
    }
    match (scalar, value) {
        ("Int", Value::Number(number)) => match whole(&number, from) {
            Some(whole) if i32::try_from(whole).is_ok() => Ok(Value::from(whole)),
            Some(_) => Err("an Int has 32 bits: it is from -2147483648 to 2147483647".into()),
            None => Err("an Int is a whole number from -2147483648 to 2147483647".into()),
        },
        ("Int", other) => refuse("an Int", &other),
        ("Float", Value::Number(number)) => Ok(Value::Number(number)),
        ("Float", other) => refuse("a Float", &other),
        ("String" | "ID", Value::String(text)) => Ok(Value::String(text)),
        ("String", other) => refuse("a String", &other),
        ("Boolean", Value::Boolean(value)) => Ok(Value::Boolean(value)),
        ("Boolean", other) => refuse("true or false", &other),
        ("ID", Value::Number(number)) => match whole(&number, from) {
            Some(whole) => Ok(Value::String(whole.to_string())),
            None if number.is_u64() => Ok(Value::String(number.to_string())),
            None => Err(NO_ID.into()),
        },
        ("ID", other) => refuse("an ID", &other),
        (custom, value) => match parse(custom, &value) {
            Ok(()) => Ok(value),
            Err(Some(reason)) => Err(reason),
            Err(None) => refuse(&format!("{} {custom}", article(custom)), &value),
        },
    }
}

const NO_ID: &str = "an ID is a string or a whole number";

/// The same of a number that 64 bits do not hold, as it is written: what keeps text keeps its digits, and the others take the nearest
/// number.
pub(super) fn numeral(scalar: &str, text: &str, from: From) -> Result<Value, String> {
    match scalar {
        "ID" if numerals::is_whole(text) => Ok(Value::from(text)),
        "Decimal" => match decimal::scientific(text) {
            Some(exact) => Ok(Value::from(exact.to_string())),
            None => Err(NO_DECIMAL.into()),
        },
        _ => match (scalar, numerals::nearest(text)) {
            ("ID", nearest) if from == From::Literal || nearest.is_none() => Err(NO_ID.into()),
            (_, Some(number)) => coerce(scalar, Value::Number(number), from),
            ("Int" | "Float", None) => Err(format!("the number is too large for {} {scalar}", article(scalar))),
            (_, None) => Err(format!("expected {} {scalar}, found a number", article(scalar))),
        },
    }
}

/// Asks the scalar itself, which would otherwise refuse the value while executing.
fn parse(scalar: &str, value: &Value) -> Result<(), Option<String>> {
    match scalar {
        "EmailAddress" | "URL" | "CurrencyCode" | "TimeZone" => match value {
            Value::String(_) => Ok(()),
            _ => Err(None),
        },
        "Decimal" => match (taken::<Decimal>(value), value) {
            (Err(_), Value::String(_) | Value::Number(_)) => Err(Some(NO_DECIMAL.into())),
            (taken, _) => taken,
        },
        // The scalar itself is laxer: it passes over white space before and within the text.
        "DateTime" => match value {
            Value::String(text) if DateTime::parse_from_rfc3339(text).is_ok() => taken::<DateTime<Utc>>(value),
            Value::String(_) => Err(Some(
                "a DateTime is a time with its zone, such as \"2026-01-31T12:00:00Z\"".into(),
            )),
            _ => Err(None),
        },
        _ => Ok(()),
    }
}

fn taken<T: ScalarType>(value: &Value) -> Result<(), Option<String>> {
    T::parse(value.clone()).map(drop).map_err(|_refused| None)
}

/// An integer. JSON does not distinguish `1.0` from `1`, a document does.
fn whole(number: &Number, from: From) -> Option<i64> {
    if let Some(whole) = number.as_i64() {
        return Some(whole);
    }
    let float = number.as_f64()?;
    // Beyond 2^53 doubles are not exact, so there is no number that was meant.
    let exact = float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0;
    if from == From::Literal || !exact {
        return None;
    }
    format!("{float:.0}").parse().ok()
}

fn article(name: &str) -> &'static str {
    if name.starts_with(['A', 'E', 'I', 'O']) {
        "an"
    } else {
        "a"
    }
}

/// The kind of a value, for messages that do not repeat it.
pub(super) fn called(value: &Value) -> &'static str {
    match value {
        _ if numbers::spelled(value).is_some() => "a number",
        Value::Null => "null",
        Value::Number(_) => "a number",
        Value::String(_) | Value::Binary(_) => "a string",
        Value::Boolean(_) => "true or false",
        Value::Enum(_) => "a name",
        Value::List(_) => "a list",
        Value::Object(_) => "an object",
    }
}
