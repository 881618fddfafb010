//! Counts of refused submissions, by hour.

use std::collections::{BTreeMap, HashMap};

use entity::ids::{AccountId, FlowId};
use entity::{flow, refused_attempt};
use sea_orm::Set;

use leadmesh_core::database::Db;
use leadmesh_core::deferred_counters::RefusedSubmission;
use leadmesh_core::error::Result;

/// Adds the counts. Unknown flows have none: their identifiers were guessed, or they are deleted.
pub(super) async fn write(db: &Db, counted: &BTreeMap<RefusedSubmission, i64>) -> Result<()> {
    if counted.is_empty() {
        return Ok(());
    }
    let flows = flow::Entity::named(counted.keys().map(|attempt| attempt.flow));
    let owners: HashMap<FlowId, AccountId> = flows
        .all(db.read())
        .await?
        .into_iter()
        .map(|flow| (flow.id, flow.account_id))
        .collect();
    let row = |(attempt, count): (&RefusedSubmission, &i64)| {
        Some(refused_attempt::ActiveModel {
            flow_id: Set(attempt.flow),
            sender_account_id: Set(attempt.sender),
            hour: Set(attempt.hour),
            account_id: Set(*owners.get(&attempt.flow)?),
            attempts: Set(*count),
        })
    };
    let rows: Vec<_> = counted.iter().filter_map(row).collect();
    if !rows.is_empty() {
        refused_attempt::Entity::add(db.write(), rows).await?;
    }
    Ok(())
}
