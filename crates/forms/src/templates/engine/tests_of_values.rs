//! What stands after `is`.

use std::cmp::Ordering;

use super::Fail;
use super::compare::{contains, equals, order};
use super::value::Val;
use crate::templates::Budget;

/// Tests that compare with something; the others look at the value alone.
pub(super) const WITH_ARGUMENT: [&str; 12] = [
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "ge",
    "gt",
    "in",
    "le",
    "lt",
    "ne",
    "sameas",
    "startingwith",
];

/// Whether a test holds of a value.
pub(super) fn holds(name: &str, value: &Val<'_>, argument: &Val<'_>, budget: &Budget) -> Result<bool, Fail> {
    Ok(match name {
        "boolean" => matches!(value, Val::Bool(_)),
        "defined" => !matches!(value, Val::Undefined),
        "undefined" => matches!(value, Val::Undefined),
        "none" => matches!(value, Val::None),
        "true" => matches!(value, Val::Bool(true)),
        "false" => matches!(value, Val::Bool(false)),
        "integer" => matches!(value, Val::Int(_)),
        "float" => matches!(value, Val::Float(_)),
        "number" => matches!(value, Val::Int(_) | Val::Float(_)),
        "string" => matches!(value, Val::Text(_)),
        "mapping" => value.is_map(),
        "sequence" => value.is_list(),
        "iterable" => value.is_map() || value.is_list() || matches!(value, Val::Text(_)),
        "even" => remainder(value, &Val::Int(2)) == Some(0),
        "odd" => remainder(value, &Val::Int(2)) == Some(1),
        "divisibleby" => remainder(value, argument) == Some(0),
        "startingwith" | "endingwith" | "lower" | "upper" => of_text(name, value, argument, budget)?,
        "in" => contains(argument, value, budget)?,
        "eq" | "equalto" | "sameas" => equals(value, argument, budget)?,
        "ne" => !equals(value, argument, budget)?,
        "ge" => order(value, argument, budget)? != Ordering::Less,
        "gt" => order(value, argument, budget)? == Ordering::Greater,
        "le" => order(value, argument, budget)? != Ordering::Greater,
        "lt" => order(value, argument, budget)? == Ordering::Less,
        _ => return Err(Fail::Misfit),
    })
}

fn of_text(name: &str, value: &Val<'_>, argument: &Val<'_>, budget: &Budget) -> Result<bool, Fail> {
    let Val::Text(text) = value else {
        return Ok(false);
    };
    let text = text.read_times(2, budget)?;
    let argument = argument.text(budget)?;
    let argument = argument.read(budget)?;
    Ok(match name {
        "startingwith" => text.starts_with(argument),
        "endingwith" => text.ends_with(argument),
        "lower" => !text.chars().any(char::is_uppercase),
        _ => !text.chars().any(char::is_lowercase),
    })
}

fn remainder(value: &Val<'_>, divisor: &Val<'_>) -> Option<i128> {
    match (value, divisor) {
        (Val::Int(value), Val::Int(divisor)) => value.checked_rem_euclid(*divisor),
        _ => None,
    }
}
