//! Which fields somebody gets, and under which names.

use async_graphql::{InputObject, SimpleObject};
use entity::delivery_config::{self, FieldSelectionMode};

/// Renames one field between sender and receiver.
#[derive(Clone, Debug, SimpleObject)]
pub struct FieldMapping {
    /// The sender's name of the field.
    pub from: String,
    /// The receiver's name of the field.
    pub to: String,
}

/// Renames one field between sender and receiver.
#[derive(Clone, Debug, InputObject)]
pub struct FieldMappingInput {
    /// The sender's name of the field.
    pub from: String,
    /// The receiver's name of the field.
    pub to: String,
}

/// Which fields of a lead a recipient gets.
#[derive(Clone, Debug, SimpleObject)]
pub struct FieldSelection {
    /// How `fields` is read.
    pub mode: FieldSelectionMode,
    /// Names of the flow's fields; empty if the mode is ALL.
    pub fields: Vec<String>,
}

/// Which fields of a lead a recipient gets.
#[derive(Clone, Debug, InputObject)]
pub struct FieldSelectionInput {
    /// How `fields` is read.
    pub mode: FieldSelectionMode,
    /// Names of fields, at most 500. A name that no flow of the account has is `UNKNOWN_FIELD`. Required for the mode
    /// ONLY; ignored for ALL.
    pub fields: Option<Vec<String>>,
}

impl From<delivery_config::FieldMapping> for FieldMapping {
    fn from(mapping: delivery_config::FieldMapping) -> Self {
        Self {
            from: mapping.from,
            to: mapping.to,
        }
    }
}

impl From<FieldMappingInput> for delivery_config::FieldMapping {
    fn from(input: FieldMappingInput) -> Self {
        Self {
            from: input.from,
            to: input.to,
        }
    }
}

impl From<delivery_config::FieldSelection> for FieldSelection {
    fn from(selection: delivery_config::FieldSelection) -> Self {
        Self {
            mode: selection.mode,
            fields: selection.fields,
        }
    }
}

impl From<FieldSelectionInput> for delivery_config::FieldSelection {
    fn from(input: FieldSelectionInput) -> Self {
        Self {
            mode: input.mode,
            fields: input.fields.unwrap_or_default(),
        }
    }
}

/// Every entry of a list in its other form.
pub fn each<T, U: From<T>>(list: impl IntoIterator<Item = T>) -> Vec<U> {
    list.into_iter().map(U::from).collect()
}
