//! What is put in to change connections.

use async_graphql::{InputObject, MaybeUndefined};
use entity::ids::{ConnectionId, FlowId};
use entity::relationship::RelationshipType;

use crate::scalars::EmailAddress;
use leadmesh_network::connections::UpdateSide;

/// What the caller's side records about a connection; omitted fields stay unchanged, null removes a value. The partner
/// sees none of it.
#[derive(InputObject)]
pub struct UpdateConnectionInput {
    /// Identifier of the connection.
    pub(super) id: ConnectionId,
    /// What the connection is for, at most 500 characters.
    purpose: MaybeUndefined<String>,
    /// The contact person at the partner, at most 120 characters.
    contact_name: MaybeUndefined<String>,
    /// The contact's email address.
    contact_email: MaybeUndefined<EmailAddress>,
    /// Notes, at most 5,000 characters.
    notes: MaybeUndefined<String>,
    /// Leads per day, both directions together, that the caller's side expects, 0 to 1,000,000,000. `capacity` compares
    /// them with the traffic.
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

/// Requests another relationship for a connection.
#[derive(InputObject)]
pub struct RelationshipTypeInput {
    /// Identifier of the connection.
    pub(super) connection_id: ConnectionId,
    /// The requested relationship, from the caller's point of view: `RECEIVE_LEADS` means "I receive leads from them".
    pub(super) relationship_type: RelationshipType,
}

/// Answers the partner's request for a wider relationship.
#[derive(InputObject)]
pub struct AnswerRelationshipTypeInput {
    /// Identifier of the connection.
    pub(super) connection_id: ConnectionId,
    /// True to agree, which takes effect immediately; false to keep the relationship as it is.
    pub(super) accept: bool,
}

/// Chooses the receiving flow of a connection.
#[derive(InputObject)]
pub struct ReceivingFlowInput {
    /// Identifier of the connection.
    pub(super) connection_id: ConnectionId,
    /// Identifier of one of the caller's flows.
    pub(super) flow_id: FlowId,
}
