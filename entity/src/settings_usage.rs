//! How many bytes of settings an account has stored; the database counts them.

use crate::ids::AccountId;
use sea_orm::QuerySelect;
use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "settings_usage")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    /// Flows, their revisions, partners, profiles and their like together, deleted ones and earlier versions included.
    pub bytes: i64,
}

crate::no_relations!();

impl Entity {
    /// What an account has stored, in bytes.
    pub async fn of(db: &impl ConnectionTrait, account: AccountId) -> Result<u64, DbErr> {
        let row = Self::find().filter(Column::AccountId.eq(account));
        let bytes: Option<i64> = row.select_only().column(Column::Bytes).into_tuple().one(db).await?;
        Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0))
    }
}
