//! An entry of the append-only audit trail.

use crate::ids::{AccountId, AuditEventId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{Iterable, QuerySelect};
use serde::{Deserialize, Serialize};

/// Kind of actor.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ActorKind {
    /// A user of the account.
    User,
    /// An API key of the account.
    ApiKey,
    /// A portal user of a partner.
    PortalUser,
    /// A connected account.
    PartnerAccount,
    /// Leadmesh itself or its operator.
    System,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_event")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AuditEventId,
    /// Whose trail.
    pub account_id: AccountId,
    /// When.
    pub at: DateTime<Utc>,
    /// Who, by kind.
    pub actor_kind: ActorKind,
    /// Who, by public identifier.
    pub actor_id: Option<String>,
    /// Who, as shown then.
    pub actor_name: String,
    /// What, as `noun.verb`.
    pub action: String,
    /// The GraphQL type of what it was done to.
    pub subject_type: String,
    /// Its public identifier.
    pub subject_id: String,
    /// Its name then.
    pub subject_label: Option<String>,
    /// What changed; never a secret or a lead's values.
    pub changes: Option<Json>,
    /// Address of the caller.
    pub ip: Option<String>,
}

crate::no_relations!();

impl Entity {
    /// Rows of one account.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }

    /// The same without what was changed, which is none in these: for lists, which load it only where it is asked for.
    pub fn without_changes(select: Select<Self>) -> Select<Self> {
        let others = Column::iter().filter(|column| !matches!(column, Column::Changes));
        select
            .select_only()
            .columns(others)
            .expr_as(Expr::cust("NULL"), "changes")
    }
}
