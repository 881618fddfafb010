//! Filters. What one makes is counted before it is made.

mod lists;
mod texts;

use super::operators::float;
use super::text::Text;
use super::value::Val;
use super::{Fail, Overrun};
use crate::templates::Budget;

/// Filters by name, each with its parameters in order. None takes a width or anything else that makes much of little.
pub(in crate::templates) const FILTERS: [(&str, &[&str]); 32] = [
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
/// Longest text that `int` and `float` read, in bytes and without the whitespace around it.
const MAX_DIGITS: usize = 64;

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
        "int" => whole(&value, budget)?
            .or_else(|| argument(0).cloned())
            .ok_or(Fail::Misfit),
        "float" => broken(&value, budget)?
            .or_else(|| argument(0).cloned())
            .ok_or(Fail::Misfit),
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
        other.cloned().unwrap_or(Val::Text(Text::borrowed("")))
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
    let length = value.length(budget)?.ok_or(Fail::Misfit)?;
    i128::try_from(length)
        .map(Val::Int)
        .map_err(|_too_long| Overrun::Work.into())
}

/// The value as a whole number, if it can be read as one.
#[expect(clippy::cast_possible_truncation, reason = "a number too large becomes the largest")]
fn whole<'r>(value: &Val<'r>, budget: &Budget) -> Result<Option<Val<'r>>, Fail> {
    let number = match value {
        Val::Undefined | Val::None => Some(0),
        Val::Bool(truth) => Some(i128::from(*truth)),
        Val::Int(number) => Some(*number),
        Val::Float(number) => Some(*number as i128),
        Val::Text(text) => digits(text, budget)?.and_then(|digits| {
            let whole = digits.parse::<i128>().ok();
            whole.or_else(|| finite(digits).map(|number| number as i128))
        }),
        _ => None,
    };
    Ok(number.map(Val::Int))
}

/// The value as a number with a fraction, if it can be read as one.
fn broken<'r>(value: &Val<'r>, budget: &Budget) -> Result<Option<Val<'r>>, Fail> {
    let number = match value {
        Val::Undefined | Val::None => Some(0.0),
        Val::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Val::Text(text) => digits(text, budget)?.and_then(finite),
        other => float(other).ok(),
    };
    Ok(number.map(Val::Float))
}

/// A text that is short enough to be a number: reading more digits takes longer than their bytes tell.
fn digits<'t>(text: &'t Text<'_>, budget: &Budget) -> Result<Option<&'t str>, Fail> {
    let digits = text.read(budget)?.trim();
    if digits.len() > MAX_DIGITS {
        return Ok(None);
    }
    budget.work(digits.len())?;
    Ok(Some(digits))
}

fn finite(digits: &str) -> Option<f64> {
    digits.parse::<f64>().ok().filter(|number| number.is_finite())
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
