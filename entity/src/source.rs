//! A source: who may submit to a flow.

use crate::cap_usage::Caps;
use crate::connection;
use crate::delivery_config::FieldMapping;
use crate::ids::{AccountId, ConnectionId, FlowId, InvitationId, SourceId};
use chrono::{DateTime, Utc};
use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect, QueryTrait, UpdateMany};
use serde::{Deserialize, Serialize};

/// Who submits.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SourceKind {
    /// One of the account's own forms or systems.
    Own,
    /// A connected account that submits by itself.
    Account,
    /// A connected account whose buyer steps deliver here; made by the system, and never open to direct submission.
    Seller,
}

/// Renamings of fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Mappings(pub Vec<FieldMapping>);

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "source")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SourceId,
    /// The flow's account.
    pub account_id: AccountId,
    /// Which flow.
    pub flow_id: FlowId,
    /// Own form or system, or connected account.
    pub kind: SourceKind,
    /// As shown.
    pub name: String,
    /// Whether its owner lets it submit. A connected account's needs a connection that lets the sender send as well, so this
    /// is also what a source that waits for an invitation will be once that is accepted.
    pub enabled: bool,
    /// Canonical rule tree, after the flow's.
    pub acceptance_rule: Option<Json>,
    /// The sender's field names to the flow's.
    pub mapping: Mappings,
    /// Limits of accepted leads, after the flow's.
    pub caps: Caps,
    /// Overrides the flow's price; in 1/10,000 of the currency unit.
    pub price_e4: Option<i64>,
    /// ISO 4217.
    pub price_currency: Option<String>,
    /// The connected account, for ACCOUNT and SELLER sources.
    pub sender_account_id: Option<AccountId>,
    /// Its connection.
    pub connection_id: Option<ConnectionId>,
    /// The invitation that it waits for.
    pub invitation_id: Option<InvitationId>,
    /// Order of making.
    pub position: i32,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// Set when removed; leads keep pointing here.
    pub deleted_at: Option<DateTime<Utc>>,
}

crate::no_relations!();

impl Entity {
    /// What may be large of a row.
    pub const LARGE: &'static [Column] = &[Column::AcceptanceRule, Column::Mapping];

    /// Sources of one account, removed ones left out.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find()
            .filter(Column::AccountId.eq(account))
            .filter(Column::DeletedAt.is_null())
    }

    /// Sources of one flow, removed ones left out, in order.
    pub fn of_flow(flow: FlowId) -> Select<Self> {
        Self::find()
            .filter(Column::FlowId.eq(flow))
            .filter(Column::DeletedAt.is_null())
            .order_by_asc(Column::Position)
            .order_by_asc(Column::Id)
    }

    /// The newest of the sources that were removed from a flow, through which somebody has submitted by itself: as many as are looked
    /// through for a repeated submission.
    pub fn removed_from(flow: FlowId) -> Select<Self> {
        Self::find()
            .filter(Column::FlowId.eq(flow))
            .filter(Column::Kind.ne(SourceKind::Seller))
            .filter(Column::DeletedAt.is_not_null())
            .order_by_desc(Column::DeletedAt)
            .limit(100)
    }

    /// The source through which a connected account's buyer steps deliver into a flow, removed or not.
    pub fn of_seller(flow: FlowId, connection: ConnectionId) -> Select<Self> {
        Self::find()
            .filter(Column::FlowId.eq(flow))
            .filter(Column::ConnectionId.eq(connection))
            .filter(Column::Kind.eq(SourceKind::Seller))
    }

    /// Every source that a flow ever had, for reverting.
    pub fn ever_of_flow(flow: FlowId) -> Select<Self> {
        Self::find().filter(Column::FlowId.eq(flow))
    }

    /// Gives drafts of one account, which wait for these invitations, their sender and its connection.
    pub fn link_invited(
        owner: AccountId,
        sender: AccountId,
        connection: ConnectionId,
        invitations: Vec<InvitationId>,
    ) -> UpdateMany<Self> {
        Self::linking(owner, connection)
            .col_expr(Column::SenderAccountId, Expr::value(sender))
            .filter(Column::SenderAccountId.is_null())
            .filter(Column::InvitationId.is_in(invitations))
    }

    /// Gives the sources of one account, through which another one submits, their connection.
    pub fn link(owner: AccountId, sender: AccountId, connection: ConnectionId) -> UpdateMany<Self> {
        Self::linking(owner, connection).filter(Column::SenderAccountId.eq(sender))
    }

    /// Switches off the sources through which an account submitted over a connection that has ended.
    pub fn switch_former_off(owner: AccountId, sender: AccountId) -> UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::Enabled, Expr::value(false))
            .filter(Column::AccountId.eq(owner))
            .filter(Column::SenderAccountId.eq(sender))
            .filter(Column::Kind.eq(SourceKind::Account))
            .filter(Column::ConnectionId.is_not_null())
            .filter(Column::DeletedAt.is_null())
    }

    fn linking(owner: AccountId, connection: ConnectionId) -> UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::ConnectionId, Expr::value(connection))
            .col_expr(Column::InvitationId, Expr::value(Option::<InvitationId>::None))
            .filter(Column::AccountId.eq(owner))
            .filter(Column::Kind.ne(SourceKind::Own))
            .filter(Column::DeletedAt.is_null())
    }

    /// Sources of others that one account may submit through as things are now, whether or not their owners have switched
    /// them off for the moment.
    pub fn opened_to(sender: AccountId) -> Select<Self> {
        let connections = connection::Entity::sending(sender)
            .select_only()
            .column(connection::Column::Id);
        Self::find()
            .filter(Column::Kind.eq(SourceKind::Account))
            .filter(Column::SenderAccountId.eq(sender))
            .filter(Column::DeletedAt.is_null())
            .filter(Column::ConnectionId.in_subquery(connections.into_query()))
    }
}
