//! Changing connections.

use async_graphql::{Context, Object};
use entity::ids::ConnectionId;

use super::ConnectionPayload;
use super::inputs::{AnswerRelationshipTypeInput, ReceivingFlowInput, RelationshipTypeInput, UpdateConnectionInput};
use crate::context::app_and_caller;
use leadmesh_core::error::Result;
use leadmesh_network::connections::{self, BY_ID, BY_INPUT, InputPaths};
use leadmesh_network::relationship::ConnectionAction;

/// Changing connections.
#[derive(Default)]
pub struct AccountLinkMutation;

#[Object]
impl AccountLinkMutation {
    /// Changes what the caller's side records about a connection: purpose, contact, notes, expected volume. Requires
    /// OWNER or ADMIN.
    async fn update_connection(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The connection and the changes.")] input: UpdateConnectionInput,
    ) -> Result<ConnectionPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        ConnectionPayload::of(connections::update(app, caller, input.id, input.changes).await)
    }

    /// Requests another relationship. A narrower one takes effect immediately; a wider one waits in `requestedType` for
    /// the partner's answer. Requesting the current relationship withdraws a request; requesting what the partner
    /// requested accepts it. Errors: `NOT_CONNECTED`, CONFLICT. Requires OWNER or ADMIN.
    async fn request_relationship_type(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The connection and the relationship.")] input: RelationshipTypeInput,
    ) -> Result<ConnectionPayload> {
        moved(
            ctx,
            input.connection_id,
            BY_INPUT,
            ConnectionAction::Request(input.relationship_type),
        )
        .await
    }

    /// Accepts the wider relationship that the partner requested, which takes effect immediately, or declines it.
    /// Errors: `NOT_FOUND` if nothing is requested, CONFLICT for one's own request, `NOT_CONNECTED`. Requires OWNER or
    /// ADMIN.
    async fn answer_relationship_type(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The connection and the answer.")] input: AnswerRelationshipTypeInput,
    ) -> Result<ConnectionPayload> {
        moved(
            ctx,
            input.connection_id,
            BY_INPUT,
            ConnectionAction::Answer(input.accept),
        )
        .await
    }

    /// Chooses the flow that receives the leads of the partner's buyer steps, from the next lead on. Errors:
    /// `PLAN_REQUIRED` on the FREE plan, which receives in the inbox; `DIRECTION_NOT_AGREED`, `NOT_CONNECTED`,
    /// `NOT_FOUND`. Requires OWNER or ADMIN.
    async fn set_receiving_flow(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The connection and the flow.")] input: ReceivingFlowInput,
    ) -> Result<ConnectionPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let changed = connections::set_receiving_flow(app, caller, input.connection_id, input.flow_id);
        ConnectionPayload::of(changed.await)
    }

    /// Records that the connection was reviewed now. Requires OWNER or ADMIN.
    async fn mark_connection_reviewed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the connection.")] id: ConnectionId,
    ) -> Result<ConnectionPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        ConnectionPayload::of(connections::mark_reviewed(app, caller, id).await)
    }

    /// Suspends a connection immediately: no lead goes over it, in either direction, until this side resumes it. Each
    /// side suspends separately. `NOT_CONNECTED` after the connection has ended. Requires OWNER or ADMIN.
    async fn suspend_connection(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the connection.")] id: ConnectionId,
        #[graphql(desc = "Reason for the partner, one line of at most 500 characters.")] reason: Option<String>,
    ) -> Result<ConnectionPayload> {
        moved(ctx, id, BY_ID, ConnectionAction::Suspend(reason)).await
    }

    /// Resumes a connection that this side suspends. It becomes ACTIVE only if the partner does not suspend it too.
    /// CONFLICT if only the partner suspends it. Requires OWNER or ADMIN.
    async fn resume_connection(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the connection.")] id: ConnectionId,
    ) -> Result<ConnectionPayload> {
        moved(ctx, id, BY_ID, ConnectionAction::Resume).await
    }

    /// Ends a connection permanently, immediately and on every node: submissions, deliveries and reads of submission
    /// docs over it are refused from then on, and deliveries in progress are cancelled. Past leads, reports and the
    /// audit log stay. A new invitation can make a new connection. Requires OWNER or ADMIN.
    async fn terminate_connection(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the connection.")] id: ConnectionId,
        #[graphql(desc = "Reason for the partner, one line of at most 500 characters.")] reason: Option<String>,
    ) -> Result<ConnectionPayload> {
        moved(ctx, id, BY_ID, ConnectionAction::Terminate(reason)).await
    }
}

async fn moved(
    ctx: &Context<'_>,
    id: ConnectionId,
    at: InputPaths,
    step: ConnectionAction,
) -> Result<ConnectionPayload> {
    let (app, caller) = app_and_caller(ctx).await?;
    ConnectionPayload::of(connections::change(app, caller, id, at, step).await)
}
