//! Filters. What one makes is counted before it is made.

mod lists;
mod texts;

use super::operators::float;
use super::value::{Text, Val};
use super::{Fail, Overrun};
use crate::delivery::templates::Budget;

/// Filters by name, each with its parameters in order. None takes a width or anything else that makes much of little.
pub(in crate::delivery::templates) const FILTERS: [(&str, &[&str]); 32] = [
    ("abs", &[]),
    ("bool", &[]),
    ("capitalize", &[]),
    ("count", &[]),
    ("d", &["value", "boolean"]),
    ("default", &["value", "boolean"]),
    ("dictsort", &["case_sensitive", "by", "reverse"]),
    ("first", &[]),
    ("float", &["default"]),
    ("int", &["default"]),
    ("items", &[]),
    ("join", &["d"]),
    ("last", &[]),
    ("length", &[]),
    ("lines", &[]),
    ("list", &[]),
    ("lower", &[]),
    ("max", &[]),
    ("min", &[]),
    ("replace", &["old", "new"]),
    ("reverse", &[]),
    ("round", &["precision"]),
    ("sort", &["reverse", "case_sensitive", "attribute"]),
    ("split", &["separator", "maxsplit"]),
    ("string", &[]),
    ("sum", &[]),
    ("title", &[]),
    ("tojson", &[]),
    ("trim", &["chars"]),
    ("unique", &["case_sensitive"]),
    ("upper", &[]),
    ("urlencode", &[]),
];

/// Most digits that `round` keeps behind the point.
const MAX_PRECISION: i128 = 15;

/// What a filter makes of a value. The arguments stand in the order of its parameters.
pub(super) fn apply<'r>(
    name: &str,
    value: Val<'r>,
    arguments: &[Option<Val<'r>>],
    budget: &Budget,
) -> Result<Val<'r>, Fail> {
    let argument = |place: usize| arguments.get(place).and_then(Option::as_ref);
    match name {
        "d" | "default" => Ok(default(value, argument(0), argument(1))),
        "abs" => abs(&value),
        "bool" => Ok(Val::Bool(value.is_true())),
        "int" => number(&value, argument(0), whole),
        "float" => number(&value, argument(0), broken),
        "round" => round(&value, argument(0)),
        "count" | "length" => length(&value, budget),
        "capitalize" | "lower" | "lines" | "replace" | "split" | "string" | "title" | "tojson" | "trim" | "upper"
        | "urlencode" => texts::apply(name, &value, arguments, budget),
        _ => lists::apply(name, &value, arguments, budget),
    }
}

fn default<'r>(value: Val<'r>, other: Option<&Val<'r>>, also_false: Option<&Val<'r>>) -> Val<'r> {
    let absent = match value {
        Val::Undefined => true,
        _ => also_false.is_some_and(Val::is_true) && !value.is_true(),
    };
    if absent {
        other.cloned().unwrap_or(Val::Text(Text::Borrowed("")))
    } else {
        value
    }
}

fn abs<'r>(value: &Val<'r>) -> Result<Val<'r>, Fail> {
    match value {
        Val::Int(number) => number.checked_abs().map(Val::Int).ok_or(Fail::Misfit),
        other => Ok(Val::Float(float(other)?.abs())),
    }
}

fn length<'r>(value: &Val<'r>, budget: &Budget) -> Result<Val<'r>, Fail> {
    if let Val::Text(text) = value {
        budget.text(text.len())?;
    }
    let length = value.length().ok_or(Fail::Misfit)?;
    i128::try_from(length)
        .map(Val::Int)
        .map_err(|_too_long| Overrun::Work.into())
}

fn number<'r>(
    value: &Val<'r>,
    default: Option<&Val<'r>>,
    read: impl Fn(&Val<'r>) -> Option<Val<'r>>,
) -> Result<Val<'r>, Fail> {
    read(value).or_else(|| default.cloned()).ok_or(Fail::Misfit)
}

#[expect(clippy::cast_possible_truncation, reason = "a number too large becomes the largest")]
fn whole<'r>(value: &Val<'r>) -> Option<Val<'r>> {
    Some(Val::Int(match value {
        Val::Undefined | Val::None => 0,
        Val::Bool(truth) => i128::from(*truth),
        Val::Int(number) => *number,
        Val::Float(number) => *number as i128,
        Val::Text(text) => match text.trim().parse::<i128>() {
            Ok(number) => number,
            Err(_) => finite(text)? as i128,
        },
        _ => return None,
    }))
}

fn broken<'r>(value: &Val<'r>) -> Option<Val<'r>> {
    Some(Val::Float(match value {
        Val::Undefined | Val::None => 0.0,
        Val::Bool(truth) => f64::from(u8::from(*truth)),
        Val::Text(text) => finite(text)?,
        other => float(other).ok()?,
    }))
}

fn finite(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
}

fn round<'r>(value: &Val<'r>, precision: Option<&Val<'r>>) -> Result<Val<'r>, Fail> {
    let precision = match precision {
        None => 0,
        Some(Val::Int(digits)) if (0..=MAX_PRECISION).contains(digits) => {
            i32::try_from(*digits).map_err(|_out_of_range| Fail::Misfit)?
        }
        Some(_) => return Err(Fail::Misfit),
    };
    match value {
        Val::Int(_) => Ok(value.clone()),
        other => {
            let number = float(other)?;
            let scale = 10_f64.powi(precision);
            let scaled = (number * scale).round() / scale;
            Ok(Val::Float(if scaled.is_finite() { scaled } else { number }))
        }
    }
}
