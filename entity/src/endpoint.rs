//! An endpoint that has failed lately or is held: the settings of a webhook, or the mail server of an account. No row means
//! healthy.

use crate::bulk::among;
use crate::ids::{AccountId, DeliveryId, PartnerId};
use crate::{assignment, delivery, partner, smtp_settings};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, OnConflict, Query, SelectStatement};
use sea_orm::{Condition, DeleteMany, IntoActiveModel, QueryOrder, QuerySelect, QueryTrait, UpdateMany};
use serde::{Deserialize, Serialize};

/// Why deliveries to a destination wait.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[graphql(name = "HoldReason")]
pub enum Hold {
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
    pub hold: Option<Hold>,
    /// Since when.
    pub held_since: Option<DateTime<Utc>>,
    /// Until when at least; none when GONE.
    pub held_until: Option<DateTime<Utc>>,
    /// Pauses in a row: each is longer than the one before.
    pub pauses: i32,
    /// The delivery that tries the endpoint after a pause. Its failure makes the next pause; that of one that was under way
    /// when the pause began does not.
    pub probe_id: Option<DeliveryId>,
    /// What the last failure said.
    pub why: String,
    /// Whether the owners have been told.
    pub told: bool,
}

/// Relations are deliberately absent: rows are loaded by scoped finders, never by joins that could leave their account.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Whether nothing is sent to it at that time but a probe.
    pub fn is_closed(&self, now: DateTime<Utc>) -> bool {
        match self.hold {
            Some(Hold::Failing | Hold::Gone) => true,
            Some(Hold::Throttled) => self.held_until.is_some_and(|until| now < until),
            None => false,
        }
    }
}

/// Nothing but a probe is sent to these.
fn closed(now: DateTime<Utc>) -> Condition {
    let asked_for_peace = Column::Hold.eq(Hold::Throttled).and(Column::HeldUntil.gt(now));
    Condition::any()
        .add(Column::Hold.is_in([Hold::Failing, Hold::Gone]))
        .add(asked_for_peace)
}

impl Entity {
    /// Rows of one account.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }

    /// Takes from endpoints what they have said.
    pub async fn forget_words(
        db: &impl ConnectionTrait,
        ids: impl IntoIterator<Item = Uuid>,
        instead: &str,
    ) -> Result<(), DbErr> {
        Self::update_many()
            .col_expr(Column::Why, Expr::value(instead))
            .filter(among(db, Column::Id, ids))
            .exec(db)
            .await?;
        Ok(())
    }

    fn held() -> Select<Self> {
        Self::find().filter(Column::Hold.is_not_null())
    }

    /// Whether any of any account is closed.
    pub async fn any_closed(db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<bool, DbErr> {
        Ok(Self::held().filter(closed(now)).one(db).await?.is_some())
    }

    /// The closed ones of these, of whichever account, for the delivery worker.
    pub async fn closed_among(
        db: &impl ConnectionTrait,
        ids: impl IntoIterator<Item = Uuid>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Model>, DbErr> {
        let rows = Self::held().filter(closed(now)).filter(among(db, Column::Id, ids));
        rows.all(db).await
    }

    /// Paused ones of which the owners have not been told, for the notices.
    pub fn untold() -> Select<Self> {
        Self::held().filter(Column::Told.eq(false))
    }

    /// Closed ones of some accounts.
    pub fn closed_in(accounts: impl IntoIterator<Item = AccountId>, now: DateTime<Utc>) -> Select<Self> {
        Self::held()
            .filter(Column::AccountId.is_in(accounts))
            .filter(closed(now))
    }

    /// The identifiers of closed ones, as part of a statement.
    pub fn closed_ids(now: DateTime<Utc>) -> SelectStatement {
        let mut ids = Query::select();
        ids.column(Column::Id)
            .from(Self)
            .and_where(Column::Hold.is_not_null())
            .cond_where(closed(now));
        ids
    }

    /// The identifiers of those that may be tried after a pause, as part of a statement.
    pub(crate) fn ripe_ids(now: DateTime<Utc>) -> SelectStatement {
        let mut ids = Query::select();
        ids.column(Column::Id)
            .from(Self)
            .and_where(Column::Hold.eq(Hold::Failing))
            .and_where(Column::HeldUntil.lte(now));
        ids
    }

    /// How many are paused, those that asked for peace not counted.
    pub async fn count_paused(db: &impl ConnectionTrait) -> Result<u64, DbErr> {
        use sea_orm::PaginatorTrait;
        let paused = Self::held().filter(Column::Hold.is_in([Hold::Failing, Hold::Gone]));
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

    /// Forgets what has no meaning any more: that one has asked for peace until a time that has come, and what was wrong with those
    /// that nothing is set to use and nothing waits for.
    pub fn forget_over(now: DateTime<Utc>) -> DeleteMany<Self> {
        let had_peace = Column::Hold.eq(Hold::Throttled).and(Column::HeldUntil.lte(now));
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
        let waited_for = delivery::Entity::parked_anywhere()
            .select_only()
            .column(delivery::Column::ParkedFor);
        let unused = Condition::all()
            .add(Column::Id.not_in_subquery(of_partners.into_query()))
            .add(Column::Id.not_in_subquery(of_places.into_query()))
            .add(Column::Id.not_in_subquery(mail_servers.into_query()))
            .add(Column::Id.not_in_subquery(waited_for.into_query()));
        Self::delete_many().filter(Condition::any().add(had_peace).add(unused))
    }

    /// Lets one delivery try an endpoint whose pause is over. Changes one row for whoever comes first, and none for the others;
    /// if nobody ever tells how it went, the next one may try at `until`.
    pub fn take_probe(id: Uuid, probe: DeliveryId, (now, until): (DateTime<Utc>, DateTime<Utc>)) -> UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::ProbeId, Expr::value(probe))
            .col_expr(Column::HeldUntil, Expr::value(until))
            .filter(Column::Id.eq(id))
            .filter(Column::Hold.eq(Hold::Failing))
            .filter(Column::HeldUntil.lte(now))
    }

    /// Whether it is this delivery that tries an endpoint after a pause.
    pub async fn is_tried_by(db: &impl ConnectionTrait, id: Uuid, delivery: DeliveryId) -> Result<bool, DbErr> {
        let row = Self::find_by_id(id).one(db).await?;
        Ok(row.is_some_and(|row| row.probe_id == Some(delivery)))
    }

    /// Notes that the owners have been told.
    pub fn note_told(id: Uuid) -> UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::Told, Expr::value(true))
            .filter(Column::Id.eq(id))
            .filter(Column::Told.eq(false))
    }
}
