//! Renamings of fields.

use async_graphql::{InputObject, SimpleObject};
use entity::delivery_config;

/// One field under two names: where a lead passes from one side to another, it is renamed.
#[derive(Clone, Debug, SimpleObject)]
pub struct FieldMapping {
    /// The name that the sender uses.
    from: String,
    /// The name on the receiving side.
    to: String,
}

/// One field under two names: where a lead passes from one side to another, it is renamed.
#[derive(Clone, Debug, InputObject)]
pub struct FieldMappingInput {
    /// The name that the sender uses; at most 200 characters.
    from: String,
    /// The name on the receiving side.
    to: String,
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
