//! Recording changes in the history of a flow.

use entity::flow_revision::{self, ActiveModel, Entity};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter, Set};

use crate::contents::Contents;
use crate::snapshot::RevisionSnapshot;
use leadmesh_core::audit::Actor;
use leadmesh_core::clock::Clock;
use leadmesh_core::error::Result;

/// The newest revisions of a flow that are kept.
const KEPT: i32 = 1_000;
/// The same for a deleted flow, and for an account whose settings are near their limit.
const LEAST_KEPT: i32 = 20;

/// Adds a revision.
pub(super) async fn record(
    clock: &Clock,
    tx: &DatabaseTransaction,
    contents: &Contents,
    actor: &Actor,
    summary: String,
) -> Result<()> {
    let row = ActiveModel {
        id: Set(clock.id()),
        account_id: Set(contents.flow.account_id),
        flow_id: Set(contents.flow.id),
        version: Set(contents.flow.version),
        at: Set(contents.flow.updated_at),
        actor_kind: Set(actor.kind),
        actor_id: Set(actor.id.clone()),
        actor_name: Set(actor.name.clone()),
        summary: Set(summary),
        snapshot: Set(serde_json::to_value(RevisionSnapshot::of(contents))?),
    };
    Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

/// Records a flow before its first change, so that one can revert to it. The Inbox comes with the account and without history.
pub(super) async fn record_first(clock: &Clock, tx: &DatabaseTransaction, contents: &Contents) -> Result<()> {
    let flow = &contents.flow;
    let recorded = Entity::in_account(flow.account_id)
        .filter(flow_revision::Column::FlowId.eq(flow.id))
        .filter(flow_revision::Column::Version.eq(flow.version));
    if recorded.count(tx).await? > 0 {
        return Ok(());
    }
    record(clock, tx, contents, &Actor::system(), format!("Made {}", flow.name)).await
}

/// Deletes old revisions; `few` says whether there is little room.
pub(super) async fn delete_old(tx: &DatabaseTransaction, flow: &entity::flow::Model, few: bool) -> Result<()> {
    let kept = if few { LEAST_KEPT } else { KEPT };
    let old = Entity::before(flow.account_id, flow.id, flow.version.saturating_sub(kept));
    old.exec(tx).await?;
    Ok(())
}
