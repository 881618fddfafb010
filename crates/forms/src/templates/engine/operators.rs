//! Operators. A number that grows too large is an error, and nothing is repeated.

use std::cmp::Ordering;

use super::Fail;
use super::compare::order;
use super::text::fits;
use super::tree::Operator;
use super::value::Val;
use crate::templates::Budget;

pub(super) fn negate<'r>(value: &Val<'_>) -> Result<Val<'r>, Fail> {
    match value {
        Val::Int(number) => number.checked_neg().map(Val::Int).ok_or(Fail::Misfit),
        Val::Float(number) => Ok(Val::Float(-number)),
        _ => Err(Fail::Misfit),
    }
}

pub(super) fn ordered<'r>(
    operator: Operator,
    left: &Val<'_>,
    right: &Val<'_>,
    budget: &Budget,
) -> Result<Val<'r>, Fail> {
    let order = order(left, right, budget)?;
    Ok(Val::Bool(match operator {
        Operator::Less => order == Ordering::Less,
        Operator::LessOrEqual => order != Ordering::Greater,
        Operator::Greater => order == Ordering::Greater,
        _ => order != Ordering::Less,
    }))
}

pub(super) fn concat<'r>(left: &Val<'r>, right: &Val<'r>, budget: &Budget) -> Result<Val<'r>, Fail> {
    let (left, right) = (left.text(budget)?, right.text(budget)?);
    fits(left.len().saturating_add(right.len()))?;
    Val::made(&[left.read(budget)?, right.read(budget)?].concat(), budget)
}

pub(super) fn add<'r>(left: &Val<'r>, right: &Val<'r>, budget: &Budget) -> Result<Val<'r>, Fail> {
    if matches!((left, right), (Val::Text(_), Val::Text(_))) {
        return concat(left, right, budget);
    }
    if left.is_list() && right.is_list() {
        let mut items = left.items(budget)?.unwrap_or_default();
        items.extend(right.items(budget)?.unwrap_or_default());
        return Val::list(items, budget);
    }
    arithmetic(Operator::Add, left, right)
}

pub(super) fn arithmetic<'r>(operator: Operator, left: &Val<'_>, right: &Val<'_>) -> Result<Val<'r>, Fail> {
    if let (Val::Int(left), Val::Int(right)) = (left, right)
        && operator != Operator::Divide
        && !(operator == Operator::Power && *right < 0)
    {
        return whole(operator, *left, *right).map(Val::Int).ok_or(Fail::Misfit);
    }
    let (left, right) = (float(left)?, float(right)?);
    let number = match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::DivideWhole => (left / right).floor(),
        Operator::Remainder => left.rem_euclid(right),
        Operator::Power => left.powf(right),
        _ => return Err(Fail::Misfit),
    };
    if number.is_finite() {
        Ok(Val::Float(number))
    } else {
        Err(Fail::Misfit)
    }
}

fn whole(operator: Operator, left: i128, right: i128) -> Option<i128> {
    match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::DivideWhole => left.checked_div_euclid(right),
        Operator::Remainder => left.checked_rem_euclid(right),
        Operator::Power => left.checked_pow(u32::try_from(right).ok()?),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "that is what dividing means")]
pub(super) fn float(value: &Val<'_>) -> Result<f64, Fail> {
    match value {
        Val::Int(number) => Ok(*number as f64),
        Val::Float(number) => Ok(*number),
        _ => Err(Fail::Misfit),
    }
}
