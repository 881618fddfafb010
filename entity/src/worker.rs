//! A running delivery worker. It owns what it has claimed for as long as it renews this row.
//!
//! Whether a lease has run out is decided by the database's own clock, within the statement that asks: workers whose clocks differ
//! would take over what the others still send. With `SQLite` there is one process, whose time is passed in.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, Query, SelectStatement, SimpleExpr};
use sea_orm::{DatabaseBackend, QuerySelect};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "worker")]
pub struct Model {
    /// A new one at every start, and after every lost lease.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// When.
    pub started_at: DateTime<Utc>,
    /// Others take over its deliveries after this.
    pub lease_until: DateTime<Utc>,
    /// The process that holds it: the same for all leases that it has held. None of a version that did not say so.
    pub process: Option<Uuid>,
    /// It was told to stop: what it leaves says nothing about what it was doing.
    pub stopping: bool,
}

crate::no_relations!();

/// A lease as its holder asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    /// Which.
    pub id: Uuid,
    /// Who holds it.
    pub process: Uuid,
    /// How long from now.
    pub lasts: TimeDelta,
}

/// The database's time, moved by so much; on `SQLite` reckoned from `now`.
fn time(backend: DatabaseBackend, now: DateTime<Utc>, moved: TimeDelta) -> SimpleExpr {
    match backend {
        DatabaseBackend::Sqlite => Expr::value(now + moved),
        // Not now(), which is when the transaction began.
        _ => Expr::cust(format!(
            "clock_timestamp() + interval '{} milliseconds'",
            moved.num_milliseconds()
        )),
    }
}

impl Entity {
    /// Takes a new lease.
    pub async fn take(db: &impl ConnectionTrait, lease: Lease, now: DateTime<Utc>) -> Result<(), DbErr> {
        let backend = db.get_database_backend();
        let columns = [
            Column::Id,
            Column::Process,
            Column::StartedAt,
            Column::LeaseUntil,
            Column::Stopping,
        ];
        let insert = Query::insert()
            .into_table(Self)
            .columns(columns)
            .values([
                Expr::value(lease.id),
                Expr::value(lease.process),
                time(backend, now, TimeDelta::zero()),
                time(backend, now, lease.lasts),
                Expr::value(false),
            ])
            .map_err(|error| DbErr::Custom(error.to_string()))?
            .to_owned();
        db.execute(&insert).await?;
        Ok(())
    }

    /// Prolongs a lease that has not run out; false when it has. With `SQLite` it never does while its process lives, for there is no
    /// other that could have taken anything over.
    pub async fn renew(db: &impl ConnectionTrait, lease: Lease, now: DateTime<Utc>) -> Result<bool, DbErr> {
        let backend = db.get_database_backend();
        let renewed = Self::update_many()
            .col_expr(Column::LeaseUntil, time(backend, now, lease.lasts))
            .filter(Column::Id.eq(lease.id));
        let renewed = match backend {
            DatabaseBackend::Sqlite => renewed,
            _ => renewed.filter(Expr::col(Column::LeaseUntil).gt(time(backend, now, TimeDelta::zero()))),
        };
        let renewed = renewed.exec(db).await?;
        Ok(renewed.rows_affected == 1)
    }

    /// Notes that a process has been told to stop, in all leases that it has held.
    pub async fn note_stopping(db: &impl ConnectionTrait, process: Uuid) -> Result<(), DbErr> {
        let stopping = Self::update_many()
            .col_expr(Column::Stopping, Expr::value(true))
            .filter(Column::Process.eq(process));
        stopping.exec(db).await?;
        Ok(())
    }

    /// All leases that a process has held, as far as they are still known.
    pub fn of_process(process: Uuid) -> Select<Self> {
        Self::find().filter(Column::Process.eq(process))
    }

    /// Leases that last longer from now than that. None is taken for so long: the clock was set back since.
    pub fn beyond(db: &impl ConnectionTrait, now: DateTime<Utc>, longest: TimeDelta) -> Select<Self> {
        let longest = time(db.get_database_backend(), now, longest);
        Self::find().filter(Expr::col((Self, Column::LeaseUntil)).gt(longest))
    }

