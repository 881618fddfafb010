//! Sources of sellers: connected accounts that deliver into a flow. The system makes one for each receiving flow and connection, named
//! after the seller. Their owner may set rules, mappings and caps, or disable them.

use entity::account::{self, Plan};
use entity::ids::{AccountId, ConnectionId, FlowId};
use entity::source::{self, SourceKind};
use entity::{connection_side, flow};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, IntoActiveModel, QueryFilter, Set};

use super::sources::blank;
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Actor, Entry};
use leadmesh_core::error::Result;
use leadmesh_core::identity::accounts;

/// The flow that takes leads from a connection: the choice of a PAID account, else the Inbox. A choice that is gone is not replaced by the
/// Inbox, which may be set up for other leads.
pub async fn receiving_flow(
    db: &impl ConnectionTrait,
    account: &account::Model,
    connection: ConnectionId,
) -> Result<Option<FlowId>> {
    let chosen = match account.plan {
        Plan::Paid => connection_side::Entity::of(connection, account.id).one(db).await?,
        Plan::Free => None,
    };
    let flows = flow::Entity::in_account(account.id);
    let wanted = match chosen.and_then(|side| side.receiving_flow_id) {
        Some(flow) => flows.filter(flow::Column::Id.eq(flow)),
        None => flows.filter(flow::Column::IsInbox.eq(true)),
    };
    Ok(wanted.one(db).await?.map(|flow| flow.id))
}

/// Makes the source for a seller in a transaction of its own, unless it exists.
pub async fn make_source(app: &App, connection: ConnectionId, buyer: AccountId, seller: AccountId) -> Result<()> {
    let tx = app.db.begin().await?;
    ensure_source(&tx, app, connection, seller, buyer).await?;
    tx.commit().await?;
    Ok(())
}

/// Makes the source for a seller in the buyer's receiving flow, unless it exists. Restores one that a revert has removed.
pub async fn ensure_source(
    tx: &DatabaseTransaction,
    app: &App,
    connection: ConnectionId,
    seller: AccountId,
    buyer: AccountId,
) -> Result<()> {
    let owner = accounts::lock(tx, buyer).await?;
    let Some(into) = receiving_flow(tx, &owner, connection).await? else {
        return Ok(());
    };
    let made = source::Entity::of_seller(into, connection).one(tx).await?;
    if made.as_ref().is_some_and(|source| source.deleted_at.is_none()) {
        return Ok(());
    }
    let Some(flow) = flow::Entity::by_id(into).one(tx).await? else {
        return Ok(());
    };
    let Some(sender) = account::Entity::by_id(seller).one(tx).await? else {
        return Ok(());
    };
    let source = match made {
        Some(source) => {
            let mut back = source.into_active_model();
            back.deleted_at = Set(None);
            back.update(tx).await?
        }
        None => new_source(tx, app, &flow, connection, &sender).await?,
    };
    accounts::touch_config(tx, buyer).await?;
    record(tx, app, &source, &sender).await
}

async fn new_source(
    tx: &DatabaseTransaction,
    app: &App,
    flow: &flow::Model,
    connection: ConnectionId,
    sender: &account::Model,
) -> Result<source::Model> {
    let others = source::Entity::of_flow(flow.id).all(tx).await?;
    let row = source::Model {
        sender_account_id: Some(sender.id),
        connection_id: Some(connection),
        position: others.iter().map(|source| source.position + 1).max().unwrap_or(0),
        ..blank(app, flow, SourceKind::Seller, sender.name.clone())
    };
    Ok(row.into_active_model().insert(tx).await?)
}

async fn record(tx: &DatabaseTransaction, app: &App, source: &source::Model, sender: &account::Model) -> Result<()> {
    let entry = Entry {
        action: "source.added",
        subject_type: "AccountSource",
        subject_id: source.id.to_string(),
        label: Some(&source.name),
        changes: None,
    };
    audit::record(
        tx,
        &app.clock,
        source.account_id,
        &Actor::partner_account(sender),
        entry,
    )
    .await
}
