//! What a portal user may do, as a partner grants it to new ones and as each has it.

use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// Permission of a portal user.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PortalPermission {
    /// See the leads.
    ViewLeads,
    /// Download leads as CSV.
    Export,
    /// Accept and reject leads.
    Review,
    /// Request a return.
    Return,
    /// Change contact data.
    EditContact,
    /// Change how leads are delivered.
    EditDelivery,
}

/// What a portal user may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Permissions(pub Vec<PortalPermission>);
