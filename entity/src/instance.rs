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

/// Relations are deliberately absent: rows are loaded by scoped finders, never by joins that could leave their account.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// One fact.
    pub fn named(name: &str) -> Select<Self> {
        Self::find_by_id(name)
    }
}
