//! Changing flows.

use async_graphql::{Context, Object, SimpleObject};
use entity::ids::{FlowId, SourceId, StepId};

use super::Flow;
use super::inputs::{AddSourceInput, AddStepInput, UpdateFlowInput, UpdateSourceInput, UpdateStepInput};
use crate::context::app_and_caller;
use crate::payload::{DeletePayload, UserError, outcome};
use leadmesh_core::error::Result;
use leadmesh_flows::manage::CreateFlow;
use leadmesh_flows::{SavedFlow, manage, revisions, sources, steps};
use leadmesh_network::account_sources;
use leadmesh_network::buyer_steps;

/// Result of a change to a flow.
#[derive(SimpleObject)]
pub struct FlowPayload {
    /// The updated flow; null if nothing changed.
    flow: Option<Flow>,
    /// Consequences of the change, such as a profile that names a removed field.
    warnings: Vec<String>,
    /// Business rules that the input broke.
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
    /// Creates a flow with one source of the account's own, named Default. The FREE plan has only the Inbox.
    async fn create_flow(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The flow.")] input: CreateFlow,
    ) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        FlowPayload::new(manage::create(app, caller, input).await)
    }

    /// Changes a flow. Applies from the next lead on. Requires MEMBER or above, or an API key with MANAGE.
    async fn update_flow(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: UpdateFlowInput,
    ) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        FlowPayload::new(manage::update(app, caller, input.id, input.changes).await)
    }

    /// Enables or disables a flow. A disabled flow rejects every lead with `FLOW_DISABLED`. The Inbox of an account on
    /// the FREE plan cannot be disabled. Requires MEMBER or above, or an API key with MANAGE.
    async fn set_flow_enabled(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the flow.")] id: FlowId,
        #[graphql(desc = "Whether the flow accepts leads.")] enabled: bool,
    ) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        FlowPayload::new(manage::set_enabled(app, caller, id, enabled).await)
    }

    /// Deletes a flow with its sources and steps. Its leads stay. The Inbox cannot be deleted, nor a flow chosen to
    /// receive over a connection (`IN_USE`). Requires MEMBER or above, or an API key with MANAGE.
    async fn delete_flow(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the flow.")] id: FlowId,
    ) -> Result<DeletePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        DeletePayload::of(manage::delete(app, caller, id).await.map(|()| id))
    }

    /// Restores a flow with its sources and steps to a version, as a new revision. Refused if the account may no longer
    /// have those settings. Requires MEMBER or above, or an API key with MANAGE.
    async fn revert_flow(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the flow.")] id: FlowId,
        #[graphql(desc = "A version from the flow's history.")] version: i32,
    ) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        FlowPayload::new(revisions::revert(app, caller, id, version).await)
    }

    /// Adds a source to a flow: one of the account's own, or a connected account that submits with its own credentials.
    /// A flow has at most 100 sources, and each partner once. Requires MEMBER or above, or an API key with MANAGE.
    async fn add_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The source.")] input: AddSourceInput,
    ) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let partner = input.partner();
        FlowPayload::new(account_sources::add(app, caller, input.source, partner).await)
    }

    /// Changes a source. Applies from the next lead on. Requires MEMBER or above, or an API key with MANAGE.
    async fn update_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: UpdateSourceInput,
    ) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        FlowPayload::new(sources::update(app, caller, input.id, input.changes).await)
    }

    /// Removes a source; it can no longer submit. Its leads stay. Requires MEMBER or above, or an API key with MANAGE.
    async fn remove_source(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the source.")] id: SourceId,
    ) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        FlowPayload::new(sources::remove(app, caller, id).await)
    }

    /// Adds a step to a flow. A flow has at most 50 steps. Requires MEMBER or above, or an API key with MANAGE.
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

    /// Changes a step; its kind stays the same. Requires MEMBER or above, or an API key with MANAGE.
    async fn update_step(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: UpdateStepInput,
    ) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let mut input = input;
        let (id, invite) = (input.id, input.take_invitation());
        FlowPayload::new(buyer_steps::update(app, caller, id, input.into(), invite).await)
    }

    /// Enables or disables a step. Leads pass a disabled step unchanged. Requires MEMBER or above, or an API key with
    /// MANAGE.
    async fn set_step_enabled(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the step.")] id: StepId,
        #[graphql(desc = "Whether leads pass through the step.")] enabled: bool,
    ) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        FlowPayload::new(steps::set_enabled(app, caller, id, enabled).await)
    }

    /// Removes a step. Requires MEMBER or above, or an API key with MANAGE.
    async fn remove_step(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the step.")] id: StepId,
    ) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        FlowPayload::new(steps::remove(app, caller, id).await)
    }

    /// Moves a step within its flow. Requires MEMBER or above, or an API key with MANAGE.
    async fn move_step(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the step.")] id: StepId,
        #[graphql(desc = "Position among the steps, from 0. Values beyond either end mean that end.")] position: i32,
    ) -> Result<FlowPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        FlowPayload::new(steps::move_to(app, caller, id, position).await)
    }
}
