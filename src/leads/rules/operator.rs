//! The operators, and which of them fit which type of field.

use entity::field::FieldType;
use serde::{Deserialize, Serialize};

use super::scalar::Family;

/// How a condition looks at a field. Which operators fit depends on the field's type.
#[derive(async_graphql::Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[graphql(name = "RuleOperator", display)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Operator {
    /// The value is this one. Fits every type but JSON. Takes one value of the field's type.
    Equals,
    /// The value is another than this one, or empty or invalid. Fits text, numbers and dates. Takes one value.
    NotEquals,
    /// The value has this text in it. Fits text. Takes a text.
    Contains,
    /// The value does not have this text in it, or is empty or invalid. Fits text. Takes a text.
    NotContains,
    /// The value begins with this text. Fits text. Takes a text.
    StartsWith,
    /// The value ends with this text. Fits text. Takes a text.
    EndsWith,
    /// The value is one of these. Fits text and numbers. Takes a list of 1 to 1,000 values.
    In,
    /// The value is none of these, or is empty or invalid. Fits text and numbers. Takes a list of 1 to 1,000 values.
    NotIn,
    /// The value has a match for this regular expression anywhere in it, in any case of letters; `^` and `$` tie the
    /// pattern to the ends. Fits text. Takes a pattern of up to 500 characters (1,000 when its repetitions are written
    /// out), without evaluation-around and back-references.
    Matches,
    /// The value is above (for dates: after) this one. Fits numbers and dates. Takes one value.
    GreaterThan,
    /// The value is this one or above (for dates: after) it. Fits numbers and dates. Takes one value.
    GreaterOrEqual,
    /// The value is below (for dates: before) this one. Fits numbers and dates. Takes one value.
    LessThan,
    /// The value is this one or below (for dates: before) it. Fits numbers and dates. Takes one value.
    LessOrEqual,
    /// The value is from the first to the second, both included. Fits numbers and dates. Takes a list of two values,
    /// the lower one first.
    Between,
    /// The value is before this one. Fits dates. Takes a date (YYYY-MM-DD), or for DATETIME an RFC 3339 time, where a
    /// date alone means its first instant in UTC.
    Before,
    /// The value is after this one. Fits dates. Takes a date (YYYY-MM-DD), or for DATETIME an RFC 3339 time, where a
    /// date alone means its first instant in UTC.
    After,
    /// There is no value: the field is absent, null, blank, or an empty list or object. Fits every type. Takes no value.
    IsEmpty,
    /// There is a value, valid or not. Fits every type. Takes no value.
    IsNotEmpty,
    /// The value is true. Fits BOOLEAN. Takes no value.
    IsTrue,
    /// The value is false; an empty or invalid one is neither true nor false. Fits BOOLEAN. Takes no value.
    IsFalse,
    /// There is a value, and it is of the field's type. Fits every type. Takes no value.
    IsValid,
    /// There is a value, and it is not of the field's type. Fits every type. Takes no value.
    IsInvalid,
}

use Operator::{
    After, Before, Between, Contains, EndsWith, Equals, GreaterOrEqual, GreaterThan, In, IsEmpty, IsFalse, IsInvalid,
    IsNotEmpty, IsTrue, IsValid, LessOrEqual, LessThan, Matches, NotContains, NotEquals, NotIn, StartsWith,
};

const EVERY: &[Operator] = &[IsEmpty, IsNotEmpty, IsValid, IsInvalid];
const TEXT: &[Operator] = &[
    Equals,
    NotEquals,
    Contains,
    NotContains,
    StartsWith,
    EndsWith,
    In,
    NotIn,
    Matches,
];
const NUMBER: &[Operator] = &[
    Equals,
    NotEquals,
    In,
    NotIn,
    GreaterThan,
    GreaterOrEqual,
    LessThan,
    LessOrEqual,
    Between,
];
const DATE: &[Operator] = &[
    Equals,
    NotEquals,
    Before,
    After,
    Between,
    GreaterThan,
    GreaterOrEqual,
    LessThan,
    LessOrEqual,
];
const BOOLEAN: &[Operator] = &[IsTrue, IsFalse, Equals];

impl Operator {
    /// The operators that fit a type of field.
    pub fn fitting(field_type: FieldType) -> impl Iterator<Item = Self> {
        let own = match Family::of(field_type) {
            Family::Text => TEXT,
            Family::Number => NUMBER,
            Family::Date | Family::Instant => DATE,
            Family::Boolean => BOOLEAN,
            Family::Json => &[],
        };
        own.iter().chain(EVERY).copied()
    }

    /// Whether this operator may evaluation at a field of this type.
    pub fn fits(self, field_type: FieldType) -> bool {
        Self::fitting(field_type).any(|fitting| fitting == self)
    }

    /// Whether a condition with this operator has a value to compare with.
    pub fn takes_value(self) -> bool {
        !EVERY.contains(&self) && !matches!(self, IsTrue | IsFalse)
    }

    /// Whether this operator holds exactly when its opposite does not.
    pub(super) fn is_negated(self) -> bool {
        matches!(self, NotEquals | NotContains | NotIn | IsNotEmpty)
    }
}
