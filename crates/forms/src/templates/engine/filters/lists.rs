//! Filters that read a list or an object.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::super::Fail;
use super::super::compare::order;
use super::super::json;
use super::super::operators;
use super::super::text::fits;
use super::super::tree::Operator;
use super::super::value::{Entry, Val};
use crate::templates::Budget;

pub(super) fn apply<'r>(
    name: &str,
    value: &Val<'r>,
    arguments: &[Option<Val<'r>>],
    budget: &Budget,
) -> Result<Val<'r>, Fail> {
    let argument = |place: usize| arguments.get(place).and_then(Option::as_ref);
    match name {
        "items" => return pairs(value, budget),
        "dictsort" => return dict_sorted(value, arguments, budget),
        _ => {}
    }
    let mut items = value.items(budget)?.ok_or(Fail::Misfit)?;
    match name {
        "first" => Ok(items.into_iter().next().unwrap_or(Val::Undefined)),
        "last" => Ok(items.pop().unwrap_or(Val::Undefined)),
        "list" => Val::list(items, budget),
        "join" => join(&items, argument(0), budget),
        "max" => extreme(items, Ordering::Greater, budget),
        "min" => extreme(items, Ordering::Less, budget),
        "sum" => {
            let mut items = items.iter();
            items.try_fold(Val::Int(0), |sum, item| {
                operators::arithmetic(Operator::Add, &sum, item)
            })
        }
        "unique" => unique(items, argument(0).is_some_and(Val::is_true), budget),
        "sort" => sort(items, arguments, budget),
        "reverse" => {
            items.reverse();
            if matches!(value, Val::Text(_)) {
                return join(&items, None, budget);
            }
            Val::list(items, budget)
        }
        _ => Err(Fail::Misfit),
    }
}

fn sort<'r>(items: Vec<Val<'r>>, arguments: &[Option<Val<'r>>], budget: &Budget) -> Result<Val<'r>, Fail> {
    let argument = |place: usize| arguments.get(place).and_then(Option::as_ref);
    let is = |place: usize| argument(place).is_some_and(Val::is_true);
    let by = argument(2).map(|attribute| attribute.text(budget)).transpose()?;
    let by = by.as_ref().map(|path| path.read(budget)).transpose()?;
    let mut keyed = Vec::with_capacity(items.len());
    for item in items {
        let key = match by {
            Some(path) => member(&item, path, budget)?,
            None => item.clone(),
        };
        let key = folded(key, is(1), budget)?;
        keyed.push(Keyed { key, item });
    }
    Val::list(sorted(keyed, is(0), budget)?, budget)
}

fn member<'r>(item: &Val<'r>, path: &str, budget: &Budget) -> Result<Val<'r>, Fail> {
    budget.work(path.len())?;
    let mut names = path.split('.');
    names.try_fold(item.clone(), |value, name| value.member(name, budget))
}

/// A value without its case, where that does not count.
fn folded<'r>(value: Val<'r>, case_sensitive: bool, budget: &Budget) -> Result<Val<'r>, Fail> {
    match &value {
        Val::Text(text) if !case_sensitive => Val::made(&text.read_times(3, budget)?.to_lowercase(), budget),
        _ => Ok(value),
    }
}

struct Keyed<'r> {
    key: Val<'r>,
    item: Val<'r>,
}

/// Sorts, keeping the order of equals. Not by `sort_by`, which cannot stop when the work is used up.
fn sorted<'r>(keyed: Vec<Keyed<'r>>, reverse: bool, budget: &Budget) -> Result<Vec<Val<'r>>, Fail> {
    let sorted = sorted_half(keyed, reverse, budget)?;
    Ok(sorted.into_iter().map(|keyed| keyed.item).collect())
}

fn sorted_half<'r>(mut keyed: Vec<Keyed<'r>>, reverse: bool, budget: &Budget) -> Result<Vec<Keyed<'r>>, Fail> {
    if keyed.len() <= 1 {
        return Ok(keyed);
    }
    let right = sorted_half(keyed.split_off(keyed.len() / 2), reverse, budget)?;
    let left = sorted_half(keyed, reverse, budget)?;
    merged(left, right, reverse, budget)
}

