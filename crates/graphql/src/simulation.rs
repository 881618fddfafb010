//! Trying out what would become of a lead.

use async_graphql::{Context, Json, Object, SimpleObject};
use entity::ids::{FlowId, SourceId};
use entity::lead::LeadOutcome;
use serde_json::Value;

use super::context::app_and_caller;
use super::outcome::{LeadReason, TraceEntry};
use super::partner::Partner;
use leadmesh_core::error::{Error, Result};
use leadmesh_leads::simulate::{Simulation, SimulationInput, simulate};

/// A simulated submission.
#[derive(SimpleObject)]
pub struct RoutingSimulation {
    /// Outcome that the lead would get.
    outcome: LeadOutcome,
    /// All reasons why it would not be accepted; empty if it would.
    reasons: Vec<LeadReason>,
    /// Warnings that the sender would get.
    warnings: Vec<LeadReason>,
    /// Partners that would receive the lead, in the order of choice.
    would_deliver_to: Vec<Partner>,
    /// The decision step by step: every rule, cap and partner checked, with the verdict.
    trace: Vec<TraceEntry>,
}

impl From<Simulation> for RoutingSimulation {
    fn from(simulation: Simulation) -> Self {
        Self {
            outcome: simulation.outcome,
            reasons: simulation.reasons.into_iter().map(LeadReason::from).collect(),
            warnings: simulation.warnings.into_iter().map(LeadReason::from).collect(),
            would_deliver_to: simulation.partners.into_iter().map(Partner::from).collect(),
            trace: simulation.trace.into_iter().map(TraceEntry::from).collect(),
        }
    }
}

/// The part of queries that tries leads out.
#[derive(Default)]
pub struct SimulationQuery;

#[Object]
impl SimulationQuery {
    /// Decides about a lead as if it were submitted now, without storing, counting or sending anything. Requires the
    /// right to read both settings and leads. An unknown flow or source is `NOT_FOUND`.
    async fn simulate_submission(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of a flow of the account.")] flow_id: FlowId,
        #[graphql(
            desc = "Identifier of one of the flow's sources. Null means the account's first enabled source of its own."
        )]
        source_id: Option<SourceId>,
        #[graphql(desc = "Values by the sender's field names, as a JSON object.")] fields: Json<Value>,
    ) -> Result<RoutingSimulation> {
        let (app, caller) = app_and_caller(ctx).await?;
        let Value::Object(fields) = fields.0 else {
            return Err(Error::BadInput(
                "Give `fields` as a JSON object of values by field name.".into(),
            ));
        };
        let input = SimulationInput {
            flow: flow_id,
            source: source_id,
            fields,
        };
        Ok(simulate(app, caller, input).await?.into())
    }
}
