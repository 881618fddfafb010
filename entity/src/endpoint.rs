//! The circuit of an endpoint that has failed lately: of the URL of webhook settings, or of the mail server of an account. No row
//! means healthy.

use crate::bulk::among;
use crate::ids::{AccountId, DeliveryId, PartnerId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, OnConflict, Query, SelectStatement};
use sea_orm::{Condition, DeleteMany, IntoActiveModel, QueryOrder, QuerySelect, UpdateMany};
use serde::{Deserialize, Serialize};

/// Why deliveries to a destination wait.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[graphql(name = "HoldReason")]
pub enum OpenReason {
    /// Repeated failures paused it. After the pause one delivery tries it.
    Failing,
    /// It answered 410. Nothing is sent until a user resumes it.
    Gone,
    /// It asked for a pause (429, `Retry-After`). Deliveries go on afterwards.
    Throttled,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "endpoint")]
pub struct Model {
    /// The version of the settings with the URL, or the account whose mail server it is.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Whose.
    pub account_id: AccountId,
    /// Whose URL; none of a mail server.
    pub partner_id: Option<PartnerId>,
    /// Failures in a row that speak against the endpoint.
    pub failures: i32,
    /// Why nothing is sent.
    pub open_reason: Option<OpenReason>,
    /// Since when.
    pub opened_at: Option<DateTime<Utc>>,
    /// Until when at least; none when GONE.
    pub open_until: Option<DateTime<Utc>>,
    /// Pauses in a row: each is longer than the one before.
    pub pauses: i32,
    /// The delivery that tries the endpoint after a pause. Its failure makes the next pause; that of one that was under way
    /// when the pause began does not.
    pub probe_id: Option<DeliveryId>,
    /// What the last failure said.
    pub last_error: String,
    /// Whether the owners have been told.
    pub notified: bool,
}

crate::no_relations!();

impl Model {
    /// Whether nothing is sent to it at that time but a probe.
    pub fn is_open(&self, now: DateTime<Utc>) -> bool {
        match self.open_reason {
            Some(OpenReason::Failing | OpenReason::Gone) => true,
            Some(OpenReason::Throttled) => self.open_until.is_some_and(|until| now < until),
            None => false,
        }
    }
}

/// Nothing but a probe is sent to these.
fn open_circuit(now: DateTime<Utc>) -> Condition {
    let backing_off = Column::OpenReason
        .eq(OpenReason::Throttled)
        .and(Column::OpenUntil.gt(now));
    Condition::any()
        .add(Column::OpenReason.is_in([OpenReason::Failing, OpenReason::Gone]))
        .add(backing_off)
}

impl Entity {
    /// Rows of one account.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }

    /// Takes from endpoints what they have said.
    pub async fn redact(
        db: &impl ConnectionTrait,
        ids: impl IntoIterator<Item = Uuid>,
        instead: &str,
    ) -> Result<(), DbErr> {
        Self::update_many()
            .col_expr(Column::LastError, Expr::value(instead))
            .filter(among(db, Column::Id, ids))
            .exec(db)
            .await?;
        Ok(())
    }

    fn with_reason() -> Select<Self> {
        Self::find().filter(Column::OpenReason.is_not_null())
    }

    /// Whether any of any account is closed.
    pub async fn any_open(db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<bool, DbErr> {
        Ok(Self::with_reason().filter(open_circuit(now)).one(db).await?.is_some())
    }

    /// The closed ones of these, of whichever account, for the delivery worker.
    pub async fn open_among(
        db: &impl ConnectionTrait,
        ids: impl IntoIterator<Item = Uuid>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Model>, DbErr> {
        let rows = Self::with_reason()
            .filter(open_circuit(now))
            .filter(among(db, Column::Id, ids));
        rows.all(db).await
    }

    /// Paused ones of which the owners have not been told, for the notices.
    pub fn unnotified() -> Select<Self> {
        Self::with_reason().filter(Column::Notified.eq(false))
    }

    /// Closed ones of some accounts.
    pub fn open_in(accounts: impl IntoIterator<Item = AccountId>, now: DateTime<Utc>) -> Select<Self> {
        Self::with_reason()
            .filter(Column::AccountId.is_in(accounts))
            .filter(open_circuit(now))
    }

    /// The identifiers of closed ones, as part of a statement.
    pub fn open_ids(now: DateTime<Utc>) -> SelectStatement {
        let mut ids = Query::select();
        ids.column(Column::Id)
            .from(Self)
            .and_where(Column::OpenReason.is_not_null())
            .cond_where(open_circuit(now));
        ids
    }

    /// The identifiers of those that may be tried after a pause, as part of a statement.
    pub(crate) fn probeable_ids(now: DateTime<Utc>) -> SelectStatement {
        let mut ids = Query::select();
        ids.column(Column::Id)
            .from(Self)
            .and_where(Column::OpenReason.eq(OpenReason::Failing))
            .and_where(Column::OpenUntil.lte(now));
        ids
    }

    /// How many are paused, those that asked for peace not counted.
    pub async fn count_paused(db: &impl ConnectionTrait) -> Result<u64, DbErr> {
        use sea_orm::PaginatorTrait;
        let paused = Self::with_reason().filter(Column::OpenReason.is_in([OpenReason::Failing, OpenReason::Gone]));
        paused.count(db).await
    }

    /// The rows that there are of these, locked in one order, so that two transactions cannot wait for each other.
    pub async fn locked(db: &impl ConnectionTrait, ids: impl IntoIterator<Item = Uuid>) -> Result<Vec<Model>, DbErr> {
        let rows = Self::find().filter(among(db, Column::Id, ids)).order_by_asc(Column::Id);
        rows.lock_exclusive().all(db).await
    }

    /// Writes a row, whether there was one or not.
    pub async fn keep(db: &impl ConnectionTrait, row: Model) -> Result<(), DbErr> {
        use sea_orm::Iterable;
        let columns = Column::iter().filter(|column| !matches!(column, Column::Id));
        let on_conflict = OnConflict::column(Column::Id).update_columns(columns).to_owned();
        Self::insert(row.into_active_model().reset_all())
            .on_conflict(on_conflict)
            .exec_without_returning(db)
            .await?;
        Ok(())
    }

    /// Forgets what was wrong with some.
    pub fn forget(ids: impl IntoIterator<Item = Uuid>) -> DeleteMany<Self> {
        Self::delete_many().filter(Column::Id.is_in(ids))
    }

    /// Lets one delivery probe an endpoint whose pause is over. Changes the row for the first worker only. If no result is ever
    /// recorded, another delivery may probe at `until`.
    pub fn take_probe(id: Uuid, probe: DeliveryId, now: DateTime<Utc>, until: DateTime<Utc>) -> UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::ProbeId, Expr::value(probe))
            .col_expr(Column::OpenUntil, Expr::value(until))
            .filter(Column::Id.eq(id))
            .filter(Column::OpenReason.eq(OpenReason::Failing))
            .filter(Column::OpenUntil.lte(now))
    }

    /// Whether it is this delivery that tries an endpoint after a pause.
    pub async fn is_probed_by(db: &impl ConnectionTrait, id: Uuid, delivery: DeliveryId) -> Result<bool, DbErr> {
        let row = Self::find_by_id(id).one(db).await?;
        Ok(row.is_some_and(|row| row.probe_id == Some(delivery)))
    }

    /// Notes that the owners have been told.
    pub fn mark_notified(id: Uuid) -> UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::Notified, Expr::value(true))
            .filter(Column::Id.eq(id))
            .filter(Column::Notified.eq(false))
    }
}
