//! A pool of connections, and the way to it of one lane. A statement waits for a place in its pool, runs in a task of its own,
//! and gives the place back at its end: who asked for it may go away at any moment, and neither the connection nor the count of
//! what is in use is harmed by that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sea_orm::prelude::async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr,
    SqliteTransactionMode, SqlxError, Statement, TransactionOptions, TransactionTrait,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;

use super::abandoned::Abandoned;
use super::held::{Held, HeldTimes};
use super::members::{Members, Single, Used};
use super::transaction::{Ending, Transaction};
use crate::error::{Outage, Shortage, outage};
use crate::fair::{Share, WaitGuard};

/// How long a statement waits for a place in its pool while others use all of it.
const TURN: Duration = Duration::from_secs(5);

/// Connections of one kind.
#[derive(Debug)]
pub(super) struct Pool {
    name: &'static str,
    members: Members,
    backend: DbBackend,
    abandoned: Abandoned,
    size: usize,
    places: Arc<Semaphore>,
    /// Of them, those that accounts may use together: one connection is kept for what every request needs first.
    for_accounts: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// What a pool is used for at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// Which pool.
    pub pool: &'static str,
    /// Connections that it may have.
    pub size: usize,
    /// Statements and transactions that run.
    pub in_use: usize,
    /// Statements and transactions that wait for a connection.
    pub waiting: usize,
}

/// A place in a pool; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    _in_pool: OwnedSemaphorePermit,
    _of_accounts: Option<OwnedSemaphorePermit>,
    _of_account: Option<OwnedSemaphorePermit>,
}

impl Pool {
    /// One whose connections notice what is abandoned.
    pub(super) fn new(name: &'static str, connections: DatabaseConnection, size: usize) -> Self {
        let backend = connections.get_database_backend();
        Self::of((name, backend), Members::Shared(connections), size)
    }

    /// One of single connections, whose statements may take so long.
    pub(super) fn of_singles(name: &'static str, singles: Vec<Single>, allowed: Duration) -> Self {
        let size = singles.len();
        Self::of((name, DbBackend::Sqlite), Members::singles(singles, allowed), size)
    }

    /// The same, where its connections were told of it.
    pub(super) fn noting(self, abandoned: Abandoned) -> Self {
        Self { abandoned, ..self }
    }

