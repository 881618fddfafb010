//! Equality and order. Everything that is looked at is counted, so that no list is too long to be compared.

use std::cmp::Ordering;

use super::Fail;
use super::value::Val;
use crate::templates::Budget;

/// The order of all values: by kind first, then within it.
pub(super) fn order(left: &Val<'_>, right: &Val<'_>, budget: &Budget) -> Result<Ordering, Fail> {
    budget.work(1)?;
    if let (Val::Text(left), Val::Text(right)) = (left, right) {
        return left.order(right, budget);
    }
    if let (Some(left), Some(right)) = (Number::of(left), Number::of(right)) {
        return Ok(left.order(right));
    }
    let kinds = kind(left).cmp(&kind(right));
    if kinds != Ordering::Equal {
        return Ok(kinds);
    }
    if left.is_map() {
        return order_maps(left, right, budget);
    }
    if !left.is_list() {
        return Ok(Ordering::Equal);
    }
    let lefts = left.items(budget)?.unwrap_or_default();
    let rights = right.items(budget)?.unwrap_or_default();
    for (left, right) in lefts.iter().zip(&rights) {
        let order = order(left, right, budget)?;
        if order != Ordering::Equal {
            return Ok(order);
        }
    }
    Ok(lefts.len().cmp(&rights.len()))
}

fn order_maps(left: &Val<'_>, right: &Val<'_>, budget: &Budget) -> Result<Ordering, Fail> {
    let lefts = left.entries(budget)?.unwrap_or_default();
    let rights = right.entries(budget)?.unwrap_or_default();
    for (left, right) in lefts.iter().zip(&rights) {
        let order = match left.key.order(&right.key, budget)? {
            Ordering::Equal => order(&left.value, &right.value, budget)?,
            order => order,
        };
        if order != Ordering::Equal {
            return Ok(order);
        }
    }
    Ok(lefts.len().cmp(&rights.len()))
}

pub(super) fn equals(left: &Val<'_>, right: &Val<'_>, budget: &Budget) -> Result<bool, Fail> {
    if kind(left) != kind(right) && (Number::of(left).is_none() || Number::of(right).is_none()) {
        return Ok(false);
    }
    Ok(order(left, right, budget)? == Ordering::Equal)
}

/// Whether a list has an item, an object a key, or a text a part.
pub(super) fn contains(container: &Val<'_>, wanted: &Val<'_>, budget: &Budget) -> Result<bool, Fail> {
    if let Val::Text(text) = container {
        let part = wanted.text(budget)?;
        return Ok(text.read(budget)?.contains(part.read(budget)?));
    }
    if container.is_map() {
        let key = wanted.text(budget)?;
        return Ok(!matches!(container.member(key.read(budget)?, budget)?, Val::Undefined));
    }
    if matches!(container, Val::None) {
        return Ok(false);
    }
    for item in container.items(budget)?.ok_or(Fail::Misfit)? {
        if equals(&item, wanted, budget)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn kind(value: &Val<'_>) -> u8 {
    match value {
        Val::Undefined => 0,
        Val::None => 1,
        Val::Bool(_) => 2,
        Val::Int(_) | Val::Float(_) => 3,
        Val::Text(_) => 4,
        Val::Loop(..) => 7,
        value if value.is_list() => 5,
        _ => 6,
    }
}

#[derive(Clone, Copy)]
enum Number {
    Whole(i128),
    Broken(f64),
}

impl Number {
    /// A truth counts as 0 or 1 beside a number.
    fn of(value: &Val<'_>) -> Option<Self> {
        match value {
            Val::Int(number) => Some(Self::Whole(*number)),
            Val::Bool(truth) => Some(Self::Whole(i128::from(*truth))),
            Val::Float(number) => Some(Self::Broken(*number)),
            _ => None,
        }
    }

    fn order(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => one.cmp(&other),
            _ => self.float().partial_cmp(&other.float()).unwrap_or(Ordering::Equal),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "beside a float nothing more precise is left")]
    fn float(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Broken(number) => number,
        }
    }
}
