//! Flows: an account's pipelines.

mod inputs;
mod mutations;
pub mod revision;

use async_graphql::{Context, ID, Json, Object};
use chrono::{DateTime, Utc};
use entity::{flow, flow_revision};
use serde_json::Value;

pub use inputs::{AddSourceInput, AddStepInput, CreateFlowInput, UpdateFlowInput, UpdateSourceInput, UpdateStepInput};
pub use mutations::{FlowMutation, FlowPayload};
pub use revision::{FlowRevision, FlowRevisionConnection, FlowRevisionEdge};

use super::cap::Cap;
use super::context::app_and_caller;
use super::flow_counts::FlowCounts;
use super::flow_field::FlowField;
use super::ids::id_or_unknown;
use super::loaders::{self, SourcesOf, StepsOf};
use super::money::Money;
use super::relay::{PageArgs, check_page, connection, page, page_as};
use super::rule;
use super::source::FlowSource;
use super::step::FlowStep;
use super::time_range::TimeRangeInput;
use crate::error::Result;
use crate::flows::read::{self, FlowFilter};
use crate::flows::revisions;
use crate::leads::counts;

/// An account's pipeline.
#[derive(Clone, Debug)]
pub struct Flow(pub flow::Model);

impl From<flow::Model> for Flow {
    fn from(row: flow::Model) -> Self {
        Self(row)
    }
}

/// An account's pipeline: leads come in by its sources, are checked by its fields, rule, duplicates and caps, and go through
/// its steps. A key with `LEADS_READ` alone reads `id`, `name` and `stats`; the rest takes `NETWORK_READ` or MANAGE, wherever it is
/// reached from.
#[Object]
impl Flow {
    /// Identifier.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// As shown; at most 120 characters.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it is for, for the people of the account.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// Whether it takes leads. One that does not rejects every lead with `FLOW_DISABLED`.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }

    /// Whether this is the flow that every account has from its beginning, and that cannot be deleted.
    async fn is_inbox(&self) -> bool {
        self.0.is_inbox
    }

    /// Raised by every change of the flow, its sources and its steps.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// What it knows about a lead, in order. Other fields are dropped with a warning.
    async fn fields(&self) -> Vec<FlowField> {
        self.0.fields.0.iter().cloned().map(FlowField::from).collect()
    }

    /// Who may submit to it, in the order of being added.
    async fn sources(&self, ctx: &Context<'_>) -> Result<Vec<FlowSource>> {
        let rows = loaders::list(ctx, SourcesOf(self.0.account_id, self.0.id)).await?;
        Ok(rows.into_iter().map(FlowSource::from).collect())
    }

    /// Which leads it takes: the canonical form of what was put in as `RuleInput`. Null means all.
    async fn acceptance_rule(&self) -> Option<Json<Value>> {
        self.0.acceptance_rule.clone().map(Json)
    }

    /// The acceptance rule in words.
    async fn acceptance_rule_text(&self) -> Result<Option<String>> {
        let stored = self.0.acceptance_rule.as_ref();
        stored.map(|stored| rule::text(stored, &self.0.fields.0)).transpose()
    }

    /// For how many days two leads with the same values of `duplicateKeys` are duplicates; null means that none are.
    async fn duplicate_window_days(&self) -> Option<i32> {
        self.0.duplicate_window_days
    }

    /// The fields whose values, once normalised, make two leads the same.
    async fn duplicate_keys(&self) -> &[String] {
        &self.0.duplicate_keys.0
    }

    /// Limits of accepted leads.
    async fn caps(&self) -> Vec<Cap> {
        self.0.caps.0.iter().cloned().map(Cap::from).collect()
    }

    /// What a sender is paid for an accepted lead, unless its source has a price of its own.
    async fn price(&self) -> Option<Money> {
        Money::from_columns(self.0.price_e4, self.0.price_currency.clone())
    }

    /// What happens to a lead that it takes, in order.
    async fn steps(&self, ctx: &Context<'_>) -> Result<Vec<FlowStep>> {
        let rows = loaders::list(ctx, StepsOf(self.0.account_id, self.0.id)).await?;
        Ok(rows.into_iter().map(FlowStep::from).collect())
    }

    /// Its revisions, newest first: every change made one.
    #[expect(clippy::too_many_arguments, reason = "a page has four arguments")]
    async fn history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first so many, 1 to 100; 20 by default.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<FlowRevisionConnection> {
        let (app, caller) = app_and_caller(ctx).await?;
        let history = flow_revision::Entity::heads(revisions::history(caller, self.0.id)?);
        let args = PageArgs::new(first, after, last, before);
        let (id, of) = (flow_revision::Column::Id, |row: &flow_revision::Head| row.id.0);
        Ok(page_as(app.db.read(), history, id, of, args).await?.into())
    }

    /// What came in some time and what became of it, tests left out. Takes the right to read leads.
    async fn stats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "By when the leads came.")] range: TimeRangeInput,
    ) -> Result<FlowCounts> {
        let (app, caller) = app_and_caller(ctx).await?;
        let counts = counts::of_flow(app, caller, self.0.id, range.checked()?).await?;
        Ok(counts.into())
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// The last change of it, its sources or its steps.
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
    /// A flow of the account; null when it has none with this identifier.
    async fn flow(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the flow.")] id: ID,
    ) -> Result<Option<Flow>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let flow = read::find(app, caller, id_or_unknown(&id)).await?;
        Ok(flow.map(Flow))
    }

    /// The flows of the account, newest first.
    #[expect(clippy::too_many_arguments, reason = "a page has four arguments beside the filters")]
    async fn flows(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those that take leads, or only those that do not.")] enabled: Option<bool>,
        #[graphql(desc = "Only those with this in their name, in any case of letters.")] search: Option<String>,
        #[graphql(desc = "The first so many, 1 to 100; 20 by default.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
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
