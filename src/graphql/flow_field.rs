//! The fields of a flow.

use async_graphql::SimpleObject;
use entity::field::{FieldDef, FieldType};

/// One field of a lead, as a flow defines it.
#[derive(Clone, Debug, SimpleObject)]
pub struct FlowField {
    /// The name that senders, rules and templates use; unique in its flow.
    name: String,
    /// What people read in forms, tables and CSV headers.
    label: String,
    /// What it holds: decides which values are accepted and how they are stored.
    #[graphql(name = "type")]
    field_type: FieldType,
    /// Whether a lead without a valid value is rejected.
    required: bool,
    /// Whether its values are encrypted at rest and shown only to those who may reveal them.
    encrypted: bool,
    /// The accepted values of a CHOICE field; null for every other type.
    choices: Option<Vec<String>>,
    /// A valid value, for the submission docs.
    example: Option<String>,
    /// What senders should know about it.
    description: Option<String>,
}

impl From<FieldDef> for FlowField {
    fn from(field: FieldDef) -> Self {
        Self {
            name: field.name,
            label: field.label,
            field_type: field.field_type,
            required: field.required,
            encrypted: field.encrypted,
            choices: field.choices,
            example: field.example,
            description: field.description,
        }
    }
}
