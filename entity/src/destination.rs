//! What is told of a destination that has failed lately; no row means that it has not. Whether it is paused is said by
//! [`endpoint`](crate::endpoint).

use crate::delivery;
use crate::ids::{AccountId, PartnerId};
use chrono::{DateTime, Utc};
use sea_orm::Set;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, OnConflict};

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
    /// When.
    pub last_failure_at: DateTime<Utc>,
    /// What it said.
    pub last_error: String,
}

crate::no_relations!();

impl Entity {
    /// Rows of one account.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }

    /// Counts a failed attempt; what goes to no partner has no destination of its own.
    pub async fn count_failure(
        db: &impl ConnectionTrait,
        delivery: &delivery::Model,
        message: &str,
        now: DateTime<Utc>,
    ) -> Result<(), DbErr> {
        let Some(partner) = delivery.partner_id else {
            return Ok(());
        };
        let row = ActiveModel {
            partner_id: Set(partner),
            account_id: Set(delivery.account_id),
            consecutive_failures: Set(1),
            last_failure_at: Set(now),
            last_error: Set(message.to_owned()),
        };
        let raised = Expr::col((Self, Column::ConsecutiveFailures)).add(1);
        let on_conflict = OnConflict::column(Column::PartnerId)
            .value(Column::ConsecutiveFailures, raised)
            .update_columns([Column::LastFailureAt, Column::LastError])
            .to_owned();
        Self::insert(row)
            .on_conflict(on_conflict)
            .exec_without_returning(db)
            .await?;
        Ok(())
    }

    /// Takes from destinations what they have said.
    pub async fn redact(
        db: &impl ConnectionTrait,
        partners: impl IntoIterator<Item = PartnerId>,
        instead: &str,
    ) -> Result<(), DbErr> {
        let among = crate::bulk::among(db, Column::PartnerId, partners.into_iter().map(|id| id.0));
        Self::update_many()
            .col_expr(Column::LastError, Expr::value(instead))
            .filter(among)
            .exec(db)
            .await?;
        Ok(())
    }

    /// Forgets the failures of partners that have taken a delivery.
    pub async fn clear(db: &impl ConnectionTrait, partners: impl IntoIterator<Item = PartnerId>) -> Result<(), DbErr> {
        let among = crate::bulk::among(db, Column::PartnerId, partners.into_iter().map(|id| id.0));
        Self::update_many()
            .col_expr(Column::ConsecutiveFailures, Expr::value(0))
            .filter(among)
            .filter(Column::ConsecutiveFailures.gt(0))
            .exec(db)
            .await?;
        Ok(())
    }
}
