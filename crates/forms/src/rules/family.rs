//! Families of field types: types whose values compare in the same way.

use entity::field::FieldType;

/// How values of a field compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Text,
    Number,
    Date,
    Instant,
    Boolean,
    /// Values do not compare.
    Json,
}

impl Family {
    pub(super) fn of(field_type: FieldType) -> Self {
        match field_type {
            FieldType::Text
            | FieldType::Email
            | FieldType::Phone
            | FieldType::Url
            | FieldType::PostalCode
            | FieldType::State
            | FieldType::Country
            | FieldType::Choice
            | FieldType::IpAddress => Self::Text,
            FieldType::Number | FieldType::Integer => Self::Number,
            FieldType::Date => Self::Date,
            FieldType::Datetime => Self::Instant,
            FieldType::Boolean => Self::Boolean,
            FieldType::Json => Self::Json,
        }
    }
}
