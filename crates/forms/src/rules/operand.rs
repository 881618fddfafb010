//! Operands of conditions: from a given value to its canonical form and the compiled test.

use std::collections::HashSet;
use std::ops::Bound::{Excluded, Included, Unbounded};

use entity::field::FieldDef;
use serde_json::Value;

use super::evaluate::{Comparison, Test};
use super::fold::fold;
use super::operator::Operator;
use super::pattern::Patterns;
use super::scalar::{Scalar, named_part, named_text};
use super::{MAX_LIST, MAX_PATTERN_CHARS};

/// The value of a condition, and its test.
pub(super) struct Operand {
    pub(super) value: Option<Value>,
    pub(super) test: Test,
}

/// An invalid value; `index` is the element of a list.
pub(super) struct OperandError {
    pub(super) index: Option<usize>,
    pub(super) message: String,
}

impl From<String> for OperandError {
    fn from(message: String) -> Self {
        Self { index: None, message }
    }
}

/// Reads the value of a condition whose operator fits the field.
pub(super) fn read(
    field: &FieldDef,
    operator: Operator,
    value: Option<&Value>,
    patterns: &mut Patterns<'_>,
) -> Result<Operand, OperandError> {
    let value = value.filter(|value| !value.is_null());
    match (operator.takes_value(), value) {
        (true, Some(value)) => with_value(field, operator, value, patterns),
        (true, None) => Err(format!("{operator} needs a value to compare with").into()),
        (false, Some(_)) => Err(format!("{operator} takes no value; leave it out").into()),
        (false, None) => Ok(Operand {
            value: None,
            test: bare(operator),
        }),
    }
}

fn bare(operator: Operator) -> Test {
    match operator {
        Operator::IsValid => Test::Valid,
        Operator::IsInvalid => Test::Invalid,
        Operator::IsTrue => Test::Compare(Comparison::Equals(Scalar::Boolean(true))),
        Operator::IsFalse => Test::Compare(Comparison::Equals(Scalar::Boolean(false))),
        _ => Test::Empty,
    }
}

fn with_value(
    field: &FieldDef,
    operator: Operator,
    value: &Value,
    patterns: &mut Patterns<'_>,
) -> Result<Operand, OperandError> {
    let (value, comparison) = match operator {
        Operator::In | Operator::NotIn => one_of(field, operator, value)?,
        Operator::Between => between(field, value)?,
        Operator::Matches => matching(value, patterns)?,
        Operator::Contains | Operator::NotContains | Operator::StartsWith | Operator::EndsWith => {
            part(field, operator, value)?
        }
        _ => compared(field, operator, value)?,
    };
    Ok(Operand {
        value: Some(value),
        test: Test::Compare(comparison),
    })
}

fn compared(field: &FieldDef, operator: Operator, value: &Value) -> Result<(Value, Comparison), OperandError> {
    if value.is_array() {
        return Err(format!("{operator} takes one value, not a list").into());
    }
    let scalar = Scalar::named(field, value)?;
    let canonical = scalar.canonical();
    let comparison = match operator {
        Operator::GreaterThan | Operator::After => Comparison::Range(Excluded(scalar), Unbounded),
        Operator::GreaterOrEqual => Comparison::Range(Included(scalar), Unbounded),
        Operator::LessThan | Operator::Before => Comparison::Range(Unbounded, Excluded(scalar)),
        Operator::LessOrEqual => Comparison::Range(Unbounded, Included(scalar)),
        _ => Comparison::Equals(scalar),
    };
    Ok((canonical, comparison))
}

/// A single value counts as a list of one. Values that compare as equal are kept once.
fn one_of(field: &FieldDef, operator: Operator, value: &Value) -> Result<(Value, Comparison), OperandError> {
    let given = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    if given.is_empty() || given.len() > MAX_LIST {
        return Err(format!(
            "{operator} takes a list of 1 to {MAX_LIST} values; this one has {}",
            given.len()
        )
        .into());
    }
    let mut seen = HashSet::new();
    let mut canonical = Vec::new();
    for scalar in scalars(field, given)? {
        let value = scalar.canonical();
        if seen.insert(scalar) {
            canonical.push(value);
        }
    }
    Ok((Value::Array(canonical), Comparison::OneOf(seen)))
}

fn between(field: &FieldDef, value: &Value) -> Result<(Value, Comparison), OperandError> {
    let wrong = || format!("{} takes a list of two values, the lower one first", Operator::Between);
    let given = value.as_array().filter(|given| given.len() == 2).ok_or_else(wrong)?;
    let scalars = scalars(field, given)?;
    let canonical = Value::Array(scalars.iter().map(Scalar::canonical).collect());
    let Ok([low, high]) = <[Scalar<'static>; 2]>::try_from(scalars) else {
        return Err(wrong().into());
    };
    if low > high {
        return Err(wrong().into());
    }
    Ok((canonical, Comparison::Range(Included(low), Included(high))))
}

fn scalars(field: &FieldDef, given: &[Value]) -> Result<Vec<Scalar<'static>>, OperandError> {
    let read = |(index, value)| {
        Scalar::named(field, value).map_err(|message| OperandError {
            index: Some(index),
            message,
        })
    };
    given.iter().enumerate().map(read).collect()
}

fn part(field: &FieldDef, operator: Operator, value: &Value) -> Result<(Value, Comparison), OperandError> {
    let part = named_part(field, value)?;
    let folded = fold(&part).into_owned();
    let comparison = match operator {
        Operator::StartsWith => Comparison::StartsWith(folded),
        Operator::EndsWith => Comparison::EndsWith(folded),
        _ => Comparison::Contains(folded),
    };
    Ok((Value::from(part), comparison))
}

fn matching(value: &Value, patterns: &mut Patterns<'_>) -> Result<(Value, Comparison), OperandError> {
    let pattern = named_text(value)?;
    if pattern.is_empty() || pattern.chars().count() > MAX_PATTERN_CHARS {
        return Err(format!("a pattern has 1 to {MAX_PATTERN_CHARS} characters").into());
    }
    let compiled = patterns.take(&pattern)?;
    Ok((Value::from(pattern.into_owned()), Comparison::Matches(compiled)))
}
