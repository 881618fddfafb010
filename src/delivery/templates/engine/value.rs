//! Values while a template is rendered. What a template makes is shared, never copied; what the lead has is borrowed.

use std::ops::Deref;
use std::rc::Rc;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::Fail;
use crate::delivery::templates::text::{float_text, json_size, json_within};
use crate::delivery::templates::{Budget, Values};

/// Levels of lists and objects within one another, those of the lead's value included: stored JSON is read to 127.
const MAX_DEPTH: usize = 100;
/// Units of work for an item of a list that is made.
const ITEM: usize = 4;

/// A value.
#[derive(Clone)]
pub(super) enum Val<'r> {
    Undefined,
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Text<'r>),
    /// A list or object of the lead.
    Json(&'r Value),
    List(Rc<List<'r>>),
    Map(Rc<Map<'r>>),
    /// All values that the template may see.
    Lead(&'r Values<'r>),
    /// What `loop` stands for: the items, and which one it is.
    Loop(Rc<List<'r>>, usize),
}

/// A text of the lead, of the template or made by it.
#[derive(Clone)]
pub(super) enum Text<'r> {
    Borrowed(&'r str),
    Made(Rc<str>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Made(text) => text,
        }
    }
}

/// A list that was made.
pub(super) struct List<'r> {
    pub(super) items: Vec<Val<'r>>,
    depth: usize,
}

/// An object that was made, by key.
pub(super) struct Map<'r> {
    pub(super) entries: std::collections::BTreeMap<Box<str>, Val<'r>>,
    depth: usize,
}

/// An entry of an object.
pub(super) struct Entry<'r> {
    pub(super) key: Text<'r>,
    pub(super) value: Val<'r>,
}

impl<'r> Val<'r> {
    pub(super) fn of(value: &'r Value) -> Self {
        match value {
            Value::Null => Self::None,
            Value::Bool(truth) => Self::Bool(*truth),
            Value::String(text) => Self::Text(Text::Borrowed(text)),
            Value::Number(number) => {
                let whole = number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
                whole.map_or_else(|| Self::Float(number.as_f64().unwrap_or_default()), Self::Int)
            }
            Value::Array(_) | Value::Object(_) => Self::Json(value),
        }
    }

    /// A text that has been paid for.
    pub(super) fn made(text: &str) -> Self {
        Self::Text(Text::Made(text.into()))
    }

    /// A list of values.
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
            budget.text(entry.key.len())?;
            map.insert(Box::from(&*entry.key), entry.value);
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
            _ => self.length() != Some(0),
        }
    }

    /// Items of a list, entries of an object, characters of a text.
    pub(super) fn length(&self) -> Option<usize> {
        match self {
            Self::Text(text) => Some(text.chars().count()),
            Self::Json(Value::Array(items)) => Some(items.len()),
            Self::Json(Value::Object(entries)) => Some(entries.len()),
            Self::List(list) => Some(list.items.len()),
            Self::Map(map) => Some(map.entries.len()),
            Self::Lead(values) => Some(values.iter().count()),
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
        if let Self::Text(text) = self {
            budget.text(text.len())?;
        }
        budget.work(self.length().unwrap_or_default().saturating_mul(ITEM))?;
        Ok(Some(match self {
            Self::Undefined => Vec::new(),
            Self::List(list) => list.items.clone(),
            Self::Json(Value::Array(items)) => items.iter().map(Self::of).collect(),
            Self::Text(text) => text.chars().map(|c| Self::made(c.encode_utf8(&mut [0; 4]))).collect(),
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
        budget.work(self.length().unwrap_or_default().saturating_mul(ITEM))?;
        let of = |key: &'r str, value: &'r Value| Entry {
            key: Text::Borrowed(key),
            value: Self::of(value),
        };
        Ok(match self {
            Self::Json(Value::Object(entries)) => Some(entries.iter().map(|(key, value)| of(key, value)).collect()),
            Self::Lead(values) => Some(values.iter().map(|(key, value)| of(key, value)).collect()),
            Self::Map(map) => {
                let mut entries = Vec::with_capacity(map.entries.len());
                for (key, value) in &map.entries {
                    budget.text(key.len())?;
                    entries.push(Entry {
                        key: Text::Made(Rc::from(&**key)),
                        value: value.clone(),
                    });
                }
                Some(entries)
            }
            _ => None,
        })
    }

    /// What an object has under a key.
    pub(super) fn member(&self, key: &str) -> Self {
        let found = match self {
            Self::Json(Value::Object(entries)) => entries.get(key).map(Self::of),
            Self::Lead(values) => values.get(key).map(Self::of),
            Self::Map(map) => map.entries.get(key).cloned(),
            Self::Loop(list, at) => loop_member(list, *at, key),
            _ => None,
        };
        found.unwrap_or(Self::Undefined)
    }

    /// The item at a place.
    pub(super) fn item(&self, place: usize) -> Self {
        let found = match self {
            Self::List(list) => list.items.get(place).cloned(),
            Self::Json(Value::Array(items)) => items.get(place).map(Self::of),
            _ => None,
        };
        found.unwrap_or(Self::Undefined)
    }

    /// The value as people read it, as the output has it.
    pub(super) fn text(&self, budget: &Budget) -> Result<Text<'r>, Fail> {
        let made = match self {
            Self::Text(text) => return Ok(text.clone()),
            Self::Undefined | Self::None | Self::Loop(..) => return Ok(Text::Borrowed("")),
            Self::Bool(truth) => return Ok(Text::Borrowed(if *truth { "true" } else { "false" })),
            Self::Int(number) => number.to_string(),
            Self::Float(number) => float_text(*number),
            _ => self.json_text(budget)?,
        };
        budget.text(made.len())?;
        Ok(Text::Made(made.into()))
    }

    /// The value as compact JSON, which is paid for by who asks.
    pub(super) fn json_text(&self, budget: &Budget) -> Result<String, Fail> {
        let json = json_within(self, budget.longest_text()).map_err(|_too_long| super::Overrun::Work)?;
        String::from_utf8(json).map_err(|_not_text| Fail::Misfit)
    }

    /// The value for a custom shape, counted as it will be written.
    pub(super) fn into_json(self, budget: &Budget) -> Result<Value, Fail> {
        let size = json_size(&self, budget.bytes_left());
        budget.write(size.unwrap_or(usize::MAX))?;
        serde_json::to_value(&self).map_err(|_not_json| Fail::Misfit)
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

impl Serialize for Val<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Undefined | Self::None | Self::Loop(..) => serializer.serialize_unit(),
            Self::Bool(truth) => serializer.serialize_bool(*truth),
            Self::Int(number) => whole(*number, serializer),
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Json(value) => value.serialize(serializer),
            Self::List(list) => {
                let mut seq = serializer.serialize_seq(Some(list.items.len()))?;
                for item in &list.items {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Self::Map(map) => {
                let mut out = serializer.serialize_map(Some(map.entries.len()))?;
                for (key, value) in &map.entries {
                    out.serialize_entry(key, value)?;
                }
                out.end()
            }
            Self::Lead(values) => serializer.collect_map(values.iter()),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "JSON has no larger whole numbers")]
fn whole<S: Serializer>(number: i128, serializer: S) -> Result<S::Ok, S::Error> {
    match (i64::try_from(number), u64::try_from(number)) {
        (Ok(number), _) => serializer.serialize_i64(number),
        (_, Ok(number)) => serializer.serialize_u64(number),
        _ => serializer.serialize_f64(number as f64),
    }
}
