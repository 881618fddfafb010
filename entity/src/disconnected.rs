//! Deliveries over a connection that has ended: finding those that are still to be cancelled, and cancelling some.

use crate::delivery::{Column, DeliveryErrorCode, DeliveryStatus, Entity, Model};
use crate::ids::{ConnectionId, DeliveryId, since};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ActiveEnum, Condition, QueryOrder, QuerySelect};

/// The condition of the partial index `delivery_connection_open`, as the index has it.
fn open() -> Expr {
    Expr::cust("status IN ('QUEUED', 'RETRYING') AND connection_id IS NOT NULL")
}

/// The condition of the partial index `delivery_connection_not_ready`, as the index has it.
fn not_ready() -> Expr {
    Expr::cust("status = 'FAILED' AND failure_code = 'BUYER_NOT_READY'")
}

/// What waits for its next attempt, or failed since then because the buyer could not take it.
fn cancellable(failed_since: DateTime<Utc>) -> Condition {
    Condition::any()
        .add(open())
        .add(not_ready().and(Column::CreatedAt.gt(failed_since)))
}

impl Entity {
    /// What waits for its next attempt over a connection, by the index `delivery_connection_open`; at most `most`.
    pub fn open_over(connection: ConnectionId, most: u64) -> Select<Self> {
        Self::find()
            .filter(Column::ConnectionId.eq(connection))
            .filter(open())
            .order_by_asc(Column::Id)
            .limit(most)
    }

    /// What has failed since then because the buyer could not take it, the newest first, by the index
    /// `delivery_connection_not_ready`; at most `most`.
    pub fn not_ready_over(connection: ConnectionId, failed_since: DateTime<Utc>, most: u64) -> Select<Self> {
        Self::find()
            .filter(Column::ConnectionId.eq(connection))
            .filter(not_ready())
            .filter(Column::Id.gte(since(failed_since)))
            .filter(Column::CreatedAt.gt(failed_since))
            .order_by_desc(Column::Id)
            .limit(most)
    }

    /// Those of some deliveries over a connection that may still be cancelled. Locked in one order.
    pub fn cancellable_over(
        db: &impl ConnectionTrait,
        connection: ConnectionId,
        ids: impl IntoIterator<Item = DeliveryId>,
        failed_since: DateTime<Utc>,
    ) -> Select<Self> {
        Self::find()
            .filter(crate::bulk::among(db, Column::Id, ids.into_iter().map(|id| id.0)))
            .filter(Column::ConnectionId.eq(connection))
            .filter(cancellable(failed_since))
            .order_by_asc(Column::Id)
            .lock_exclusive()
    }

    /// Cancels deliveries that the caller holds locked, because their connection has ended.
    pub async fn disconnect(
        db: &impl ConnectionTrait,
        ids: impl IntoIterator<Item = DeliveryId>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Model>, DbErr> {
        let among = crate::bulk::among(db, Column::Id, ids.into_iter().map(|id| id.0));
        Self::update_many()
            .col_expr(Column::Status, Expr::value(DeliveryStatus::Cancelled.to_value()))
            .col_expr(Column::DueAt, Expr::value(Option::<DateTime<Utc>>::None))
            .col_expr(Column::SettledAt, Expr::value(now))
            .col_expr(
                Column::FailureCode,
                Expr::value(DeliveryErrorCode::Disconnected.to_value()),
            )
            .col_expr(Column::FailureMessage, Expr::value("the connection has ended"))
            .filter(among)
            .exec_with_returning(db)
            .await
    }
}