    fn of((name, backend): (&'static str, DbBackend), members: Members, size: usize) -> Self {
        Self {
            name,
            members,
            backend,
            abandoned: Abandoned::default(),
            size,
            places: Arc::new(Semaphore::new(size)),
            for_accounts: Arc::new(Semaphore::new(size.saturating_sub(1).max(1))),
            waiting: AtomicUsize::new(0),
        }
    }

    /// A connection, for whoever has a place.
    fn member(&self) -> Result<Used, DbErr> {
        self.members.use_one().ok_or_else(|| Shortage::Pool.into())
    }

    pub(super) fn now(&self) -> PoolUse {
        PoolUse {
            pool: self.name,
            size: self.size,
            in_use: self.size.saturating_sub(self.places.available_permits()),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    /// Of an account with a share, first a place of its own: whoever has it waits for the pool as others do, so that of many
    /// callers of one account only so many stand in the way of others.
    async fn place(&self, share: Option<&Share>) -> Result<Place, DbErr> {
        let _waiting = WaitGuard::begin(&self.waiting, usize::MAX);
        let Some(share) = share else {
            return Ok(Place {
                _in_pool: turn(&self.places).await?,
                _of_accounts: None,
                _of_account: None,
            });
        };
        let of_account = share.acquire().await.map_err(|_used_up| Shortage::Share)?;
        let of_accounts = turn(&self.for_accounts).await?;
        Ok(Place {
            _in_pool: turn(&self.places).await?,
            _of_accounts: Some(of_accounts),
            _of_account: Some(of_account),
        })
    }
}

async fn turn(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, DbErr> {
    match tokio::time::timeout(TURN, places.clone().acquire_owned()).await {
        Ok(Ok(place)) => Ok(place),
        Ok(Err(_)) | Err(_) => Err(Shortage::Pool.into()),
    }
}

/// Whether a statement may be run again after the connection was lost under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeats {
    /// It only reads.
    Yes,
    No,
}

/// The way of one lane to a pool.
#[derive(Clone, Debug)]
pub struct Connection {
    pool: Arc<Pool>,
    share: Option<Arc<Share>>,
    repeats: Repeats,
}

impl Connection {
    pub(super) fn new(pool: Arc<Pool>, share: Option<Arc<Share>>, repeats: Repeats) -> Self {
        Self { pool, share, repeats }
    }

    /// Runs a statement in a task of its own. After the database was away, dead connections may lie in the pool, each of which
    /// fails one statement: one that only reads goes on to the next.
    async fn run<T, F, R>(&self, statement: F) -> Result<T, DbErr>
    where
        T: Send + 'static,
        F: Fn(DatabaseConnection) -> R + Send + Sync + 'static,
        R: Future<Output = Result<T, DbErr>> + Send,
    {
        let place = self.pool.place(self.share.as_deref()).await?;
        let pool = self.pool.clone();
        let repeats = if self.repeats == Repeats::Yes {
            self.pool.size
        } else {
            0
        };
        let running = tokio::spawn(async move {
            let _place = place;
            // Given back before the place.
            let used = pool.member()?;
            repeat_lost(repeats, || statement(used.connection.clone())).await
        });
        running.await.unwrap_or_else(|error| broken(&error))
    }

    /// Begins a transaction that writes. On `SQLite` it takes the write lock at once: one that reads first and writes later would
    /// fail with "database is locked" whenever another writer came between.
    ///
    /// It begins in a task of its own: a future that is dropped while `BEGIN` is on its way would give the pool a connection that
    /// is in a transaction of which the pool knows nothing. Here the transaction has begun before anybody drops it, which rolls
    /// it back.
    pub(super) async fn begin(
        &self,
        times: &HeldTimes,
        hold: impl FnOnce(&HeldTimes) -> Held + Send + 'static,
    ) -> Result<Transaction, DbErr> {
        let place = self.pool.place(self.share.as_deref()).await?;
        let (pool, times) = (self.pool.clone(), times.clone());
        let beginning = tokio::spawn(async move {
            let used = pool.member()?;
            let begun = repeat_lost(pool.size, || begin(&used.connection)).await?;
            let ending = Ending {
                place,
                held: hold(&times),
                abandoned: pool.abandoned.clone(),
            };
            Ok(Transaction::new(begun, ending))
        });
        beginning.await.unwrap_or_else(|error| broken(&error))
    }
}

async fn begin(connections: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let immediate = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    connections.begin_with_options(immediate).await
}

/// Tries again, at most so often, where the connection was lost.
async fn repeat_lost<T, R>(most: usize, run: impl Fn() -> R) -> Result<T, DbErr>
where
    R: Future<Output = Result<T, DbErr>>,
{
    let mut left = most;
    loop {
        match run().await {
            Err(error) if left > 0 && outage(&error) == Some(Outage::EndUnknown) => left -= 1,
            done => return done,
        }
    }
}

/// A statement that panicked, or that the end of the process has stopped: it is not known whether it was done.
pub(super) fn broken<T>(error: &JoinError) -> Result<T, DbErr> {
    tracing::error!(%error, "a statement did not come to its end");
    Err(DbErr::Query(RuntimeErr::SqlxError(SqlxError::WorkerCrashed.into())))
}

#[async_trait]
impl ConnectionTrait for Connection {
    fn get_database_backend(&self) -> DbBackend {
        self.pool.backend
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.run(move |db| {
            let statement = statement.clone();
            async move { db.execute_raw(statement).await }
        })
        .await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let sql: Arc<str> = sql.into();
        self.run(move |db| {
            let sql = sql.clone();
            async move { db.execute_unprepared(&sql).await }
        })
        .await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.run(move |db| {
            let statement = statement.clone();
            async move { db.query_one_raw(statement).await }
        })
        .await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.run(move |db| {
            let statement = statement.clone();
            async move { db.query_all_raw(statement).await }
        })
        .await
    }
}
