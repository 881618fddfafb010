//! Trying out what would become of a lead.

use async_graphql::{Context, ID, Json, Object, SimpleObject};
use entity::lead::LeadOutcome;
use serde_json::Value;

use super::context::app_and_caller;
use super::ids::id_or_unknown;
use super::outcome::{LeadReason, TraceEntry};
use super::partner::Partner;
use crate::error::{Error, Result};
use crate::leads::simulate::{Simulation, SimulationInput, simulate};

/// What would become of a lead if it were submitted now.
#[derive(SimpleObject)]
pub struct RoutingSimulation {
    /// Whether it would be taken.
    outcome: LeadOutcome,
    /// Every reason for which it would not be; empty when it would.
    reasons: Vec<LeadReason>,
    /// What its sender would be told besides.
    warnings: Vec<LeadReason>,
    /// Who would get it, in the order of being chosen.
    would_deliver_to: Vec<Partner>,
    /// The decision, step by step: every rule, cap and partner that was looked at, and its verdict.
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
    /// What would become of a lead if it were submitted now, with the verdict of a submission. Nothing is stored, counted or
    /// sent. Takes the right to read both setup and leads; a flow or source that the account does not have is `NOT_FOUND`.
    async fn simulate_submission(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "To which flow of the account.")] flow_id: ID,
        #[graphql(
            desc = "Through which of its sources; null means the account's first own source of the flow that is enabled."
        )]
        source_id: Option<ID>,
        #[graphql(desc = "Values by the sender's field names, as a JSON object.")] fields: Json<Value>,
    ) -> Result<RoutingSimulation> {
        let (app, caller) = app_and_caller(ctx).await?;
        let Value::Object(fields) = fields.0 else {
            return Err(Error::BadInput(
                "fields is a JSON object of values by field name".into(),
            ));
        };
        let input = SimulationInput {
            flow: id_or_unknown(&flow_id),
            source: source_id.as_ref().map(id_or_unknown),
            fields,
        };
        Ok(simulate(app, caller, input).await?.into())
    }
}
