//! Facts about this installation, by name.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "instance")]
pub struct Model {
    /// Which fact.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// What it is.
    pub value: String,
}

crate::no_relations!();

impl Entity {
    /// One fact.
    pub fn named(name: &str) -> Select<Self> {
        Self::find_by_id(name)
    }
}
