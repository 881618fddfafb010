//! A delivery by mail that waits for its turn at its account's mail server.

use crate::delivery::{self, DeliveryStatus};
use crate::ids::{AccountId, DeliveryId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{DatabaseTransaction, Set};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "send_slot")]
pub struct Model {
    /// Which delivery.
    #[sea_orm(primary_key, auto_increment = false)]
    pub delivery_id: DeliveryId,
    /// Whose mail server.
    pub account_id: AccountId,
    /// From when it may be sent.
    pub at: DateTime<Utc>,
}

crate::no_relations!();

impl Entity {
    /// Uses a delivery's turn up; when it was, if it had one.
    pub async fn use_up(tx: &DatabaseTransaction, delivery: DeliveryId) -> Result<Option<DateTime<Utc>>, DbErr> {
        let turn = Self::find_by_id(delivery).one(tx).await?;
        if turn.is_some() {
            Self::delete_by_id(delivery).exec(tx).await?;
        }
        Ok(turn.map(|turn| turn.at))
    }

    /// Gives a delivery that has none a turn.
    pub async fn give(tx: &DatabaseTransaction, turn: Model) -> Result<(), DbErr> {
        let row = ActiveModel {
            delivery_id: Set(turn.delivery_id),
            account_id: Set(turn.account_id),
            at: Set(turn.at),
        };
        crate::bulk::insert::<Self>(tx, vec![row]).await
    }

    /// Forgets the turns of deliveries that have ended without using them.
    pub async fn forget(
        db: &impl ConnectionTrait,
        deliveries: impl IntoIterator<Item = DeliveryId>,
    ) -> Result<(), DbErr> {
        let among = crate::bulk::among(db, Column::DeliveryId, deliveries.into_iter().map(|id| id.0));
        Self::delete_many().filter(among).exec(db).await?;
        Ok(())
    }

    /// Lets everything of an account that waits for its turn be attempted now, and forgets the turns.
    pub async fn release(tx: &DatabaseTransaction, account: AccountId, now: DateTime<Utc>) -> Result<(), DbErr> {
        let waiting = Query::select()
            .column(Column::DeliveryId)
            .from(Entity)
            .and_where(Column::AccountId.eq(account))
            .to_owned();
        delivery::Entity::update_many()
            .col_expr(delivery::Column::DueAt, Expr::value(now))
            .filter(delivery::Column::AccountId.eq(account))
            .filter(delivery::Column::Status.is_in([DeliveryStatus::Queued, DeliveryStatus::Retrying]))
            .filter(delivery::Column::DueAt.gt(now))
            .filter(delivery::Column::Id.in_subquery(waiting))
            .exec(tx)
            .await?;
        Self::delete_many()
            .filter(Column::AccountId.eq(account))
            .exec(tx)
            .await?;
        Ok(())
    }
}
