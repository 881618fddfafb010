//! Values while a template is rendered. What a template makes is shared, never copied; what the lead has is borrowed.
//!
//! Whatever here takes longer with the value takes a budget and is paid for: what takes none is done in one step.

use std::rc::Rc;

use serde_json::Value;

use super::Fail;
use super::text::Text;
use crate::templates::{Budget, Values};

/// Levels of lists and objects within one another, those of the lead's value included: stored JSON is read to 127.
const MAX_DEPTH: usize = 100;
/// Units of work for an item of a list that is made.
const ITEM: usize = 4;

#[derive(Clone)]
pub(super) enum Val<'r> {
    Undefined,
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Text<'r>),
    Json(&'r Value),
    List(Rc<List<'r>>),
    Map(Rc<Map<'r>>),
    /// All values that the template may see.
    Lead(&'r Values<'r>),
    /// What `loop` stands for: the items, and which one it is.
    Loop(Rc<List<'r>>, usize),
}

pub(super) struct List<'r> {
    pub(super) items: Vec<Val<'r>>,
    depth: usize,
}

pub(super) struct Map<'r> {
    pub(super) entries: std::collections::BTreeMap<Box<str>, Val<'r>>,
    depth: usize,
}

pub(super) struct Entry<'r> {
    pub(super) key: Text<'r>,
    pub(super) value: Val<'r>,
}

impl<'r> Val<'r> {
    pub(super) fn of(value: &'r Value) -> Self {
        match value {
            Value::Null => Self::None,
            Value::Bool(truth) => Self::Bool(*truth),
            Value::String(text) => Self::Text(Text::borrowed(text)),
            Value::Number(number) => {
                let whole = number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
                whole.map_or_else(|| Self::Float(number.as_f64().unwrap_or_default()), Self::Int)
            }
            Value::Array(_) | Value::Object(_) => Self::Json(value),
        }
    }

    pub(super) fn made(text: &str, budget: &Budget) -> Result<Self, Fail> {
        Text::made(text, budget).map(Self::Text)
    }

    pub(super) fn list(items: Vec<Self>, budget: &Budget) -> Result<Self, Fail> {
        budget.work(items.len().saturating_mul(ITEM))?;
        let depth = deeper(items.iter(), budget)?;
        Ok(Self::List(Rc::new(List { items, depth })))
    }

    /// An object; of equal keys the last counts.
    pub(super) fn map(entries: Vec<Entry<'r>>, budget: &Budget) -> Result<Self, Fail> {
        budget.work(entries.len().saturating_mul(ITEM))?;
        let depth = deeper(entries.iter().map(|entry| &entry.value), budget)?;
        let mut map = std::collections::BTreeMap::new();
        for entry in entries {
            budget.search(entry.key.len(), map.len())?;
            map.insert(Box::from(entry.key.read(budget)?), entry.value);
        }
        Ok(Self::Map(Rc::new(Map { entries: map, depth })))
    }

