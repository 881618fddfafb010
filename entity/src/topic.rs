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

crate::no_relations!();

impl Entity {
    /// One log's head.
    pub fn by_id(id: Uuid) -> Select<Self> {
        Self::find_by_id(id)
    }
}
