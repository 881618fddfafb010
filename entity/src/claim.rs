//! Claiming due deliveries, and giving them back.

use crate::delivery::{Column, DeliveryStatus, Entity, Model};
use crate::ids::DeliveryId;
use crate::suspended::circuit_closed;
use crate::worker::{under_lease, under_no_lease};
use chrono::{DateTime, Utc};
use sea_orm::ActiveEnum;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait;

/// The condition of the partial indexes of due deliveries, as the indexes have it. With a parameter in place of a status, neither
/// database would use them, and SQLite would read every delivery there ever was.
fn waiting() -> Expr {
    Expr::cust("status IN ('QUEUED', 'RETRYING') AND suspended_for IS NULL")
}

impl Entity {
    /// Claims deliveries for a worker, as far as they still wait and their circuit is closed. Their attempt is counted.
    pub async fn claim(
        db: &impl ConnectionTrait,
        owner: Uuid,
        ids: Vec<DeliveryId>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Model>, DbErr> {
        let among = crate::bulk::among(db, Column::Id, ids.into_iter().map(|id| id.0));
        Self::claiming(owner)
            .filter(among)
            .filter(waiting())
            .filter(under_lease(db.get_database_backend(), owner))
            .filter(circuit_closed(now))
            .exec_with_returning(db)
            .await
    }

    /// Gives deliveries to the worker, and counts their attempt.
    pub(crate) fn claiming(owner: Uuid) -> sea_orm::UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::Status, Expr::value(DeliveryStatus::Sending.to_value()))
            .col_expr(Column::LeaseOwner, Expr::value(owner))
            .col_expr(Column::DueAt, Expr::value(Option::<DateTime<Utc>>::None))
            .col_expr(Column::AttemptCount, Expr::col(Column::AttemptCount).add(1))
    }

    /// Puts a claimed delivery back without an attempt: the attempt does not count, and the maximum age of a delivery that was never
    /// attempted begins at `at`, when it is due. False if another worker holds it by now.
    pub async fn put_back(
        db: &impl ConnectionTrait,
        held: &Model,
        status: DeliveryStatus,
        at: DateTime<Utc>,
    ) -> Result<bool, DbErr> {
        let untried = held.attempt_count - 1 == held.attempts_before;
        let put_back = Self::update_many()
            .col_expr(Column::Status, Expr::value(status.to_value()))
            .col_expr(Column::LeaseOwner, Expr::value(Option::<Uuid>::None))
            .col_expr(Column::DueAt, Expr::value(at))
            .col_expr(Column::AttemptCount, Expr::col(Column::AttemptCount).sub(1))
            .col_expr(
                Column::BudgetSince,
                Expr::value(if untried { at } else { held.budget_since }),
            )
            .filter(Column::Id.eq(held.id))
            .filter(Column::Status.eq(DeliveryStatus::Sending))
            .filter(Column::LeaseOwner.eq(held.lease_owner))
            .filter(Column::AttemptCount.eq(held.attempt_count))
            .exec(db)
            .await?;
        Ok(put_back.rows_affected == 1)
    }

    /// Deliveries that are held under other leases than these.
    pub fn orphaned(alive: impl IntoIterator<Item = Uuid>) -> Select<Self> {
        Self::find()
            .filter(Column::Status.eq(DeliveryStatus::Sending))
            .filter(Column::LeaseOwner.is_not_in(alive))
    }

    /// Makes deliveries due whose lease has expired or is gone, as this statement sees it (with `SQLite`, only the one process takes
    /// leases).
    pub async fn give_back(db: &impl ConnectionTrait, owner: Uuid, now: DateTime<Utc>) -> Result<Vec<Model>, DbErr> {
        Self::update_many()
            .col_expr(Column::Status, Expr::value(DeliveryStatus::Retrying.to_value()))
            .col_expr(Column::LeaseOwner, Expr::value(Option::<Uuid>::None))
            .col_expr(Column::DueAt, Expr::value(now))
            .filter(Column::Status.eq(DeliveryStatus::Sending))
            .filter(Column::LeaseOwner.eq(owner))
            .filter(under_no_lease(db.get_database_backend(), owner))
            .exec_with_returning(db)
            .await
    }
}
