//! Deliveries that are suspended because the circuit of their endpoint is open. They are marked, and by that outside the index of due
//! deliveries, so that a long backlog of them costs the others nothing.

use crate::delivery::{self, Column, DeliveryStatus, Entity, Model};
use crate::endpoint::{self, OpenReason};
use crate::ids::{DeliveryId, PartnerId};
use crate::worker::under_lease;
use crate::{assignment, partner, smtp_settings};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, SimpleExpr};
use sea_orm::{ActiveEnum, Condition, DeleteMany, QueryOrder, QuerySelect, QueryTrait, Statement};

/// In place of an endpoint: deliveries that wait to be attempted in isolation are suspended for this.
pub const ISOLATION: Uuid = Uuid::max();

/// The condition of the partial index `delivery_suspended`, as the index has it.
pub(crate) fn is_suspended() -> Expr {
    Expr::cust("status IN ('QUEUED', 'RETRYING') AND suspended_for IS NOT NULL")
}

/// The endpoint of a delivery; see [`Model::endpoint`].
pub(crate) fn endpoint_of() -> SimpleExpr {
    Expr::cust("CASE channel WHEN 'EMAIL' THEN account_id ELSE settings_id END")
}

/// The circuit of the delivery's endpoint is closed.
pub(crate) fn circuit_closed(now: DateTime<Utc>) -> Expr {
    endpoint_of().not_in_subquery(endpoint::Entity::open_ids(now))
}

impl Entity {
    /// Resumes at most `most` deliveries to an endpoint, the first due first; returns how many.
    pub async fn resume(db: &impl ConnectionTrait, endpoint: Uuid, most: u64) -> Result<u64, DbErr> {
        let first = Self::suspended_for(endpoint)
            .select_only()
            .column(Column::Id)
            .limit(most)
            .into_query();
        let resumed = Self::update_many()
            .col_expr(Column::SuspendedFor, Expr::value(Option::<Uuid>::None))
            .filter(Column::Id.in_subquery(first));
        Ok(resumed.exec(db).await?.rows_affected)
    }

    /// All suspended deliveries.
    pub(crate) fn all_suspended() -> Select<Self> {
        Self::find().filter(is_suspended())
    }

    /// Suspended deliveries to an endpoint, the first due first.
    pub fn suspended_for(endpoint: Uuid) -> Select<Self> {
        Self::all_suspended()
            .filter(Column::SuspendedFor.eq(endpoint))
            .order_by_asc(Column::DueAt)
    }

    /// How many deliveries to a partner are suspended for an endpoint, counted up to `most`.
    pub async fn count_suspended(
        db: &impl ConnectionTrait,
        endpoint: Uuid,
        partner: PartnerId,
        most: u64,
    ) -> Result<u64, DbErr> {
        let ids = Self::suspended_for(endpoint)
            .filter(Column::PartnerId.eq(partner))
            .select_only()
            .column(Column::Id)
            .limit(most)
            .into_tuple::<DeliveryId>();
        Ok(u64::try_from(ids.all(db).await?.len()).unwrap_or(most))
    }

    /// The endpoints with suspended deliveries, by one index seek for each.
    pub async fn endpoints_with_suspended(db: &impl ConnectionTrait) -> Result<Vec<Uuid>, DbErr> {
        let rows = Statement::from_string(db.get_database_backend(), ENDPOINTS_WITH_SUSPENDED);
        db.query_all_raw(rows)
            .await?
            .iter()
            .map(|row| row.try_get("", "id"))
            .collect()
    }

    /// Claims the delivery that is to probe an endpoint, if it is still suspended. The attempt does not count against its budget.
    pub async fn claim_probe(db: &impl ConnectionTrait, owner: Uuid, id: DeliveryId) -> Result<Vec<Model>, DbErr> {
        Self::update_many()
            .col_expr(Column::AttemptCount, Expr::col(Column::AttemptCount).add(1))
            .col_expr(Column::AttemptsBefore, Expr::col(Column::AttemptsBefore).add(1))
            .col_expr(Column::Status, Expr::value(DeliveryStatus::Sending.to_value()))
            .col_expr(Column::LeaseOwner, Expr::value(owner))
            .col_expr(Column::DueAt, Expr::value(Option::<DateTime<Utc>>::None))
            .col_expr(Column::SuspendedFor, Expr::value(Option::<Uuid>::None))
            .filter(Column::Id.eq(id))
            .filter(is_suspended())
            .filter(under_lease(db.get_database_backend(), owner))
            .exec_with_returning(db)
            .await
    }

    /// Claims at most `most` deliveries that are suspended for an endpoint, or isolated, and whose budget began by `before`, to end them
    /// without an attempt.
    pub async fn claim_stale(
        db: &impl ConnectionTrait,
        owner: Uuid,
        endpoint: Uuid,
        before: DateTime<Utc>,
        most: u64,
    ) -> Result<Vec<Model>, DbErr> {
        let stale = Self::all_suspended()
            .filter(Column::SuspendedFor.is_in([endpoint, ISOLATION]))
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
            .col_expr(Column::SuspendedFor, Expr::value(Option::<Uuid>::None))
            .filter(Column::Id.in_subquery(stale))
            .filter(is_suspended())
            .filter(under_lease(db.get_database_backend(), owner))
            .exec_with_returning(db)
            .await
    }
}

impl endpoint::Entity {
    /// Deletes rows without meaning: back-offs that are over, and endpoints that no settings use and no delivery waits for.
    pub fn forget_over(now: DateTime<Utc>) -> DeleteMany<Self> {
        let back_off_over = endpoint::Column::OpenReason
            .eq(OpenReason::Throttled)
            .and(endpoint::Column::OpenUntil.lte(now));
        let of_partners = partner::Entity::find()
            .select_only()
            .column(partner::Column::SettingsId);
        let of_places = assignment::Entity::find()
            .select_only()
            .column(assignment::Column::SettingsId)
            .filter(assignment::Column::SettingsId.is_not_null());
        let mail_servers = smtp_settings::Entity::find()
            .select_only()
            .column(smtp_settings::Column::AccountId);
        let waited_for = delivery::Entity::all_suspended()
            .select_only()
            .column(delivery::Column::SuspendedFor);
        let unused = Condition::all()
            .add(endpoint::Column::Id.not_in_subquery(of_partners.into_query()))
            .add(endpoint::Column::Id.not_in_subquery(of_places.into_query()))
            .add(endpoint::Column::Id.not_in_subquery(mail_servers.into_query()))
            .add(endpoint::Column::Id.not_in_subquery(waited_for.into_query()));
        Self::delete_many().filter(Condition::any().add(back_off_over).add(unused))
    }
}

const ENDPOINTS_WITH_SUSPENDED: &str = "
WITH RECURSIVE found (id) AS (
    SELECT (SELECT suspended_for FROM delivery WHERE status IN ('QUEUED', 'RETRYING') AND suspended_for IS NOT NULL
        ORDER BY suspended_for LIMIT 1)
    UNION ALL
    SELECT (SELECT suspended_for FROM delivery WHERE status IN ('QUEUED', 'RETRYING') AND suspended_for IS NOT NULL
        AND suspended_for > found.id ORDER BY suspended_for LIMIT 1) FROM found WHERE found.id IS NOT NULL
)
SELECT id FROM found WHERE id IS NOT NULL";
