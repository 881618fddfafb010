//! Compiled sizes of a flow's patterns. They are measured before a change begins, so that nothing is compiled while others wait for its
//! transaction.

use entity::ids::{AccountId, FlowId, SourceId, StepId};
use entity::{flow, source, step};
use sea_orm::{ColumnTrait, QueryFilter};

use super::contents::Contents;
use super::stored_rules::rules_of;
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_forms::rules::{PatternSizes, Rule};

/// How a change names its flow.
#[derive(Clone, Copy, Debug)]
pub enum FlowRef {
    New,
    Flow(FlowId),
    Source(SourceId),
    Step(StepId),
}

/// Compiles the patterns of the rules that a change will save, and of those that the flow has already. Does nothing for rules without
/// patterns, and for a flow that is not the caller's, which the change will refuse.
pub async fn measure_patterns(app: &App, caller: &Caller, flow: FlowRef, rules: Vec<&Rule>) -> Result<PatternSizes> {
    if rules.iter().all(|rule| rule.patterns().next().is_none()) {
        return Ok(PatternSizes::default());
    }
    let account = caller.require(Action::ManageFlows)?;
    let mut all: Vec<Rule> = rules.into_iter().cloned().collect();
    if let Some(flow) = flow_of(app, account, flow).await? {
        all.extend(stored(app, account, flow).await?);
    }
    Ok(PatternSizes::measure(all).await)
}

async fn flow_of(app: &App, account: AccountId, flow: FlowRef) -> Result<Option<FlowId>> {
    let db = app.db.read();
    Ok(match flow {
        FlowRef::New => None,
        FlowRef::Flow(id) => Some(id),
        FlowRef::Source(id) => {
            let source = source::Entity::in_account(account).filter(source::Column::Id.eq(id));
            source.one(db).await?.map(|source| source.flow_id)
        }
        FlowRef::Step(id) => {
            let step = step::Entity::in_account(account).filter(step::Column::Id.eq(id));
            step.one(db).await?.map(|step| step.flow_id)
        }
    })
}

async fn stored(app: &App, account: AccountId, id: FlowId) -> Result<Vec<Rule>> {
    let db = app.db.read();
    let flow = flow::Entity::in_account(account).filter(flow::Column::Id.eq(id));
    let Some(flow) = flow.one(db).await? else {
        return Ok(Vec::new());
    };
    let contents = Contents {
        flow,
        sources: source::Entity::of_flow(id).all(db).await?,
        steps: step::Entity::of_flow(id).all(db).await?,
    };
    Ok(rules_of(&contents))
}
