//! What the rules of a flow take, compiled: found out before a change of the flow begins, so that nothing is compiled while others
//! wait for its transaction.

use entity::ids::{AccountId, FlowId, SourceId, StepId};
use entity::{flow, source, step};
use sea_orm::{ColumnTrait, QueryFilter};

use super::contents::Contents;
use super::usage::{named_rules, parsed};
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_forms::rules::{Rule, Weighed};

/// Which flow is changed, as the change names it.
#[derive(Clone, Copy, Debug)]
pub enum Of {
    /// One that is not there yet.
    New,
    /// This one.
    Flow(FlowId),
    /// That of this source.
    Source(SourceId),
    /// That of this step.
    Step(StepId),
}

/// Compiles the patterns of these rules, which a change is to save, and with them those that the flow has already. Nothing is done
/// for rules without patterns, nor for a flow that is not the caller's: the change says so.
pub async fn weigh(app: &App, caller: &Caller, of: Of, rules: Vec<&Rule>) -> Result<Weighed> {
    if rules.iter().all(|rule| rule.patterns().next().is_none()) {
        return Ok(Weighed::default());
    }
    let account = caller.require(Action::ManageFlows)?;
    let mut all: Vec<Rule> = rules.into_iter().cloned().collect();
    if let Some(flow) = flow_of(app, account, of).await? {
        all.extend(stored(app, account, flow).await?);
    }
    Ok(Weighed::of(all).await)
}

async fn flow_of(app: &App, account: AccountId, of: Of) -> Result<Option<FlowId>> {
    let db = app.db.read();
    Ok(match of {
        Of::New => None,
        Of::Flow(id) => Some(id),
        Of::Source(id) => {
            let source = source::Entity::in_account(account).filter(source::Column::Id.eq(id));
            source.one(db).await?.map(|source| source.flow_id)
        }
        Of::Step(id) => {
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

/// All rules of a flow that can be read.
pub(super) fn rules_of(contents: &Contents) -> Vec<Rule> {
    named_rules(contents)
        .into_iter()
        .filter_map(|(_, rule)| parsed(rule))
        .collect()
}
