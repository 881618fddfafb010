//! A stand-in, to be replaced by the file of the same name.

use async_graphql::{ID, Object};
use entity::partner;

/// A recipient that an account keeps a record of.
pub struct Partner(pub partner::Model);

impl From<partner::Model> for Partner {
    fn from(row: partner::Model) -> Self {
        Self(row)
    }
}

/// A recipient that an account keeps a record of.
#[Object]
impl Partner {
    /// Identifier.
    async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// As shown.
    async fn name(&self) -> &str {
        &self.0.name
    }
}
