//! A revision of a flow: the whole of it after one change.

use crate::audit_event::ActorKind;
use crate::ids::{AccountId, FlowId, RevisionId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{FromQueryResult, QuerySelect};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "flow_revision")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RevisionId,
    /// Whose.
    pub account_id: AccountId,
    /// Which flow.
    pub flow_id: FlowId,
    /// The flow's version after the change.
    pub version: i32,
    /// When.
    pub at: DateTime<Utc>,
    /// Who, by kind.
    pub actor_kind: ActorKind,
    /// Who, by public identifier.
    pub actor_id: Option<String>,
    /// Who, as shown then.
    pub actor_name: String,
    /// What changed, in words.
    pub summary: String,
    /// The flow with its sources and steps.
    pub snapshot: Json,
}

/// A revision without the flow itself, which may be large: for lists, which load it only where it is asked for.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct Head {
    /// Identifier.
    pub id: RevisionId,
    /// Whose.
    pub account_id: AccountId,
    /// The flow's version after the change.
    pub version: i32,
    /// When.
    pub at: DateTime<Utc>,
    /// Who, by kind.
    pub actor_kind: ActorKind,
    /// Who, by public identifier.
    pub actor_id: Option<String>,
    /// Who, as shown then.
    pub actor_name: String,
    /// What changed, in words.
    pub summary: String,
}

crate::no_relations!();

impl Entity {
    /// Rows of one account.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }

    /// The columns of [`Head`].
    pub fn heads(select: Select<Self>) -> Select<Self> {
        let columns = [
            Column::Id,
            Column::AccountId,
            Column::Version,
            Column::At,
            Column::ActorKind,
            Column::ActorId,
            Column::ActorName,
            Column::Summary,
        ];
        select.select_only().columns(columns)
    }

    /// Forgets what a flow was at a version and before.
    pub fn before(account: AccountId, flow: FlowId, version: i32) -> sea_orm::DeleteMany<Self> {
        Self::delete_many()
            .filter(Column::AccountId.eq(account))
            .filter(Column::FlowId.eq(flow))
            .filter(Column::Version.lte(version))
    }
}
