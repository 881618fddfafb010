//! A running delivery worker. It owns what it has claimed for as long as it renews this row.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "worker")]
pub struct Model {
    /// A new one at every start, and after every lost lease.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// When.
    pub started_at: DateTime<Utc>,
    /// Others take over its deliveries after this.
    pub lease_until: DateTime<Utc>,
}

/// Relations are deliberately absent: rows are loaded by scoped finders, never by joins that could leave their account.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