    fn depth(&self, budget: &Budget) -> Result<usize, Fail> {
        Ok(match self {
            Self::Json(value) => json_depth(value, budget)?,
            Self::List(list) => list.depth,
            Self::Map(map) => map.depth,
            Self::Lead(values) => {
                let mut depth = 1;
                for (_, value) in values.iter() {
                    depth = depth.max(1 + json_depth(value, budget)?);
                }
                depth
            }
            _ => 0,
        })
    }

    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Undefined | Self::None => false,
            Self::Bool(truth) => *truth,
            Self::Int(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            _ => self.count() != Some(0),
        }
    }

    /// Items of a list, entries of an object, characters of a text.
    pub(super) fn length(&self, budget: &Budget) -> Result<Option<usize>, Fail> {
        match self {
            Self::Text(text) => Ok(Some(text.read(budget)?.chars().count())),
            _ => Ok(self.count()),
        }
    }

    /// Items of a list, entries of an object.
    pub(super) fn count(&self) -> Option<usize> {
        match self {
            Self::Json(Value::Array(items)) => Some(items.len()),
            Self::Json(Value::Object(entries)) => Some(entries.len()),
            Self::List(list) => Some(list.items.len()),
            Self::Map(map) => Some(map.entries.len()),
            Self::Lead(values) => Some(values.len()),
            Self::Undefined => Some(0),
            _ => None,
        }
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self, Self::List(_) | Self::Json(Value::Array(_)))
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self, Self::Map(_) | Self::Lead(_) | Self::Json(Value::Object(_)))
    }

    /// What a loop over the value sees: items, keys or characters. None of what cannot be looped over.
    pub(super) fn items(&self, budget: &Budget) -> Result<Option<Vec<Self>>, Fail> {
        budget.work(self.length(budget)?.unwrap_or_default().saturating_mul(ITEM))?;
        Ok(Some(match self {
            Self::Undefined => Vec::new(),
            Self::List(list) => list.items.clone(),
            Self::Json(Value::Array(items)) => items.iter().map(Self::of).collect(),
            Self::Text(text) => {
                let chars = text.read(budget)?.chars();
                let items = chars.map(|c| Self::made(c.encode_utf8(&mut [0; 4]), budget));
                items.collect::<Result<_, _>>()?
            }
            _ => match self.entries(budget)? {
                Some(entries) => entries.into_iter().map(|entry| Self::Text(entry.key)).collect(),
                None => return Ok(None),
            },
        }))
    }

    /// Entries of an object, by key; none of anything else.
    pub(super) fn entries(&self, budget: &Budget) -> Result<Option<Vec<Entry<'r>>>, Fail> {
        if !self.is_map() {
            return Ok(None);
        }
        budget.work(self.count().unwrap_or_default().saturating_mul(ITEM))?;
        let of = |key: &'r str, value: &'r Value| Entry {
            key: Text::borrowed(key),
            value: Self::of(value),
        };
        Ok(match self {
            Self::Json(Value::Object(entries)) => Some(entries.iter().map(|(key, value)| of(key, value)).collect()),
            Self::Lead(values) => Some(values.iter().map(|(key, value)| of(key, value)).collect()),
            Self::Map(map) => {
                let mut entries = Vec::with_capacity(map.entries.len());
                for (key, value) in &map.entries {
                    entries.push(Entry {
                        key: Text::made(key, budget)?,
                        value: value.clone(),
                    });
                }
                Some(entries)
            }
            _ => None,
        })
    }

    /// What an object has under a key.
    pub(super) fn member(&self, key: &str, budget: &Budget) -> Result<Self, Fail> {
        budget.search(key.len(), self.count().unwrap_or_default())?;
        let found = match self {
            Self::Json(Value::Object(entries)) => entries.get(key).map(Self::of),
            Self::Lead(values) => values.get(key).map(Self::of),
            Self::Map(map) => map.entries.get(key).cloned(),
            Self::Loop(list, at) => loop_member(list, *at, key),
            _ => None,
        };
        Ok(found.unwrap_or(Self::Undefined))
    }

    pub(super) fn item(&self, place: usize) -> Self {
        let found = match self {
            Self::List(list) => list.items.get(place).cloned(),
            Self::Json(Value::Array(items)) => items.get(place).map(Self::of),
            _ => None,
        };
        found.unwrap_or(Self::Undefined)
    }
}

fn loop_member<'r>(list: &List<'r>, at: usize, key: &str) -> Option<Val<'r>> {
    let number = |number: usize| i128::try_from(number).ok().map(Val::Int);
    let length = list.items.len();
    match key {
        "index" => number(at + 1),
        "index0" => number(at),
        "revindex" => number(length.saturating_sub(at)),
        "revindex0" => number(length.saturating_sub(at + 1)),
        "length" => number(length),
        "first" => Some(Val::Bool(at == 0)),
        "last" => Some(Val::Bool(at + 1 == length)),
        "previtem" => at.checked_sub(1).and_then(|before| list.items.get(before)).cloned(),
        "nextitem" => list.items.get(at + 1).cloned(),
        _ => None,
    }
}

fn deeper<'x, 'r: 'x>(values: impl Iterator<Item = &'x Val<'r>>, budget: &Budget) -> Result<usize, Fail> {
    let mut depth = 1;
    for value in values {
        depth = depth.max(1 + value.depth(budget)?);
    }
    if depth > MAX_DEPTH {
        Err(Fail::TooDeep)
    } else {
        Ok(depth)
    }
}

/// Values of leads were parsed to a limited depth, so this may recurse.
fn json_depth(value: &Value, budget: &Budget) -> Result<usize, Fail> {
    budget.work(1)?;
    let mut depth = 0;
    match value {
        Value::Array(items) => {
            depth = 1;
            for item in items {
                depth = depth.max(1 + json_depth(item, budget)?);
            }
        }
        Value::Object(entries) => {
            depth = 1;
            for item in entries.values() {
                depth = depth.max(1 + json_depth(item, budget)?);
            }
        }
        _ => {}
    }
    Ok(depth)
}
