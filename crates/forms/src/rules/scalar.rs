//! Single values as they are compared: those of leads, and those of rules.

use std::borrow::Cow;
use std::net::IpAddr;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, SecondsFormat, Utc};
use entity::field::{FieldDef, FieldType};
use rust_decimal::Decimal;
use serde_json::{Number, Value};

use super::MAX_VALUE_CHARS;
use super::brief::{brief, listed};
use super::family::Family;
use super::fold::Folded;
use crate::fields::{code_of, decimal};

/// A value of a family. Two values compare only within one family.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Scalar<'a> {
    Text(Folded<'a>),
    Number(Decimal),
    Date(NaiveDate),
    Instant(DateTime<Utc>),
    Boolean(bool),
}

impl Family {
    pub(super) fn read(self, value: &Value) -> Option<Scalar<'_>> {
        match (self, value) {
            (Self::Text, _) => plain(value).map(Folded).map(Scalar::Text),
            (Self::Number, Value::Number(number)) => decimal_of(number).map(Scalar::Number),
            (Self::Number, Value::String(text)) => decimal_in(text.trim()).map(Scalar::Number),
            (Self::Date, Value::String(text)) => date(text.trim()).map(Scalar::Date),
            (Self::Instant, Value::String(text)) => instant(text.trim()).map(Scalar::Instant),
            (Self::Boolean, Value::Bool(truth)) => Some(Scalar::Boolean(*truth)),
            (Self::Boolean, Value::String(text)) => truth(text.trim()).map(Scalar::Boolean),
            _ => None,
        }
    }
}

impl Scalar<'_> {
    /// Reads the value of a rule for this field, or says what is wrong with it.
    pub(super) fn named(field: &FieldDef, value: &Value) -> Result<Scalar<'static>, String> {
        let family = Family::of(field.field_type);
        if family == Family::Text {
            let text = canonical_text(field, &named_text(value)?)?;
            return Ok(Scalar::Text(Folded(Cow::Owned(bounded(text)?))));
        }
        let read = family.read(value).map(Scalar::into_owned);
        read.filter(|scalar| scalar.suits(field.field_type))
            .ok_or_else(|| wanted(field.field_type, value))
    }

    /// The canonical form of a rule's value.
    pub(super) fn canonical(&self) -> Value {
        match self {
            Self::Text(text) => Value::from(text.0.as_ref()),
            Self::Number(number) => number_json(*number),
            Self::Date(date) => Value::from(date.to_string()),
            Self::Instant(at) => Value::from(at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            Self::Boolean(truth) => Value::from(*truth),
        }
    }

    fn into_owned(self) -> Scalar<'static> {
        match self {
            Self::Text(text) => Scalar::Text(Folded(Cow::Owned(text.0.into_owned()))),
            Self::Number(number) => Scalar::Number(number),
            Self::Date(date) => Scalar::Date(date),
            Self::Instant(at) => Scalar::Instant(at),
            Self::Boolean(truth) => Scalar::Boolean(truth),
        }
    }

    fn suits(&self, field_type: FieldType) -> bool {
        match self {
            Self::Number(number) => field_type != FieldType::Integer || number.fract().is_zero(),
            _ => true,
        }
    }
}

/// A part of text for the operators that search in values.
pub(super) fn named_part(field: &FieldDef, value: &Value) -> Result<String, String> {
    let text = named_text(value)?;
    let part = if field.field_type == FieldType::Phone {
        dialled(&text)
    } else {
        text.into_owned()
    };
    if part.is_empty() {
        return Err("the text to look for is empty".to_owned());
    }
    bounded(part)
}

/// A rule's value as text. Numbers and booleans are taken as they are written.
pub(super) fn named_text(value: &Value) -> Result<Cow<'_, str>, String> {
    match value {
        Value::String(text) => Ok(Cow::Borrowed(text)),
        _ => plain(value).ok_or_else(|| format!("write one text instead of {}", brief(&value.to_string()))),
    }
}

