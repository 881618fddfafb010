//! The head of an event log.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "topic")]
pub struct Model {
    /// The account or partner whose log it is.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Number of its newest event. Raised under the row's lock as the last act of a transaction, so numbers become visible in order.
    pub head: i64,
}

/// Relations are deliberately absent: rows are loaded by scoped finders, never by joins that could leave their account.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// One log's head.
    pub fn by_id(id: Uuid) -> Select<Self> {
        Self::find_by_id(id)
    }
}