fn merged<'r>(
    left: Vec<Keyed<'r>>,
    right: Vec<Keyed<'r>>,
    reverse: bool,
    budget: &Budget,
) -> Result<Vec<Keyed<'r>>, Fail> {
    let mut out = Vec::with_capacity(left.len() + right.len());
    let mut left = left.into_iter().peekable();
    for next in right {
        while let Some(before) = left.peek() {
            let order = order(&before.key, &next.key, budget)?;
            let order = if reverse { order.reverse() } else { order };
            if order == Ordering::Greater {
                break;
            }
            out.extend(left.next());
        }
        out.push(next);
    }
    out.extend(left);
    Ok(out)
}

fn extreme<'r>(items: Vec<Val<'r>>, wanted: Ordering, budget: &Budget) -> Result<Val<'r>, Fail> {
    let mut items = items.into_iter();
    let Some(mut best) = items.next() else {
        return Ok(Val::Undefined);
    };
    for item in items {
        if order(&item, &best, budget)? == wanted {
            best = item;
        }
    }
    Ok(best)
}

/// Items without those that came before, told by what they are as JSON.
fn unique<'r>(items: Vec<Val<'r>>, case_sensitive: bool, budget: &Budget) -> Result<Val<'r>, Fail> {
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    for item in items {
        let compared = folded(item.clone(), case_sensitive, budget)?;
        let json = json::text(&compared, budget)?;
        budget.search(json.len(), seen.len())?;
        if seen.insert(json) {
            kept.push(item);
        }
    }
    Val::list(kept, budget)
}

fn join<'r>(items: &[Val<'r>], between: Option<&Val<'r>>, budget: &Budget) -> Result<Val<'r>, Fail> {
    let between = between.map(|between| between.text(budget)).transpose()?;
    let mut out = String::new();
    for (at, item) in items.iter().enumerate() {
        if let Some(between) = between.as_ref().filter(|_| at > 0) {
            fits(out.len().saturating_add(between.len()))?;
            out.push_str(between.read(budget)?);
        }
        let text = item.text(budget)?;
        fits(out.len().saturating_add(text.len()))?;
        out.push_str(text.read(budget)?);
    }
    Val::made(&out, budget)
}

fn pairs<'r>(value: &Val<'r>, budget: &Budget) -> Result<Val<'r>, Fail> {
    if matches!(value, Val::Undefined) {
        return Val::list(Vec::new(), budget);
    }
    let entries = value.entries(budget)?.ok_or(Fail::Misfit)?;
    let pair = |entry: Entry<'r>| Val::list(vec![Val::Text(entry.key), entry.value], budget);
    Val::list(entries.into_iter().map(pair).collect::<Result<_, _>>()?, budget)
}

fn dict_sorted<'r>(value: &Val<'r>, arguments: &[Option<Val<'r>>], budget: &Budget) -> Result<Val<'r>, Fail> {
    let argument = |place: usize| arguments.get(place).and_then(Option::as_ref);
    let by = argument(1).map(|by| by.text(budget)).transpose()?;
    let by_value = match by.as_ref().map(|by| by.read(budget)).transpose()? {
        None | Some("key") => false,
        Some("value") => true,
        Some(_) => return Err(Fail::Misfit),
    };
    let case_sensitive = argument(0).is_some_and(Val::is_true);
    let reverse = argument(2).is_some_and(Val::is_true);
    let mut keyed = Vec::new();
    for entry in value.entries(budget)?.ok_or(Fail::Misfit)? {
        let by = if by_value {
            entry.value.clone()
        } else {
            Val::Text(entry.key.clone())
        };
        keyed.push(Keyed {
            key: folded(by, case_sensitive, budget)?,
            item: Val::list(vec![Val::Text(entry.key), entry.value], budget)?,
        });
    }
    Val::list(sorted(keyed, reverse, budget)?, budget)
}
