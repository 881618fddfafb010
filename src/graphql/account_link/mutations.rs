//! Changing connections.

use async_graphql::{Context, ID, Object};

use super::ConnectionPayload;
use super::inputs::{AnswerRelationshipTypeInput, ReceivingFlowInput, RelationshipTypeInput, UpdateConnectionInput};
use crate::error::Result;
use crate::graphql::context::app_and_caller;
use crate::graphql::ids::id_or_unknown;
use crate::network::connections::{self, BY_ID, BY_INPUT, InputPaths};
use crate::network::relationship::ConnectionAction;

/// Changing connections.
#[derive(Default)]
pub struct AccountLinkMutation;

#[Object]
impl AccountLinkMutation {
    /// Changes what the caller's side keeps of a connection: purpose, contact, notes, expected volume. Takes an OWNER or ADMIN.
    async fn update_connection(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which connection, and what changes.")] input: UpdateConnectionInput,
    ) -> Result<ConnectionPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let id = id_or_unknown(&input.id);
        ConnectionPayload::of(connections::update(app, caller, id, input.into()).await)
    }

    /// Asks for another relationship. One that is only narrower holds at once; one that is wider waits in `requestedType` for the
    /// partner's answer. Asking for what holds takes a request back; asking for what the partner asked for agrees to it.
    /// `NOT_CONNECTED`, CONFLICT. Takes an OWNER or ADMIN.
    async fn request_relationship_type(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which connection, and what it should be.")] input: RelationshipTypeInput,
    ) -> Result<ConnectionPayload> {
        moved(
            ctx,
            &input.connection_id,
            BY_INPUT,
            ConnectionAction::Request(input.relationship_type),
        )
        .await
    }

    /// Agrees to the wider relationship that the partner asked for, which holds at once, or refuses it. `NOT_FOUND` when nothing is
    /// asked for, CONFLICT for one's own request, `NOT_CONNECTED`. Takes an OWNER or ADMIN.
    async fn answer_relationship_type(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which connection, and the answer.")] input: AnswerRelationshipTypeInput,
    ) -> Result<ConnectionPayload> {
        moved(
            ctx,
            &input.connection_id,
            BY_INPUT,
            ConnectionAction::Answer(input.accept),
        )
        .await
    }

    /// Chooses which of the account's flows the partner's buyer steps deliver into, from the next lead on. `PLAN_REQUIRED` for free
    /// accounts, which have their inbox; `DIRECTION_NOT_AGREED`, `NOT_CONNECTED`, `NOT_FOUND`. Takes an OWNER or ADMIN.
    async fn set_receiving_flow(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which connection, and which flow.")] input: ReceivingFlowInput,
    ) -> Result<ConnectionPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (id, flow) = (id_or_unknown(&input.connection_id), id_or_unknown(&input.flow_id));
        ConnectionPayload::of(connections::set_receiving_flow(app, caller, id, flow).await)
    }

    /// Notes that the connection was looked through now. Takes an OWNER or ADMIN.
    async fn mark_connection_reviewed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which connection.")] id: ID,
    ) -> Result<ConnectionPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        ConnectionPayload::of(connections::mark_reviewed(app, caller, id_or_unknown(&id)).await)
    }

    /// Holds a connection up, at once: no lead goes over it, in either direction, until this side resumes it. Each side does so by
    /// itself. `NOT_CONNECTED` after its end. Takes an OWNER or ADMIN.
    async fn suspend_connection(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which connection.")] id: ID,
        #[graphql(desc = "Why, for the partner: one line of at most 500 characters.")] reason: Option<String>,
    ) -> Result<ConnectionPayload> {
        moved(ctx, &id, BY_ID, ConnectionAction::Suspend(reason)).await
    }

    /// Lets a connection go on that this side holds up. It is ACTIVE again only when the partner does not hold it up either. CONFLICT
    /// when only the partner does. Takes an OWNER or ADMIN.
    async fn resume_connection(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which connection.")] id: ID,
    ) -> Result<ConnectionPayload> {
        moved(ctx, &id, BY_ID, ConnectionAction::Resume).await
    }

    /// Ends a connection for good, at once and on every node: the next submission, delivery or look at submission docs over it is
    /// refused, and what is on its way is cancelled. Past leads, reports and the audit trail stay. A new invitation can make a new
    /// connection. Takes an OWNER or ADMIN.
    async fn terminate_connection(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which connection.")] id: ID,
        #[graphql(desc = "Why, for the partner: one line of at most 500 characters.")] reason: Option<String>,
    ) -> Result<ConnectionPayload> {
        moved(ctx, &id, BY_ID, ConnectionAction::Terminate(reason)).await
    }
}

async fn moved(ctx: &Context<'_>, id: &ID, at: InputPaths, step: ConnectionAction) -> Result<ConnectionPayload> {
    let (app, caller) = app_and_caller(ctx).await?;
    ConnectionPayload::of(connections::change(app, caller, id_or_unknown(id), at, step).await)
}
