//! Deliveries that wait for an endpoint that is held. They are parked: marked, and by that out of the index of what is due, so
//! that a long row of them costs the others nothing.

use crate::delivery::{Column, DeliveryStatus, Entity, Model};
use crate::ids::{DeliveryId, PartnerId};
use crate::suspect::{ISOLATION, under_lease};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, SimpleExpr};
use sea_orm::{ActiveEnum, QueryOrder, QuerySelect, QueryTrait, Statement};

/// The condition of the partial index `delivery_parked`, as the index has it.
pub(crate) fn parked() -> Expr {
    Expr::cust("status IN ('QUEUED', 'RETRYING') AND parked_for IS NOT NULL")
}

/// The endpoint of a delivery; see [`Model::endpoint`].
pub(crate) fn endpoint_of() -> SimpleExpr {
    Expr::cust("CASE channel WHEN 'EMAIL' THEN account_id ELSE settings_id END")
}

impl Entity {
    /// Makes at most so many deliveries that wait for an endpoint due again, the first first; answers how many.
    pub async fn unpark(db: &impl ConnectionTrait, endpoint: Uuid, most: u64) -> Result<u64, DbErr> {
        let first = Self::parked_for(endpoint)
            .select_only()
            .column(Column::Id)
            .limit(most)
            .into_query();
        let unparked = Self::update_many()
            .col_expr(Column::ParkedFor, Expr::value(Option::<Uuid>::None))
            .filter(Column::Id.in_subquery(first));
        Ok(unparked.exec(db).await?.rows_affected)
    }

    /// What waits for any endpoint.
    pub(crate) fn parked_anywhere() -> Select<Self> {
        Self::find().filter(parked())
    }

    /// What waits for an endpoint, the first first.
    pub fn parked_for(endpoint: Uuid) -> Select<Self> {
        Self::parked_anywhere()
            .filter(Column::ParkedFor.eq(endpoint))
            .order_by_asc(Column::DueAt)
    }

    /// How many deliveries to a partner wait for an endpoint, counted up to `most`.
    pub async fn count_parked(
        db: &impl ConnectionTrait,
        (endpoint, partner): (Uuid, PartnerId),
        most: u64,
    ) -> Result<u64, DbErr> {
        let ids = Self::parked_for(endpoint)
            .filter(Column::PartnerId.eq(partner))
            .select_only()
            .column(Column::Id)
            .limit(most)
            .into_tuple::<DeliveryId>();
        Ok(u64::try_from(ids.all(db).await?.len()).unwrap_or(most))
    }

    /// The endpoints for which something waits: the index is read at one place for each.
    pub async fn endpoints_waited_for(db: &impl ConnectionTrait) -> Result<Vec<Uuid>, DbErr> {
        let rows = Statement::from_string(db.get_database_backend(), WAITED_FOR);
        db.query_all_raw(rows)
            .await?
            .iter()
            .map(|row| row.try_get("", "id"))
            .collect()
    }

    /// Takes the delivery that is to try an endpoint, if it still waits. The attempt is counted, but not against its budget.
    pub async fn claim_probe(db: &impl ConnectionTrait, owner: Uuid, id: DeliveryId) -> Result<Vec<Model>, DbErr> {
        Self::update_many()
            .col_expr(Column::AttemptCount, Expr::col(Column::AttemptCount).add(1))
            .col_expr(Column::AttemptsBefore, Expr::col(Column::AttemptsBefore).add(1))
            .col_expr(Column::Status, Expr::value(DeliveryStatus::Sending.to_value()))
            .col_expr(Column::LeaseOwner, Expr::value(owner))
            .col_expr(Column::DueAt, Expr::value(Option::<DateTime<Utc>>::None))
            .col_expr(Column::ParkedFor, Expr::value(Option::<Uuid>::None))
            .filter(Column::Id.eq(id))
            .filter(parked())
            .filter(under_lease(db.get_database_backend(), owner))
            .exec_with_returning(db)
            .await
    }

    /// Takes at most so many deliveries that wait for an endpoint and are older than that, to end them without an attempt; also of those
    /// that are to be attempted apart from others.
    pub async fn claim_stale(
        db: &impl ConnectionTrait,
        owner: Uuid,
        (endpoint, before): (Uuid, DateTime<Utc>),
        most: u64,
    ) -> Result<Vec<Model>, DbErr> {
        let stale = Self::parked_anywhere()
            .filter(Column::ParkedFor.is_in([endpoint, ISOLATION]))
            .filter(endpoint_of().eq(endpoint))
            .filter(Column::BudgetSince.lte(before))
            .order_by_asc(Column::DueAt)
            .select_only()
            .column(Column::Id)
            .limit(most)
            .into_query();
        Self::update_many()
            .col_expr(Column::Status, Expr::value(DeliveryStatus::Sending.to_value()))
            .col_expr(Column::LeaseOwner, Expr::value(owner))
            .col_expr(Column::DueAt, Expr::value(Option::<DateTime<Utc>>::None))
            .col_expr(Column::ParkedFor, Expr::value(Option::<Uuid>::None))
            .filter(Column::Id.in_subquery(stale))
            .filter(parked())
            .filter(under_lease(db.get_database_backend(), owner))
            .exec_with_returning(db)
            .await
    }
}

const WAITED_FOR: &str = "
WITH RECURSIVE waited (id) AS (
    SELECT (SELECT parked_for FROM delivery WHERE status IN ('QUEUED', 'RETRYING') AND parked_for IS NOT NULL
        ORDER BY parked_for LIMIT 1)
    UNION ALL
    SELECT (SELECT parked_for FROM delivery WHERE status IN ('QUEUED', 'RETRYING') AND parked_for IS NOT NULL
        AND parked_for > waited.id ORDER BY parked_for LIMIT 1) FROM waited WHERE waited.id IS NOT NULL
)
SELECT id FROM waited WHERE id IS NOT NULL";
