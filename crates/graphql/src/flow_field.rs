//! The fields of a flow.

use async_graphql::SimpleObject;
use entity::field::{FieldDef, FieldType};

/// A field of a lead, as a flow defines it.
#[derive(Clone, Debug, SimpleObject)]
pub struct FlowField {
    /// Name that senders, rules and templates use. Unique in the flow.
    name: String,
    /// Label in forms, tables and CSV headers.
    label: String,
    /// Type of the field. Decides which values are accepted and how they are stored.
    #[graphql(name = "type")]
    field_type: FieldType,
    /// Whether a lead without a valid value is rejected.
    required: bool,
    /// Whether values are encrypted at rest and shown only to callers who may reveal them.
    encrypted: bool,
    /// Accepted values of a CHOICE field; null for other types.
    choices: Option<Vec<String>>,
    /// A valid value, for the submission docs.
    example: Option<String>,
    /// What senders should know about the field.
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
