//! Filters that read a text.

use std::fmt::Write as _;

use super::super::Fail;
use super::super::json;
use super::super::text::fits;
use super::super::value::Val;
use crate::templates::Budget;

pub(super) fn apply<'r>(
    name: &str,
    value: &Val<'r>,
    arguments: &[Option<Val<'r>>],
    budget: &Budget,
) -> Result<Val<'r>, Fail> {
    let argument = |place: usize| arguments.get(place).and_then(Option::as_ref);
    if name == "tojson" {
        return to_json(value, budget);
    }
    let text = value.text(budget)?;
    // A character has at most three in the other case; percent-encoding makes three of a byte.
    let read = text.read_times(3, budget)?;
    match name {
        "string" => Ok(Val::Text(text)),
        "lower" => Val::made(&read.to_lowercase(), budget),
        "upper" => Val::made(&read.to_uppercase(), budget),
        "capitalize" => Val::made(&capitalized(read), budget),
        "title" => Val::made(&titled(read), budget),
        "urlencode" => Val::made(&url_encoded(read), budget),
        "trim" => trimmed(read, argument(0), budget),
        "lines" => list(read.lines(), budget),
        "split" => split(read, argument(0), argument(1), budget),
        "replace" => replace(read, argument(0), argument(1), budget),
        _ => Err(Fail::Misfit),
    }
}

fn trimmed<'r>(text: &str, around: Option<&Val<'r>>, budget: &Budget) -> Result<Val<'r>, Fail> {
    let Some(around) = around else {
        return Val::made(text.trim(), budget);
    };
    let around = around.text(budget)?;
    // A character takes four times the room of a byte.
    let around: Vec<char> = around.read_times(4, budget)?.chars().collect();
    budget.work(text.len().saturating_mul(around.len()) / 8)?;
    Val::made(text.trim_matches(around.as_slice()), budget)
}

/// Parts are counted one by one, so that there are never more than were paid for.
fn list<'r, 't>(parts: impl Iterator<Item = &'t str>, budget: &Budget) -> Result<Val<'r>, Fail> {
    let mut items = Vec::new();
    for part in parts {
        budget.work(4)?;
        items.push(Val::made(part, budget)?);
    }
    Val::list(items, budget)
}

fn split<'r>(
    text: &str,
    separator: Option<&Val<'r>>,
    most: Option<&Val<'r>>,
    budget: &Budget,
) -> Result<Val<'r>, Fail> {
    let most = match most {
        Some(Val::Int(most)) if *most >= 0 => usize::try_from(*most).unwrap_or(usize::MAX).saturating_add(1),
        None | Some(_) => usize::MAX,
    };
    let Some(separator) = separator.filter(|value| !matches!(value, Val::None | Val::Undefined)) else {
        return list(text.split_whitespace(), budget);
    };
    let separator = separator.text(budget)?;
    if separator.is_empty() {
        return Err(Fail::Misfit);
    }
    list(text.splitn(most, separator.read_times(2, budget)?), budget)
}

fn replace<'r>(text: &str, old: Option<&Val<'r>>, new: Option<&Val<'r>>, budget: &Budget) -> Result<Val<'r>, Fail> {
    let old = old.ok_or(Fail::Misfit)?.text(budget)?;
    let new = new.ok_or(Fail::Misfit)?.text(budget)?;
    // Searched for twice, after getting ready for it.
    let old = old.read_times(4, budget)?;
    let new = new.read(budget)?;
    let times = text.matches(old).count();
    let kept = text.len().saturating_sub(times.saturating_mul(old.len()));
    let made = times.saturating_mul(new.len()).saturating_add(kept);
    fits(made)?;
    budget.work(times)?;
    budget.text(made)?;
    Val::made(&text.replace(old, new), budget)
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars.flat_map(char::to_lowercase)).collect(),
        None => String::new(),
    }
}

fn titled(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut within = false;
    for c in text.chars() {
        if within {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        within = c.is_alphanumeric() || c == '\'' || c == '’';
    }
    out
}

/// Percent-encoding as in paths: letters, digits and `-._~/` stay.
fn url_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// JSON in which no character means anything to HTML.
fn to_json<'r>(value: &Val<'r>, budget: &Budget) -> Result<Val<'r>, Fail> {
    let json = json::text(value, budget)?;
    budget.text(json.len().saturating_mul(6))?;
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\'' => out.push_str("\\u0027"),
            _ => out.push(c),
        }
    }
    Val::made(&out, budget)
}
