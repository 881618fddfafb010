//! What is put in to change connections.

use async_graphql::InputObject;
use entity::ids::{ConnectionId, FlowId};
use entity::relationship::RelationshipType;

use leadmesh_network::connections::UpdateSide;

/// What the caller's side records about a connection; omitted fields stay unchanged, null removes a value. The partner
/// sees none of it.
#[derive(InputObject)]
pub struct UpdateConnectionInput {
    /// Identifier of the connection.
    pub(super) id: ConnectionId,
    #[graphql(flatten)]
    pub(super) changes: UpdateSide,
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
