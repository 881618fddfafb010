//! A stand-in, to be replaced by the file of the same name.

use async_graphql::{ID, Object};
use entity::profile;

/// Picks partners for a lead.
pub struct DistributionProfile(pub profile::Model);

impl From<profile::Model> for DistributionProfile {
    fn from(row: profile::Model) -> Self {
        Self(row)
    }
}

/// Picks partners for a lead.
#[Object]
impl DistributionProfile {
    /// Identifier.
    async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// As shown.
    async fn name(&self) -> &str {
        &self.0.name
    }
}
