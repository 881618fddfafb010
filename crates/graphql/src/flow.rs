//! Flows: an account's pipelines.

mod inputs;
mod mutations;
pub mod revision;

use async_graphql::{Context, ID, Json, Object};
use chrono::{DateTime, Utc};
use entity::field::FieldDef;
use entity::ids::FlowId;
use entity::{flow, flow_revision};
use serde_json::Value;

pub use inputs::{AddSourceInput, AddStepInput, CreateFlowInput, UpdateFlowInput, UpdateSourceInput, UpdateStepInput};
pub use mutations::{FlowMutation, FlowPayload};
pub use revision::{FlowRevision, FlowRevisionConnection, FlowRevisionEdge};

use super::cap::Cap;
use super::context::app_and_caller;
use super::flow_counts::FlowCounts;
use super::loaders::{self, SourcesOf, StepsOf};
use super::money::Money;
use super::relay::{PageArgs, check_page, connection, page, page_as};
use super::rule;
use super::source::FlowSource;
use super::step::FlowStep;
use super::time_range::TimeRangeInput;
use leadmesh_core::error::Result;
use leadmesh_flows::read::{self, FlowFilter};
use leadmesh_flows::revisions;
use leadmesh_leads::counts;

/// An account's pipeline.
#[derive(Clone, Debug)]
pub struct Flow(pub flow::Model);

impl From<flow::Model> for Flow {
    fn from(row: flow::Model) -> Self {
        Self(row)
    }
}

/// What an account does with leads: sources submit them; fields, rule, duplicate check and caps decide; steps process
/// them. An API key with only `LEADS_READ` reads `id`, `name` and `stats`; all other fields require `NETWORK_READ` or
/// MANAGE, on every path.
#[Object]
impl Flow {
    /// Identifier.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Display name, at most 120 characters.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Purpose of the flow, for the account's users.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// Whether the flow accepts leads. A disabled flow rejects every lead with `FLOW_DISABLED`.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }

    /// Whether this is the Inbox, which every account has and cannot delete.
    async fn is_inbox(&self) -> bool {
        self.0.is_inbox
    }

    /// Version; every change of the flow, its sources or its steps raises it.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// Fields of the flow, in order. Other fields of a lead are dropped with a warning.
    async fn fields(&self) -> Vec<FieldDef> {
        self.0.fields.0.clone()
    }

    /// Sources, in the order in which they were added.
    async fn sources(&self, ctx: &Context<'_>) -> Result<Vec<FlowSource>> {
        let rows = loaders::list(ctx, SourcesOf(self.0.account_id, self.0.id)).await?;
        Ok(rows.into_iter().map(FlowSource::from).collect())
    }

    /// Which leads the flow accepts, in the canonical form of `RuleInput`. Null means all.
    async fn acceptance_rule(&self) -> Option<Json<Value>> {
        self.0.acceptance_rule.clone().map(Json)
    }

    /// The acceptance rule in words.
    async fn acceptance_rule_text(&self) -> Result<Option<String>> {
        let stored = self.0.acceptance_rule.as_ref();
        stored.map(|stored| rule::text(stored, &self.0.fields.0)).transpose()
    }

    /// Days for which leads with equal values of `duplicateKeys` are duplicates. Null means no duplicate check.
    async fn duplicate_window_days(&self) -> Option<i32> {
        self.0.duplicate_window_days
    }

    /// Fields whose equal normalised values make two leads duplicates.
    async fn duplicate_keys(&self) -> &[String] {
        &self.0.duplicate_keys.0
    }

    /// Caps on accepted leads.
    async fn caps(&self) -> Vec<Cap> {
        self.0.caps.0.iter().cloned().map(Cap::from).collect()
    }

    /// Price paid to the sender for an accepted lead, unless its source has its own.
    async fn price(&self) -> Option<Money> {
        Money::from_columns(self.0.price_e4, self.0.price_currency.clone())
    }

    /// Steps that accepted leads pass, in order.
    async fn steps(&self, ctx: &Context<'_>) -> Result<Vec<FlowStep>> {
        let rows = loaders::list(ctx, StepsOf(self.0.account_id, self.0.id)).await?;
        Ok(rows.into_iter().map(FlowStep::from).collect())
    }

    /// Revisions, newest first. Every change makes one.
    async fn history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns the first n entries (1–100). Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Returns only entries after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns the last n entries (1–100).")] last: Option<i32>,
        #[graphql(desc = "Returns only entries before this cursor.")] before: Option<String>,
    ) -> Result<FlowRevisionConnection> {
        let (app, caller) = app_and_caller(ctx).await?;
        let history = flow_revision::Entity::heads(revisions::history(caller, self.0.id)?);
        let args = PageArgs::new(first, after, last, before);
        let (id, of) = (flow_revision::Column::Id, |row: &flow_revision::Head| row.id.0);
        Ok(page_as(app.db.read(), history, id, of, args).await?.into())
    }

    /// Leads submitted in a range, by outcome, without test leads. Requires the right to read leads.
    async fn stats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Range of submission times.")] range: TimeRangeInput,
    ) -> Result<FlowCounts> {
        let (app, caller) = app_and_caller(ctx).await?;
        let counts = counts::of_flow(app, caller, self.0.id, range.checked()?).await?;
        Ok(counts.into())
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When the flow, its sources or its steps last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

connection!(FlowConnection, FlowEdge, Flow, flow::Model, "flows");

/// The flows' part of queries.
#[derive(Default)]
pub struct FlowQuery;

#[Object]
impl FlowQuery {
    /// A flow of the account; null if there is none with this identifier.
    async fn flow(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the flow.")] id: FlowId,
    ) -> Result<Option<Flow>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let flow = read::find(app, caller, id).await?;
        Ok(flow.map(Flow))
    }

    /// Flows of the account, newest first.
    async fn flows(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Flows that accept leads (true) or do not (false).")] enabled: Option<bool>,
        #[graphql(desc = "Flows with this text in their name, in any case.")] search: Option<String>,
        #[graphql(desc = "Returns the first n entries (1–100). Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Returns only entries after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns the last n entries (1–100).")] last: Option<i32>,
        #[graphql(desc = "Returns only entries before this cursor.")] before: Option<String>,
    ) -> Result<FlowConnection> {
        let (app, caller) = app_and_caller(ctx).await?;
        let flows = read::list(caller, &FlowFilter { enabled, search })?;
        let args = PageArgs::new(first, after, last, before);
        let (db, id) = (app.db.read(), flow::Column::Id);
        check_page(db, &flows, id, &args, flow::Entity::LARGE).await?;
        let page = page(db, flows, id, |row| row.id.0, args).await?;
        Ok(page.into())
    }
}
