//! How often a connected account read the submission docs of a source, and when.

use crate::ids::{AccountId, SourceId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Alias, ExprTrait, OnConflict};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "docs_read")]
pub struct Model {
    /// Whose docs.
    #[sea_orm(primary_key, auto_increment = false)]
    pub source_id: SourceId,
    /// Who read them.
    #[sea_orm(primary_key, auto_increment = false)]
    pub reader_account_id: AccountId,
    /// The account of the source.
    pub account_id: AccountId,
    /// How often.
    pub reads: i64,
    /// The first time.
    pub first_at: DateTime<Utc>,
    /// The last time.
    pub last_at: DateTime<Utc>,
}

crate::no_relations!();

impl Entity {
    /// Adds to what was counted before.
    pub async fn add(db: &impl ConnectionTrait, rows: Vec<ActiveModel>) -> Result<(), DbErr> {
        let new = |column: Column| Expr::col((Alias::new("excluded"), column));
        let add = OnConflict::columns([Column::SourceId, Column::ReaderAccountId])
            .value(Column::Reads, Expr::col((Self, Column::Reads)).add(new(Column::Reads)))
            .value(Column::LastAt, new(Column::LastAt))
            .to_owned();
        Self::insert_many(rows)
            .on_conflict(add)
            .exec_without_returning(db)
            .await?;
        Ok(())
    }

    /// Readers of the docs of one account's sources.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }
}