/// The form in which typing stores values of the field, as far as the text alone determines it.
fn canonical_text(field: &FieldDef, text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("the value is empty; use IS_EMPTY to find empty values".to_owned());
    }
    match field.field_type {
        FieldType::Email => Ok(text.to_ascii_lowercase()),
        FieldType::State | FieldType::Country => {
            let code = code_of(field.field_type, text);
            Ok(code.map_or_else(|| text.to_ascii_uppercase(), str::to_owned))
        }
        FieldType::PostalCode => Ok(text.to_ascii_uppercase()),
        FieldType::Phone => Some(dialled(text))
            .filter(|number| !number.is_empty())
            .ok_or_else(|| not_a(text, "phone number")),
        FieldType::IpAddress => {
            let address = text.parse::<IpAddr>().ok();
            address
                .map(|address| address.to_string())
                .ok_or_else(|| not_a(text, "IP address"))
        }
        FieldType::Choice => chosen(field, text),
        _ => Ok(text.to_owned()),
    }
}

/// The matching choice, as the field spells it.
fn chosen(field: &FieldDef, text: &str) -> Result<String, String> {
    let Some(choices) = &field.choices else {
        return Ok(text.to_owned());
    };
    let wanted = Folded(Cow::Borrowed(text));
    let choice = choices
        .iter()
        .find(|choice| Folded(Cow::Borrowed(choice.trim())) == wanted);
    choice.map(|choice| choice.trim().to_owned()).ok_or_else(|| {
        let choices = listed(choices.iter().map(String::as_str));
        format!("\"{}\" is not among the choices; they are: {choices}", brief(text))
    })
}

/// A phone number without separators.
fn dialled(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | '-' | '.' | '/'))
        .collect()
}

fn bounded(text: String) -> Result<String, String> {
    if text.chars().count() > MAX_VALUE_CHARS {
        return Err(format!("the value is longer than {MAX_VALUE_CHARS} characters"));
    }
    Ok(text)
}

fn not_a(text: &str, what: &str) -> String {
    format!("\"{}\" is not a valid {what}", brief(text))
}

fn wanted(field_type: FieldType, value: &Value) -> String {
    let wanted = match field_type {
        FieldType::Number => "a number such as 18 or 0.5, of at most 28 digits",
        FieldType::Integer => "a whole number such as 18, of at most 28 digits",
        FieldType::Date => "a date as YYYY-MM-DD",
        FieldType::Datetime => "a time as 2026-01-31T09:00:00Z (RFC 3339)",
        FieldType::Boolean => "true or false",
        _ => "one text",
    };
    format!("{} does not fit; write {wanted}", brief(&value.to_string()))
}

fn plain(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text.trim())),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(truth) => Some(Cow::Borrowed(if *truth { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn decimal_of(number: &Number) -> Option<Decimal> {
    let whole = number
        .as_i64()
        .map(Decimal::from)
        .or_else(|| number.as_u64().map(Decimal::from));
    whole.or_else(|| decimal_in(&number.to_string()))
}

/// Exact: a text with more digits than a `Decimal` holds is no number here, rather than a rounded one.
fn decimal_in(text: &str) -> Option<Decimal> {
    decimal::exact(text).or_else(|| decimal::scientific(text))
}

/// A JSON number where it is still exact when the stored form is read again, else its text.
fn number_json(number: Decimal) -> Value {
    let text = number.normalize().to_string();
    match serde_json::from_str::<Number>(&text) {
        Ok(json) if decimal_of(&json) == Some(number) => Value::Number(json),
        _ => Value::String(text),
    }
}

/// The date as written, without conversion between time zones. Years have four digits.
fn date(text: &str) -> Option<NaiveDate> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) || text.find('-') != Some(4) {
        return None;
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .or_else(|_| DateTime::parse_from_rfc3339(text).map(|at| at.date_naive()))
        .ok()
}

/// A time without a zone is UTC, and a date alone is its first instant.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(text)
        .map(|at| at.to_utc())
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|at| at.and_utc()));
    let at = at
        .ok()
        .or_else(|| date(text)?.and_hms_opt(0, 0, 0).map(|at| at.and_utc()))?;
    (0..=9999).contains(&at.year()).then_some(at)
}

fn truth(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}
