//! Values as text and as JSON. Every part is paid for before it is written, so that writing ends where the budget does.

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::text::{MAX_TEXT, Text};
use super::value::Val;
use super::{Fail, Overrun};
use crate::templates::Budget;
use crate::templates::text::{float_text, json_size, json_within};

/// Units of work for the digits of a number.
const NUMBER: usize = 8;

impl<'r> Val<'r> {
    /// The value as people read it, as the output has it.
    pub(super) fn text(&self, budget: &Budget) -> Result<Text<'r>, Fail> {
        let made = match self {
            Self::Text(text) => return Ok(text.clone()),
            Self::Undefined | Self::None | Self::Loop(..) => return Ok(Text::borrowed("")),
            Self::Bool(truth) => return Ok(Text::borrowed(if *truth { "true" } else { "false" })),
            Self::Int(number) => {
                budget.work(NUMBER)?;
                number.to_string()
            }
            Self::Float(number) => {
                budget.work(NUMBER)?;
                float_text(*number)
            }
            _ => text(self, budget)?,
        };
        Text::made(&made, budget)
    }
}

/// Compact JSON as a text that the template goes on with.
pub(super) fn text(value: &Val<'_>, budget: &Budget) -> Result<String, Fail> {
    let json = json_within(&Paid { value, budget }, MAX_TEXT).map_err(|_refused| {
        if budget.work_left() == 0 {
            Overrun::Work.into()
        } else {
            Fail::TooLong
        }
    })?;
    String::from_utf8(json).map_err(|_not_text| Fail::Misfit)
}

/// Compact JSON that goes into the output, which it has to fit.
pub(super) fn output(value: &Val<'_>, budget: &Budget) -> Result<String, Fail> {
    let json = json_within(&Paid { value, budget }, budget.bytes_left()).map_err(|_refused| over(budget))?;
    String::from_utf8(json).map_err(|_not_text| Fail::Misfit)
}

/// The value for a custom shape, counted as it will be written.
pub(super) fn value(value: &Val<'_>, budget: &Budget) -> Result<Value, Fail> {
    let paid = Paid { value, budget };
    let size = json_size(&paid, budget.bytes_left()).ok_or_else(|| over(budget))?;
    budget.write(size)?;
    serde_json::to_value(&paid).map_err(|_refused| {
        if budget.work_left() == 0 {
            Overrun::Work.into()
        } else {
            Fail::Misfit
        }
    })
}

/// Why JSON could not be written. What did not fit has used up the output, so that it is not tried again.
fn over(budget: &Budget) -> Fail {
    if budget.work_left() == 0 {
        return Overrun::Work.into();
    }
    budget.no_more_output().into()
}

/// A value and what pays for it.
struct Paid<'x, 'r> {
    value: &'x Val<'r>,
    budget: &'x Budget,
}

impl<'x, 'r> Paid<'x, 'r> {
    fn part(&self, value: &'x Val<'r>) -> Self {
        Self {
            value,
            budget: self.budget,
        }
    }
}

impl<'x> Serialize for Paid<'x, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let budget = self.budget;
        let json = |value: &'x Value| PaidJson { value, budget };
        budget.work(1).map_err(refused)?;
        match self.value {
            Val::Undefined | Val::None | Val::Loop(..) => serializer.serialize_unit(),
            Val::Bool(truth) => serializer.serialize_bool(*truth),
            Val::Int(number) => whole(*number, serializer),
            Val::Float(number) => serializer.serialize_f64(*number),
            Val::Text(text) => serializer.serialize_str(text.read(budget).map_err(refused)?),
            Val::Json(value) => json(value).serialize(serializer),
            Val::List(list) => {
                let mut seq = serializer.serialize_seq(Some(list.items.len()))?;
                for item in &list.items {
                    seq.serialize_element(&self.part(item))?;
                }
                seq.end()
            }
            Val::Map(map) => {
                let mut out = serializer.serialize_map(Some(map.entries.len()))?;
                for (key, value) in &map.entries {
                    budget.text(key.len()).map_err(refused)?;
                    out.serialize_entry(key, &self.part(value))?;
                }
                out.end()
            }
            Val::Lead(values) => entries(
                values.len(),
                values.iter().map(|(key, value)| (key, json(value))),
                serializer,
            ),
        }
    }
}

/// A value of the lead and what pays for it.
#[derive(Clone, Copy)]
struct PaidJson<'x> {
    value: &'x Value,
    budget: &'x Budget,
}

impl<'x> Serialize for PaidJson<'x> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let budget = self.budget;
        let of = |value: &'x Value| PaidJson { value, budget };
        budget.work(1).map_err(refused)?;
        match self.value {
            Value::Array(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(&of(item))?;
                }
                seq.end()
            }
            Value::Object(object) => entries(
                object.len(),
                object.iter().map(|(key, value)| (key.as_str(), of(value))),
                serializer,
            ),
            Value::String(text) => {
                budget.text(text.len()).map_err(refused)?;
                serializer.serialize_str(text)
            }
            other => other.serialize(serializer),
        }
    }
}

fn entries<'x, S: Serializer>(
    length: usize,
    entries: impl Iterator<Item = (&'x str, PaidJson<'x>)>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut out = serializer.serialize_map(Some(length))?;
    for (key, value) in entries {
        value.budget.text(key.len()).map_err(refused)?;
        out.serialize_entry(key, &value)?;
    }
    out.end()
}

/// What happened is told by the budget.
fn refused<E: serde::ser::Error>(_fail: impl Into<Fail>) -> E {
    E::custom("the budget is used up")
}

#[expect(clippy::cast_precision_loss, reason = "JSON has no larger whole numbers")]
fn whole<S: Serializer>(number: i128, serializer: S) -> Result<S::Ok, S::Error> {
    match (i64::try_from(number), u64::try_from(number)) {
        (Ok(number), _) => serializer.serialize_i64(number),
        (_, Ok(number)) => serializer.serialize_u64(number),
        _ => serializer.serialize_f64(number as f64),
    }
}
