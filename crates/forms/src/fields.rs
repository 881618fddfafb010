//! What the fields of a lead mean: definitions, and raw values made canonical.
//!
//! Everything here is a pure function of its arguments. Messages say what is wrong and what is expected, and never
//! repeat the value: it may be personal data, and messages go to logs and other accounts.

use std::borrow::Cow;

use entity::field::{FieldDef, FieldType};
use serde_json::Value;

mod boolean;
mod calendar;
mod choice;
mod country;
mod date;
mod datetime;
pub mod decimal;
mod definition;
mod email;
mod fold;
mod json;
mod number;
mod phone;
mod postal;
mod search;
mod state;
mod text;
mod web;

pub use calendar::MONTHS;
pub use choice::{MAX_CHOICE_CHARS, MAX_CHOICES};
pub use definition::{
    DefinitionProblem, MAX_DESCRIPTION_CHARS, MAX_FIELDS, MAX_LABEL_CHARS, MAX_NAME_CHARS, check_definitions,
};
pub use email::MAX_EMAIL_BYTES;
pub use json::{MAX_JSON_BYTES, MAX_JSON_DEPTH};
pub use phone::load_phone_plans;
pub use search::{MAX_SEARCH_KEY_CHARS, NAME_FIELDS, search_key, search_key_email, search_key_name, search_key_phone};
pub use text::MAX_TEXT_CHARS;
pub use web::MAX_URL_BYTES;

/// What typing made of one raw value.
#[derive(Clone, Debug, PartialEq)]
pub enum TypedValue {
    /// Null, or text of nothing but white space: as if the field were not there.
    Empty,
    /// The canonical value. Typing it again gives the same value.
    Valid(Value),
    /// What is wrong and what is expected, for the sender to read.
    Invalid(String),
}

/// What the rest of a lead says about how to read a value.
#[derive(Clone, Copy, Debug, Default)]
pub struct TypingContext<'a> {
    /// The country for phones, postal codes, states and the order of day and month: ISO 3166-1 alpha-2, though any
    /// spelling of the COUNTRY type will do. The United States if `None`. If it is no country at all, national phone
    /// numbers are invalid and the generic rules for postal codes and states apply.
    pub country: Option<&'a str>,
}

impl TypingContext<'_> {
    pub fn alpha2(&self) -> &'static str {
        self.country
            .map_or("US", |text| country::code(text.trim()).unwrap_or_default())
    }
}

/// Makes one raw value canonical by the definition of its field.
///
/// Every type but JSON takes text, number or boolean, whichever the sender's system happens to produce; a list or
/// object is invalid, and so is text of more than [`MAX_TEXT_CHARS`] characters or with NUL in it. Whether an empty or
/// invalid value rejects the lead is for the caller to decide, who also keeps the raw value.
pub fn type_value(def: &FieldDef, raw: &Value, context: &TypingContext<'_>) -> TypedValue {
    match read(def, raw, context) {
        Ok(None) => TypedValue::Empty,
        Ok(Some(value)) => TypedValue::Valid(value),
        Err(message) => TypedValue::Invalid(message),
    }
}

/// The code that a rule means by a state or country in any spelling, by the tables that leads are read with; none if they lack it.
pub fn code_of(field_type: FieldType, text: &str) -> Option<&'static str> {
    match field_type {
        FieldType::State => state::code(text),
        FieldType::Country => country::code(text),
        _ => None,
    }
}

fn read(def: &FieldDef, raw: &Value, context: &TypingContext<'_>) -> Result<Option<Value>, String> {
    if def.field_type == FieldType::Json {
        return json::read(raw);
    }
    let Some(text) = text::of(raw)? else {
        return Ok(None);
    };
    let country = context.alpha2();
    let value = match def.field_type {
        FieldType::Text | FieldType::Json => text.into(),
        FieldType::Email => email::read(&text)?.into(),
        FieldType::Phone => phone::read(raw, &text, country)?.into(),
        FieldType::Url => web::read_url(&text)?.into(),
        FieldType::Number => number::read(raw, &text)?,
        FieldType::Integer => number::read_integer(raw, &text)?,
        FieldType::Boolean => boolean::read(&text)?.into(),
        FieldType::Date => date::read(&text, country)?.into(),
        FieldType::Datetime => datetime::read(&text, country)?.into(),
        FieldType::PostalCode => postal::read(raw, &text, country)?.into(),
        FieldType::State => state::read(&text, country)?.into(),
        FieldType::Country => Cow::Borrowed(country::read(&text)?).into(),
        FieldType::Choice => choice::read(&text, def.choices.as_deref())?.into(),
        FieldType::IpAddress => web::read_ip(&text)?.into(),
    };
    Ok(Some(value))
}

#[cfg(test)]
mod tests;
