//! What is put in to change connections.

use async_graphql::{ID, InputObject, MaybeUndefined};
use entity::relationship::RelationshipType;

use crate::graphql::scalars::EmailAddress;
use crate::network::connections::UpdateSide;

/// What the caller's side keeps of a connection; what is left out stays, null takes away. The partner sees none of it.
#[derive(InputObject)]
pub struct UpdateConnectionInput {
    /// Which connection.
    pub(super) id: ID,
    /// What it is for, at most 500 characters.
    purpose: MaybeUndefined<String>,
    /// Whom to ask at the partner, at most 120 characters.
    contact_name: MaybeUndefined<String>,
    /// Their address.
    contact_email: MaybeUndefined<EmailAddress>,
    /// Anything else, at most 5,000 characters.
    notes: MaybeUndefined<String>,
    /// Leads a day, both directions together, that the caller's side expects: 0 to 1,000,000,000. `capacity` compares.
    expected_daily_volume: MaybeUndefined<i32>,
}

impl From<UpdateConnectionInput> for UpdateSide {
    fn from(input: UpdateConnectionInput) -> Self {
        Self {
            purpose: input.purpose,
            contact_name: input.contact_name,
            contact_email: input.contact_email.map_value(|email| email.0),
            notes: input.notes,
            expected_daily_volume: input.expected_daily_volume,
        }
    }
}

/// Another relationship for a connection.
#[derive(InputObject)]
pub struct RelationshipTypeInput {
    /// Which connection.
    pub(super) connection_id: ID,
    /// What it should be, in the caller's own words: `RECEIVE_LEADS` means "I receive leads from them".
    pub(super) relationship_type: RelationshipType,
}

/// An answer to a wider relationship that the partner asked for.
#[derive(InputObject)]
pub struct AnswerRelationshipTypeInput {
    /// Which connection.
    pub(super) connection_id: ID,
    /// True to agree, which holds at once; false to leave everything as it is.
    pub(super) accept: bool,
}

/// Where a partner's buyer steps deliver.
#[derive(InputObject)]
pub struct ReceivingFlowInput {
    /// Which connection.
    pub(super) connection_id: ID,
    /// One of the caller's flows.
    pub(super) flow_id: ID,
}