    /// Ends a lease now, unless it was renewed since it was read.
    pub async fn end(db: &impl ConnectionTrait, lease: &Model, now: DateTime<Utc>) -> Result<(), DbErr> {
        let now = time(db.get_database_backend(), now, TimeDelta::zero());
        let ended = Self::update_many()
            .col_expr(Column::LeaseUntil, now)
            .filter(Column::Id.eq(lease.id))
            .filter(Column::LeaseUntil.eq(lease.lease_until));
        ended.exec(db).await?;
        Ok(())
    }

    /// Leases that have not run out.
    pub fn alive(db: &impl ConnectionTrait, now: DateTime<Utc>) -> Select<Self> {
        let now = time(db.get_database_backend(), now, TimeDelta::zero());
        Self::find().filter(Expr::col((Self, Column::LeaseUntil)).gt(now))
    }

    /// One lease, whether it has run out or not.
    pub fn by_id(id: Uuid) -> Select<Self> {
        Self::find_by_id(id)
    }

    /// Of these leases, those that are still known.
    pub fn by_ids(ids: impl IntoIterator<Item = Uuid>) -> Select<Self> {
        Self::find().filter(Column::Id.is_in(ids))
    }

    /// Whether a lease has not run out, as the transaction sees it that claims under it. With `SQLite` none does while its process
    /// lives.
    pub async fn is_valid(db: &impl ConnectionTrait, id: Uuid) -> Result<bool, DbErr> {
        if db.get_database_backend() == DatabaseBackend::Sqlite {
            return Ok(true);
        }
        Ok(db.query_one(&Self::holds(id)).await?.is_some())
    }

    /// On `PostgreSQL`: that lease, if it has not run out, as a row of its identifier and a mark.
    pub(crate) fn held(id: Uuid, mark: i64) -> SelectStatement {
        let mut lease = Query::select();
        lease
            .column((Self, Column::Id))
            .expr(Expr::val(mark))
            .from(Self)
            .and_where(Expr::col((Self, Column::Id)).eq(id))
            .and_where(Expr::cust("lease_until > clock_timestamp()"));
        lease
    }

    /// On `PostgreSQL`: that lease, if it has not run out, as a condition of the statement that claims under it.
    pub(crate) fn holds(id: Uuid) -> SelectStatement {
        let mut lease = Query::select();
        lease
            .expr(Expr::val(1))
            .from(Self)
            .and_where(Expr::col((Self, Column::Id)).eq(id))
            .and_where(Expr::cust("lease_until > clock_timestamp()"));
        lease
    }

    /// Whether the process lives: it holds a lease that has not run out.
    pub async fn lives(db: &impl ConnectionTrait, process: Uuid, now: DateTime<Utc>) -> Result<bool, DbErr> {
        let alive = Self::alive(db, now).filter(Column::Process.eq(process)).limit(1);
        Ok(alive.one(db).await?.is_some())
    }

    /// Removes a lease that is given back.
    pub fn remove(id: Uuid) -> sea_orm::DeleteMany<Self> {
        Self::delete_many().filter(Column::Id.eq(id))
    }

    /// Removes leases that ran out longer ago than that.
    pub fn forget(db: &impl ConnectionTrait, now: DateTime<Utc>, kept: TimeDelta) -> sea_orm::DeleteMany<Self> {
        let before = time(db.get_database_backend(), now, -kept);
        Self::delete_many().filter(Expr::col(Column::LeaseUntil).lt(before))
    }
}

/// The lease has not expired. Nothing is claimed under an expired lease: another worker would take it over while it is sent. With
/// `SQLite` no lease expires while its process lives.
pub(crate) fn under_lease(backend: DatabaseBackend, owner: Uuid) -> Expr {
    match backend {
        DatabaseBackend::Sqlite => Expr::cust("1 = 1"),
        _ => Expr::exists(Entity::holds(owner)),
    }
}

/// The lease has expired or is gone. A lease may have been renewed since it was read.
pub(crate) fn under_no_lease(backend: DatabaseBackend, owner: Uuid) -> SimpleExpr {
    match backend {
        DatabaseBackend::Sqlite => Expr::cust("1 = 1"),
        _ => Expr::exists(Entity::holds(owner)).not(),
    }
}
