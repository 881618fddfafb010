//! What one side of a connection keeps of it for itself. The other side never sees it.

use crate::connection;
use crate::ids::{AccountId, ConnectionId, FlowId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{QuerySelect, QueryTrait};

/// A row: there are two for each connection.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "connection_side")]
pub struct Model {
    /// Which connection.
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    /// Whose side.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    /// What it is for.
    pub purpose: Option<String>,
    /// Whom to ask there.
    pub contact_name: Option<String>,
    /// Theirs.
    pub contact_email: Option<String>,
    /// Anything else.
    pub notes: Option<String>,
    /// Leads a day, both directions together, that this side expects.
    pub expected_daily_volume: Option<i32>,
    /// Which of this side's flows the partner's buyer steps deliver into; the inbox if none.
    pub receiving_flow_id: Option<FlowId>,
    /// When somebody of this side last looked it through.
    pub last_reviewed_at: Option<DateTime<Utc>>,
}

crate::no_relations!();

impl Entity {
    /// One side of one connection.
    pub fn of(connection: ConnectionId, account: AccountId) -> Select<Self> {
        Self::find_by_id((connection, account))
    }

    /// The sides of connections that have not ended and deliver into a flow by its account's choice.
    pub fn receiving_into(account: AccountId, flow: FlowId) -> Select<Self> {
        let live = connection::Entity::of_account(account)
            .filter(connection::Column::Status.ne(connection::ConnectionStatus::Terminated))
            .select_only()
            .column(connection::Column::Id);
        Self::in_account(account)
            .filter(Column::ReceivingFlowId.eq(flow))
            .filter(Column::ConnectionId.in_subquery(live.into_query()))
    }

    /// One account's side of all its connections.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }
}
