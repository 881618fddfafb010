//! A pool of connections, and a workload's access to it. A statement waits for a permit of its pool, runs in a task of its own
//! and returns the permit at its end. So a caller may be dropped at any moment, without harm to the connection or to the count
//! of what is in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sea_orm::prelude::async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::dropped_transactions::DroppedTransactions;
use super::pool_connections::{PoolConnections, PooledConnection, SingleConnection};
use super::pool_permit::{PoolPermit, interrupted};
use super::transaction::{Ending, Transaction};
use super::transaction_times::{TransactionTimer, TransactionTimes};
use crate::error::{Outage, Shortage, outage};
use crate::fair::{Share, WaitGuard};

/// How long a statement waits for a full pool.
const TURN: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Pool {
    name: &'static str,
    connections: PoolConnections,
    backend: DbBackend,
    dropped: DroppedTransactions,
    size: usize,
    permits: Arc<Semaphore>,
    /// Permits that accounts may use together: one connection is kept for what every request needs first.
    for_accounts: Arc<Semaphore>,
    waiting: AtomicUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUse {
    pub pool: &'static str,
    pub size: usize,
    pub in_use: usize,
    /// Statements and transactions that wait for a connection.
    pub waiting: usize,
}

impl Pool {
    pub(super) fn new(name: &'static str, connections: DatabaseConnection, size: usize) -> Self {
        let backend = connections.get_database_backend();
        Self::of(name, backend, PoolConnections::Shared(connections), size)
    }

    /// Connections of `SQLite`, whose statements may take `allowed`.
    pub(super) fn of_singles(name: &'static str, singles: Vec<SingleConnection>, allowed: Duration) -> Self {
        let size = singles.len();
        Self::of(
            name,
            DbBackend::Sqlite,
            PoolConnections::singles(singles, allowed),
            size,
        )
    }

    pub(super) fn noting(self, dropped: DroppedTransactions) -> Self {
        Self { dropped, ..self }
    }

    fn of(name: &'static str, backend: DbBackend, connections: PoolConnections, size: usize) -> Self {
        Self {
            name,
            connections,
            backend,
            dropped: DroppedTransactions::default(),
            size,
            permits: Arc::new(Semaphore::new(size)),
            for_accounts: Arc::new(Semaphore::new(size.saturating_sub(1).max(1))),
            waiting: AtomicUsize::new(0),
        }
    }

    /// A connection, for a holder of a permit.
    fn member(&self) -> Result<PooledConnection, DbErr> {
        self.connections.use_one().ok_or_else(|| Shortage::Pool.into())
    }

    pub(super) fn now(&self) -> PoolUse {
        PoolUse {
            pool: self.name,
            size: self.size,
            in_use: self.size.saturating_sub(self.permits.available_permits()),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    /// An account with a share first waits for a permit of its own, then for the pool, so that many callers of one account do
    /// not block others.
    async fn permit(&self, share: Option<&Share>) -> Result<PoolPermit, DbErr> {
        let _waiting = WaitGuard::begin(&self.waiting, usize::MAX);
        let Some(share) = share else {
            return Ok(PoolPermit {
                _in_pool: turn(&self.permits).await?,
                _of_accounts: None,
                _of_account: None,
            });
        };
        let of_account = share.acquire().await.map_err(|_used_up| Shortage::Share)?;
        let of_accounts = turn(&self.for_accounts).await?;
        Ok(PoolPermit {
            _in_pool: turn(&self.permits).await?,
            _of_accounts: Some(of_accounts),
            _of_account: Some(of_account),
        })
    }
}

async fn turn(permits: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, DbErr> {
    match tokio::time::timeout(TURN, permits.clone().acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) | Err(_) => Err(Shortage::Pool.into()),
    }
}

/// Whether a statement may be repeated after its connection was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeats {
    Yes,
    No,
}

/// A workload's access to a pool.
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

    /// Runs a statement in a task of its own. After an outage dead connections may lie in the pool, each of which fails one
    /// statement: a read goes on to the next connection.
    async fn run<T, F, R>(&self, statement: F) -> Result<T, DbErr>
    where
        T: Send + 'static,
        F: Fn(DatabaseConnection) -> R + Send + Sync + 'static,
        R: Future<Output = Result<T, DbErr>> + Send,
    {
        let permit = self.pool.permit(self.share.as_deref()).await?;
        let pool = self.pool.clone();
        let repeats = if self.repeats == Repeats::Yes {
            self.pool.size
        } else {
            0
        };
        let running = tokio::spawn(async move {
            let _permit = permit;
            // Given back before the permit.
            let used = pool.member()?;
            repeat_lost(repeats, || statement(used.connection.clone())).await
        });
        running.await.unwrap_or_else(|error| interrupted(&error))
    }

    /// Begins a transaction that writes. On `SQLite` it takes the write lock immediately: one that reads first and writes later
    /// would fail with "database is locked" whenever another writer came between. It begins in a task of its own: a future
    /// dropped during `BEGIN` would give the pool a connection in a transaction that the pool knows nothing of.
    pub(super) async fn begin(
        &self,
        times: &TransactionTimes,
        start_timer: impl FnOnce(&TransactionTimes) -> TransactionTimer + Send + 'static,
    ) -> Result<Transaction, DbErr> {
        let permit = self.pool.permit(self.share.as_deref()).await?;
        let (pool, times) = (self.pool.clone(), times.clone());
        let beginning = tokio::spawn(async move {
            let used = pool.member()?;
            let begun = repeat_lost(pool.size, || begin(&used.connection)).await?;
            let ending = Ending {
                permit,
                timer: start_timer(&times),
                dropped: pool.dropped.clone(),
            };
            Ok(Transaction::new(begun, ending))
        });
        beginning.await.unwrap_or_else(|error| interrupted(&error))
    }
}

async fn begin(connections: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let immediate = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    connections.begin_with_options(immediate).await
}

/// Repeats, at most `most` times, while the connection is lost.
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
