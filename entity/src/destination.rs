//! The health of a destination that has failed lately; no row means healthy.

use crate::ids::{AccountId, PartnerId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "destination")]
pub struct Model {
    /// Whose destination.
    #[sea_orm(primary_key, auto_increment = false)]
    pub partner_id: PartnerId,
    /// Whose partner.
    pub account_id: AccountId,
    /// Attempts since the last success.
    pub consecutive_failures: i32,
    /// Paused until then.
    pub open_until: Option<DateTime<Utc>>,
    /// When.
    pub last_failure_at: DateTime<Utc>,
    /// What it said.
    pub last_error: String,
}

/// Relations are deliberately absent: rows are loaded by scoped finders, never by joins that could leave their account.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// Rows of one account.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }
}
