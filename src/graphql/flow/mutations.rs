//! Changing flows.

use async_graphql::{Context, ID, Object, SimpleObject};

use super::Flow;
use super::inputs::{
    AddSourceInput, AddStepInput, CreateFlowInput, UpdateFlowInput, UpdateSourceInput, UpdateStepInput,
};
use crate::error::Result;
use crate::flows::{SavedFlow, manage, revisions, sources, steps};
use crate::graphql::context::app_and_caller;
use crate::graphql::ids::id_or_unknown;
use crate::graphql::payload::{DeletePayload, UserError, outcome};
use crate::network::account_sources;
use crate::network::buyer_steps;

/// The answer to a change of a flow.
#[derive(SimpleObject)]
pub struct FlowPayload {
    /// The flow as it is now; null when nothing was changed.
    flow: Option<Flow>,
    /// What the account should know about the change, such as a profile that names a field that has gone.
    warnings: Vec<String>,
    /// Rules that the input broke.
    user_errors: Vec<UserError>,
}

impl FlowPayload {
    fn new(result: Result<SavedFlow>) -> Result<Self> {
        let (changed, user_errors) = outcome(result)?;
        let (flow, warnings) = changed.map(|changed| (Flow(changed.flow), changed.warnings)).unzip();
        Ok(Self {
            flow,
            warnings: warnings.unwrap_or_default(),
            user_errors,
        })
    }
}

/// The flows' part of mutations.
#[derive(Default)]
pub struct FlowMutation;

#[Object]
impl FlowMutation {
    /// Makes a flow with one source of the account's own, named Default. The FREE plan has only the Inbox.
    async fn create_flow(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The flow.")] input: CreateFlowInput,
    ) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        FlowPayload::new(manage::create(app, caller, input.into()).await)
    }

    /// Changes a flow. It holds for the very next lead.
    /// Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn update_flow(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateFlowInput,
    ) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let id = id_or_unknown(&input.id);
        FlowPayload::new(manage::update(app, caller, id, input.into()).await)
    }

    /// Switches a flow on or off. One that is off rejects every lead with `FLOW_DISABLED`. The Inbox of an account on the FREE plan
    /// cannot be switched off.
    /// Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn set_flow_enabled(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which flow.")] id: ID,
        #[graphql(desc = "Whether it takes leads.")] enabled: bool,
    ) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        FlowPayload::new(manage::set_enabled(app, caller, id_or_unknown(&id), enabled).await)
    }

    /// Deletes a flow with its sources and steps. Its leads stay. The Inbox cannot be deleted, nor a flow that was chosen to receive
    /// over a connection (`IN_USE`).
    /// Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn delete_flow(&self, ctx: &Context<'_>, #[graphql(desc = "Which flow.")] id: ID) -> Result<DeletePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (deleted, user_errors) = outcome(manage::delete(app, caller, id_or_unknown(&id)).await)?;
        Ok(DeletePayload {
            deleted_id: deleted.map(|()| id),
            user_errors,
        })
    }

    /// Brings a flow with its sources and steps back to what it was at a version, as a new revision. Refused where the account
    /// may not have that any more.
    /// Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn revert_flow(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which flow.")] id: ID,
        #[graphql(desc = "A version from its history.")] version: i32,
    ) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        FlowPayload::new(revisions::revert(app, caller, id_or_unknown(&id), version).await)
    }

    /// Adds a source to a flow: one of the account's own, or a partner that submits with its own credentials. A flow has at most
    /// 100, and a partner once.
    /// Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn add_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The source.")] input: AddSourceInput,
    ) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let partner = input.partner();
        FlowPayload::new(account_sources::add(app, caller, input.into(), partner).await)
    }

    /// Changes a source. It holds for the very next lead.
    /// Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn update_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateSourceInput,
    ) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let id = id_or_unknown(&input.id);
        FlowPayload::new(sources::update(app, caller, id, input.into()).await)
    }

    /// Removes a source: it may not submit any more. Its leads stay.
    /// Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn remove_source(&self, ctx: &Context<'_>, #[graphql(desc = "Which source.")] id: ID) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        FlowPayload::new(sources::remove(app, caller, id_or_unknown(&id)).await)
    }

    /// Adds a step to a flow; a flow has at most 50.
    /// Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn add_step(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The step.")] input: AddStepInput,
    ) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let mut input = input;
        let invite = input.take_invitation();
        FlowPayload::new(buyer_steps::add(app, caller, input.into(), invite).await)
    }

    /// Changes a step; it keeps its kind.
    /// Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn update_step(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateStepInput,
    ) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let mut input = input;
        let (id, invite) = (id_or_unknown(&input.id), input.take_invitation());
        FlowPayload::new(buyer_steps::update(app, caller, id, (input.into(), invite)).await)
    }

    /// Switches a step on or off; leads pass one that is off as if it were not there.
    /// Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn set_step_enabled(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which step.")] id: ID,
        #[graphql(desc = "Whether leads pass through it.")] enabled: bool,
    ) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        FlowPayload::new(steps::set_enabled(app, caller, id_or_unknown(&id), enabled).await)
    }

    /// Removes a step.
    /// Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn remove_step(&self, ctx: &Context<'_>, #[graphql(desc = "Which step.")] id: ID) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        FlowPayload::new(steps::remove(app, caller, id_or_unknown(&id)).await)
    }

    /// Moves a step to another place among the steps of its flow.
    /// Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn move_step(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which step.")] id: ID,
        #[graphql(desc = "Its place, counted from 0; beyond the ends means there.")] position: i32,
    ) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        FlowPayload::new(steps::move_to(app, caller, id_or_unknown(&id), position).await)
    }
}
