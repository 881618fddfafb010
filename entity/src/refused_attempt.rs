//! How often submissions to a flow were refused before they became leads, by hour: wrong credentials, no source, no right.

use crate::ids::{AccountId, FlowId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Alias, ExprTrait, OnConflict};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "refused_attempt")]
pub struct Model {
    /// The flow that was tried.
    #[sea_orm(primary_key, auto_increment = false)]
    pub flow_id: FlowId,
    /// Who tried; the nil identifier where the credentials told nobody.
    #[sea_orm(primary_key, auto_increment = false)]
    pub sender_account_id: AccountId,
    /// The beginning of the hour.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hour: DateTime<Utc>,
    /// The flow's account.
    pub account_id: AccountId,
    /// How often.
    pub attempts: i64,
}

crate::no_relations!();

impl Entity {
    /// Attempts on one account's flows.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }

    /// Adds to what was counted before.
    pub async fn add(db: &impl ConnectionTrait, rows: Vec<ActiveModel>) -> Result<(), DbErr> {
        let sum = Expr::col((Self, Column::Attempts)).add(Expr::col((Alias::new("excluded"), Column::Attempts)));
        let add = OnConflict::columns([Column::FlowId, Column::SenderAccountId, Column::Hour])
            .value(Column::Attempts, sum)
            .to_owned();
        Self::insert_many(rows)
            .on_conflict(add)
            .exec_without_returning(db)
            .await?;
        Ok(())
    }

    /// Attempts of one account on others' flows.
    pub fn sent_by(sender: AccountId) -> Select<Self> {
        Self::find().filter(Column::SenderAccountId.eq(sender))
    }
}
