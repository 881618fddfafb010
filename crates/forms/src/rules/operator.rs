//! The operators, and which of them fit which type of field.

use entity::field::FieldType;
use serde::{Deserialize, Serialize};

use super::family::Family;

/// Operator of a condition. Which operators apply depends on the field's type.
#[derive(async_graphql::Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[graphql(name = "RuleOperator", display)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Operator {
    /// The value equals this one. For every type but JSON. Requires a value of the field's type.
    Equals,
    /// The value differs from this one, or is empty or invalid. For text, numbers and dates. Requires a value.
    NotEquals,
    /// The value contains this text. For text. Requires a text.
    Contains,
    /// The value does not contain this text, or is empty or invalid. For text. Requires a text.
    NotContains,
    /// The value starts with this text. For text. Requires a text.
    StartsWith,
    /// The value ends with this text. For text. Requires a text.
    EndsWith,
    /// The value is one of these. For text and numbers. Requires a list of 1 to 1,000 values.
    In,
    /// The value is none of these, or is empty or invalid. For text and numbers. Requires a list of 1 to 1,000 values.
    NotIn,
    /// The value contains a match for this regular expression, case-insensitively; `^` and `$` anchor the pattern. For
    /// text. Requires a pattern of up to 500 characters (1,000 with its repetitions expanded), without look-around and
    /// back-references.
    Matches,
    /// The value is greater (for dates: later) than this one. For numbers and dates. Requires a value.
    GreaterThan,
    /// The value equals this one or is greater (for dates: later). For numbers and dates. Requires a value.
    GreaterOrEqual,
    /// The value is less (for dates: earlier) than this one. For numbers and dates. Requires a value.
    LessThan,
    /// The value equals this one or is less (for dates: earlier). For numbers and dates. Requires a value.
    LessOrEqual,
    /// The value is between two values, inclusive. For numbers and dates. Requires a list of two values, the lower one
    /// first.
    Between,
    /// The value is before this one. For dates. Requires a date (YYYY-MM-DD); for DATETIME an RFC 3339 time, or a date,
    /// which means its first instant in UTC.
    Before,
    /// The value is after this one. For dates. Requires a date (YYYY-MM-DD); for DATETIME an RFC 3339 time, or a date,
    /// which means its first instant in UTC.
    After,
    /// There is no value: the field is absent, null, blank, or an empty list or object. For every type. Without a
    /// value.
    IsEmpty,
    /// There is a value, valid or not. For every type. Without a value.
    IsNotEmpty,
    /// The value is true. For BOOLEAN. Without a value.
    IsTrue,
    /// The value is false. An empty or invalid value is neither true nor false. For BOOLEAN. Without a value.
    IsFalse,
    /// There is a value of the field's type. For every type. Without a value.
    IsValid,
    /// There is a value, but not of the field's type. For every type. Without a value.
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

    pub fn fits(self, field_type: FieldType) -> bool {
        Self::fitting(field_type).any(|fitting| fitting == self)
    }

    /// Whether a condition with this operator has a value.
    pub fn takes_value(self) -> bool {
        !EVERY.contains(&self) && !matches!(self, IsTrue | IsFalse)
    }

    /// Whether the operator is the negation of another one.
    pub(super) fn is_negated(self) -> bool {
        matches!(self, NotEquals | NotContains | NotIn | IsNotEmpty)
    }
}
