//! A delivery that was under way when a process died. It says something of the attempts from [`Model::attempt`] on only while no
//! attempt has ended since.

use crate::delivery::{self, DeliveryErrorCode, DeliveryStatus};
use crate::delivery_config::Channel;
use crate::ids::{AccountId, DeliveryId};
use crate::suspended::{ISOLATION, circuit_closed, endpoint_of, is_suspended};
use crate::worker::under_lease;
use crate::{endpoint, send_slot, worker};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, OnConflict};
use sea_orm::{ActiveEnum, Condition, DeleteMany, IntoActiveModel, Iterable, QuerySelect, QueryTrait, UpdateMany};

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "suspect")]
pub struct Model {
    /// Which.
    #[sea_orm(primary_key, auto_increment = false)]
    pub delivery_id: DeliveryId,
    /// Whose.
    pub account_id: AccountId,
    /// The number of the attempt during which the process died.
    pub attempt: i32,
    /// Attempts in a row during which it did.
    pub deaths: i32,
    /// How many deliveries the last death leaves in doubt, this one among them.
    pub company: i32,
    /// The lease under which it was attempted. Its holder takes it back when it turns out to live.
    pub lease: Uuid,
    /// When the death was noticed.
    pub seen_at: DateTime<Utc>,
    /// Of one that was set aside, whether the owners have been told.
    pub notified: Option<bool>,
}

crate::no_relations!();

impl Entity {
    /// What is known of deliveries that the caller has already loaded in their scope.
    pub async fn of(
        db: &impl ConnectionTrait,
        deliveries: impl IntoIterator<Item = DeliveryId>,
    ) -> Result<Vec<Model>, DbErr> {
        let ids = deliveries.into_iter().map(|id| id.0);
        Self::find()
            .filter(crate::bulk::among(db, Column::DeliveryId, ids))
            .all(db)
            .await
    }

    /// Writes rows, whether there were some or not.
    pub async fn keep(db: &impl ConnectionTrait, rows: Vec<Model>) -> Result<(), DbErr> {
        let columns = || Column::iter().filter(|column| !matches!(column, Column::DeliveryId));
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let part = rows.by_ref().take(1_000).map(|row| row.into_active_model().reset_all());
            let on_conflict = OnConflict::column(Column::DeliveryId)
                .update_columns(columns())
                .to_owned();
            Self::insert_many(part.collect::<Vec<_>>())
                .on_conflict(on_conflict)
                .exec_without_returning(db)
                .await?;
        }
        Ok(())
    }

    /// Takes back what was held against deliveries because of any lease of a process, which lives.
    pub fn acquit(process: Uuid) -> DeleteMany<Self> {
        let leases = worker::Entity::of_process(process)
            .select_only()
            .column(worker::Column::Id)
            .into_query();
        Self::delete_many()
            .filter(Column::Lease.in_subquery(leases))
            .filter(Column::Notified.is_null())
    }

    /// Forgets deaths that were noticed before.
    pub fn forget_before(time: DateTime<Utc>) -> DeleteMany<Self> {
        Self::delete_many()
            .filter(Column::SeenAt.lt(time))
            .filter(Column::Notified.is_null())
    }

    /// Those that were set aside and of which the owners have not been told, for the notices.
    pub fn unnotified() -> Select<Self> {
        Self::find().filter(Expr::cust("notified = FALSE"))
    }

    /// Notes that the owners have been told of these.
    pub fn mark_notified(account: AccountId, ids: impl IntoIterator<Item = DeliveryId>) -> UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::Notified, Expr::value(true))
            .filter(Column::AccountId.eq(account))
            .filter(Column::DeliveryId.is_in(ids))
            .filter(Expr::cust("notified = FALSE"))
    }
}

impl delivery::Entity {
    /// Lets waiting deliveries be attempted apart from others only.
    pub async fn isolate(db: &impl ConnectionTrait, ids: Vec<DeliveryId>) -> Result<(), DbErr> {
        let among = crate::bulk::among(db, delivery::Column::Id, ids.into_iter().map(|id| id.0));
        let isolated = Self::update_many()
            .col_expr(delivery::Column::SuspendedFor, Expr::value(ISOLATION))
            .filter(among);
        isolated.exec(db).await?;
        Ok(())
    }

    /// Fails deliveries that wait, for good; mails wait for their turn no longer. Should somebody retry one by hand, it is attempted
    /// apart from others.
    pub async fn set_aside(
        db: &impl ConnectionTrait,
        ids: Vec<DeliveryId>,
        message: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<delivery::Model>, DbErr> {
        send_slot::Entity::forget(db, ids.iter().copied()).await?;
        let among = crate::bulk::among(db, delivery::Column::Id, ids.into_iter().map(|id| id.0));
        Self::update_many()
            .col_expr(delivery::Column::SuspendedFor, Expr::value(ISOLATION))
            .col_expr(delivery::Column::Status, Expr::value(DeliveryStatus::Failed.to_value()))
            .col_expr(
                delivery::Column::FailureCode,
                Expr::value(DeliveryErrorCode::SetAside.to_value()),
            )
            .col_expr(delivery::Column::FailureMessage, Expr::value(message))
            .col_expr(delivery::Column::DueAt, Expr::value(Option::<DateTime<Utc>>::None))
            .col_expr(delivery::Column::SettledAt, Expr::value(now))
            .filter(among)
            .exec_with_returning(db)
            .await
    }

    /// Those that wait to be attempted apart from others and whose endpoint is not held, or may be tried after a pause; the first
    /// first. Channels of a newer version are left to its workers.
    pub fn isolated(now: DateTime<Utc>, most: u64) -> Select<Self> {
        let ripe = endpoint_of().in_subquery(endpoint::Entity::probeable_ids(now));
        Self::suspended_for(ISOLATION)
            .filter(delivery::Column::DueAt.lte(now))
            .filter(delivery::Column::Channel.is_in(Channel::iter()))
            .filter(Condition::any().add(circuit_closed(now)).add(ripe))
            .limit(most)
    }

    /// The endpoints that are held and for which something waits that is to be attempted apart from others.
    pub async fn endpoints_of_isolated(
        db: &impl ConnectionTrait,
        now: DateTime<Utc>,
        most: u64,
    ) -> Result<Vec<Uuid>, DbErr> {
        let held = endpoint_of().in_subquery(endpoint::Entity::open_ids(now));
        let ids = Self::find()
            .filter(is_suspended())
            .filter(delivery::Column::SuspendedFor.eq(ISOLATION))
            .filter(held)
            .select_only()
            .expr_as(endpoint_of(), "id")
            .distinct()
            .limit(most);
        ids.into_tuple().all(db).await
    }

    /// Takes deliveries that are to be attempted apart from others, as [`claim`](Self::claim) takes others.
    pub async fn claim_isolated(
        db: &impl ConnectionTrait,
        owner: Uuid,
        ids: Vec<DeliveryId>,
        now: DateTime<Utc>,
    ) -> Result<Vec<delivery::Model>, DbErr> {
        let among = crate::bulk::among(db, delivery::Column::Id, ids.into_iter().map(|id| id.0));
        Self::claiming(owner)
            .col_expr(delivery::Column::SuspendedFor, Expr::value(Option::<Uuid>::None))
            .filter(among)
            .filter(is_suspended())
            .filter(delivery::Column::SuspendedFor.eq(ISOLATION))
            .filter(under_lease(db.get_database_backend(), owner))
            .filter(circuit_closed(now))
            .exec_with_returning(db)
            .await
    }
}
