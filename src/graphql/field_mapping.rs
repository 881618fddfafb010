//! Which fields somebody gets, and under which names.

use async_graphql::{InputObject, SimpleObject};
use entity::delivery_config::{self, FieldSelectionMode};

/// A renaming of one field between two sides.
#[derive(Clone, Debug, SimpleObject)]
pub struct FieldMapping {
    /// The name that the sender uses.
    pub from: String,
    /// The name on the receiving side.
    pub to: String,
}

/// A renaming of one field between two sides.
#[derive(Clone, Debug, InputObject)]
pub struct FieldMappingInput {
    /// The name that the sender uses.
    pub from: String,
    /// The name on the receiving side.
    pub to: String,
}

/// Which fields of a lead a recipient gets.
#[derive(Clone, Debug, SimpleObject)]
pub struct FieldSelection {
    /// How `fields` is read.
    pub mode: FieldSelectionMode,
    /// Names of the flow's fields; empty when the mode is ALL.
    pub fields: Vec<String>,
}

/// Which fields of a lead a recipient gets.
#[derive(Clone, Debug, InputObject)]
pub struct FieldSelectionInput {
    /// How `fields` is read.
    pub mode: FieldSelectionMode,
    /// Names of fields, at most 500; one that no flow of the account has is `UNKNOWN_FIELD`. Needed when the mode is ONLY, without
    /// effect when it is ALL.
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
