//! Which fields a recipient gets, and under which names.

use async_graphql::InputObject;
use entity::delivery_config::{FieldSelection, FieldSelectionMode};

/// Which fields of a lead a recipient gets.
#[derive(Clone, Debug, InputObject)]
pub struct FieldSelectionInput {
    /// How `fields` is read.
    pub mode: FieldSelectionMode,
    /// Names of fields, at most 500. A name that no flow of the account has is `UNKNOWN_FIELD`. Required for the mode
    /// ONLY; ignored for ALL.
    pub fields: Option<Vec<String>>,
}

impl From<FieldSelectionInput> for FieldSelection {
    fn from(input: FieldSelectionInput) -> Self {
        Self {
            mode: input.mode,
            fields: input.fields.unwrap_or_default(),
        }
    }
}

/// Converts every entry of a list.
pub fn each<T, U: From<T>>(list: impl IntoIterator<Item = T>) -> Vec<U> {
    list.into_iter().map(U::from).collect()
}
