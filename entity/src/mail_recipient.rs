//! What a mail server said of one recipient of a mail that delivers a lead.

use crate::ids::DeliveryId;
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect};
use std::collections::HashSet;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "mail_recipient")]
pub struct Model {
    /// Which delivery.
    #[sea_orm(primary_key, auto_increment = false)]
    pub delivery_id: DeliveryId,
    /// Its attempt, from 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub attempt: i32,
    /// Their order in that attempt.
    #[sea_orm(primary_key, auto_increment = false)]
    pub place: i32,
    /// The address.
    pub address: String,
    /// Whether the server took the mail for it, and nobody has settled since that it did not arrive.
    pub ok: bool,
    /// The code of the reply; of one that was taken, that of the reply to the mail.
    pub code: Option<i32>,
    /// The reply, one line.
    pub reply: Option<String>,
}

crate::no_relations!();

impl Entity {
    /// Recipients of deliveries that the caller has already loaded in their scope, in order.
    pub fn of_deliveries(deliveries: impl IntoIterator<Item = DeliveryId>) -> Select<Self> {
        Self::find()
            .filter(Column::DeliveryId.is_in(deliveries))
            .order_by_asc(Column::Attempt)
            .order_by_asc(Column::Place)
    }

    /// Takes from what was said of the recipients of deliveries the words; whether each has it stays.
    pub async fn redact(db: &impl ConnectionTrait, deliveries: &[DeliveryId]) -> Result<(), DbErr> {
        let among = crate::bulk::among(db, Column::DeliveryId, deliveries.iter().map(|id| id.0));
        Self::update_many()
            .col_expr(Column::Reply, Expr::value(Option::<String>::None))
            .filter(among)
            .exec(db)
            .await?;
        Ok(())
    }

    /// Lets nobody have the mail of a delivery: somebody knows that it did not arrive. Should it be sent again, all get it.
    pub async fn take_back(db: &impl ConnectionTrait, delivery: DeliveryId) -> Result<(), DbErr> {
        Self::update_many()
            .col_expr(Column::Ok, Expr::value(false))
            .filter(Column::DeliveryId.eq(delivery))
            .filter(Column::Ok.eq(true))
            .exec(db)
            .await?;
        Ok(())
    }

    /// Who has the mail of a delivery already.
    pub async fn reached(db: &impl ConnectionTrait, delivery: DeliveryId) -> Result<Vec<String>, DbErr> {
        Self::find()
            .filter(Column::DeliveryId.eq(delivery))
            .filter(Column::Ok.eq(true))
            .select_only()
            .column(Column::Address)
            .into_tuple()
            .all(db)
            .await
    }

    /// Those of some deliveries whose mail at least one recipient has.
    pub async fn reached_by(
        db: &impl ConnectionTrait,
        deliveries: impl IntoIterator<Item = DeliveryId>,
    ) -> Result<HashSet<DeliveryId>, DbErr> {
        let among = crate::bulk::among(db, Column::DeliveryId, deliveries.into_iter().map(|id| id.0));
        let ids = Self::find()
            .filter(among)
            .filter(Column::Ok.eq(true))
            .select_only()
            .column(Column::DeliveryId)
            .distinct()
            .into_tuple::<DeliveryId>();
        Ok(ids.all(db).await?.into_iter().collect())
    }
}
