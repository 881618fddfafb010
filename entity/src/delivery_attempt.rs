//! One attempt of a delivery.

use crate::delivery::{self, DeliveryErrorCode};
use crate::ids::DeliveryId;
use chrono::{DateTime, Utc};
use sea_orm::Set;
use sea_orm::entity::prelude::*;
use sea_orm::{Iterable, QuerySelect};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "delivery_attempt")]
pub struct Model {
    /// Which delivery.
    #[sea_orm(primary_key, auto_increment = false)]
    pub delivery_id: DeliveryId,
    /// From 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i32,
    /// When.
    pub started_at: DateTime<Utc>,
    /// Until the answer was whole or given up, in microseconds.
    pub duration_us: i64,
    /// Whether the recipient took it.
    pub ok: bool,
    /// The answer's status.
    pub http_status: Option<i32>,
    /// The mail server's reply code.
    pub smtp_code: Option<i32>,
    /// What went wrong.
    pub error_code: Option<DeliveryErrorCode>,
    /// The same in words.
    pub message: Option<String>,
    /// The first 4 KiB of the answer, redacted.
    pub excerpt: Option<String>,
}

crate::no_relations!();

impl Entity {
    /// Takes from attempts what recipients have said.
    pub async fn redact(db: &impl ConnectionTrait, deliveries: &[DeliveryId]) -> Result<(), DbErr> {
        Self::update_many()
            .col_expr(Column::Message, Expr::value(Option::<String>::None))
            .col_expr(Column::Excerpt, Expr::value(Option::<String>::None))
            .filter(Column::DeliveryId.is_in(deliveries.iter().copied()))
            .exec(db)
            .await?;
        Ok(())
    }

    /// An attempt of a delivery that ended without an answer, for a reason of our own.
    pub fn unanswered(of: &delivery::Model, at: DateTime<Utc>, code: DeliveryErrorCode, message: &str) -> ActiveModel {
        ActiveModel {
            delivery_id: Set(of.id),
            number: Set(of.attempt_count),
            started_at: Set(at),
            duration_us: Set(0),
            ok: Set(false),
            http_status: Set(None),
            smtp_code: Set(None),
            error_code: Set(Some(code)),
            message: Set(Some(message.to_owned())),
            excerpt: Set(None),
        }
    }

    /// The same without their excerpts, which are none in these: for lists, which load only those that are asked for.
    pub fn without_excerpts(select: Select<Self>) -> Select<Self> {
        let others = Column::iter().filter(|column| !matches!(column, Column::Excerpt));
        select
            .select_only()
            .columns(others)
            .expr_as(Expr::cust("NULL"), "excerpt")
    }

    /// Attempts of deliveries that the caller has already loaded in their scope.
    pub fn of_deliveries(deliveries: impl IntoIterator<Item = DeliveryId>) -> Select<Self> {
        Self::find().filter(Column::DeliveryId.is_in(deliveries))
    }
}
