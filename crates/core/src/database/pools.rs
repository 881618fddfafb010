//! The pools of a process. Each workload has connections of its own: however many searches run, leads are stored, deliveries
//! recorded and the worker's lease renewed.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::{AssertSqlSafe, Executor, PgConnection, SqliteConnection};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, SqlxError};

use super::connection::{Pool, PoolUse};
use super::dropped_transactions::DroppedTransactions;
use super::pool_connections::{Limit, SingleConnection};
use super::sqlite_file;
use super::transaction_times::TransactionTimes;
use crate::fair::{FairShares, ShareLimits};

/// How long a caller waits for a connection to `PostgreSQL` before the database counts as unreachable.
const ACQUIRE: Duration = Duration::from_secs(2);
/// The same for the one writer of `SQLite`, behind which all other writers queue.
const WRITER_TURN: Duration = Duration::from_secs(5);
/// A connection that was idle for this long is tested before use: it may have died.
const TRIED_AFTER: Duration = Duration::from_secs(1);

/// Statements of one account that may wait for a connection, and for how long.
const WAITING: usize = 500;
const PATIENCE: Duration = Duration::from_secs(20);

/// How long `PostgreSQL` lets a session stay idle in a transaction, which holds locks, before it ends the session.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(30);
/// Limit of a whole transaction (`PostgreSQL` 17 and newer); longer than that of a detached write.
const TRANSACTION: Duration = Duration::from_secs(90);
/// How often `PostgreSQL` 14 and newer checks whether the client of a running statement is still there.
const CLIENT_CHECK: Duration = Duration::from_secs(5);

/// Steps of the virtual machine after which `SQLite` asks whether a statement may go on: well under a millisecond.
const STEPS: i32 = 10_000;

/// Connections by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    lease: u32,
    worker: u32,
    intake: u32,
    writers: u32,
    readers: u32,
}

impl Sizes {
    /// Divides `all`; each kind has at least one.
    pub(super) fn of(all: u32) -> Self {
        let lease = 1;
        let worker = (all / 4).max(1);
        let intake = (all * 3 / 16).max(1);
        let writers = (all * 3 / 16).max(1);
        Self {
            lease,
            worker,
            intake,
            writers,
            readers: all.saturating_sub(lease + worker + intake + writers).max(1),
        }
    }
}

/// Time limits of `PostgreSQL` sessions.
#[derive(Clone, Copy, Debug)]
struct SessionLimits {
    statement: Duration,
    lock: Duration,
}

const fn seconds(statement: u64, lock: u64) -> SessionLimits {
    SessionLimits {
        statement: Duration::from_secs(statement),
        lock: Duration::from_secs(lock),
    }
}

/// As long as a request may take; a page of an export is a statement of its own.
const READING: SessionLimits = seconds(30, 10);
const WRITING: SessionLimits = seconds(60, 10);
const STORING: SessionLimits = seconds(30, 10);
const WORKING: SessionLimits = seconds(60, 10);
/// The lease runs out after six seconds: a slower renewal is of no use.
const LEASING: SessionLimits = seconds(4, 4);

/// The pools that one workload reads from and writes to.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    pub(super) read: Arc<Pool>,
    pub(super) write: Arc<Pool>,
}

impl Kind {
    fn of(pool: Pool) -> Self {
        let pool = Arc::new(pool);
        Self {
            read: pool.clone(),
            write: pool,
        }
    }
}

#[derive(Debug)]
pub(super) struct Pools {
    /// For requests, and work without connections of its own.
    pub(super) requests: Kind,
    pub(super) intake: Kind,
    pub(super) worker: Kind,
    pub(super) lease: Kind,
    /// For schema changes, without a time limit.
    pub(super) upkeep: DatabaseConnection,
    pub(super) reading: FairShares,
    pub(super) writing: FairShares,
    pub(super) held: TransactionTimes,
}

impl Pools {
    pub(super) async fn postgres(url: &str, all: u32) -> Result<Self, DbErr> {
        let sizes = Sizes::of(all);
        // The first pool connects now, to find a wrong address; the others connect when first used.
        let readers = postgres_pool("readers", url, sizes.readers, READING, false).await?;
        let writers = postgres_pool("writers", url, sizes.writers, WRITING, true).await?;
        Ok(Self {
            reading: shares(sizes.readers),
            writing: shares(sizes.writers),
            held: TransactionTimes::default(),
            requests: Kind {
                read: Arc::new(readers),
                write: Arc::new(writers),
            },
            intake: Kind::of(postgres_pool("intake", url, sizes.intake, STORING, true).await?),
            worker: Kind::of(postgres_pool("worker", url, sizes.worker, WORKING, true).await?),
            lease: Kind::of(postgres_pool("lease", url, sizes.lease, LEASING, true).await?),
            upkeep: connected(1, postgres(url, None, true)).await?,
        })
    }

    /// With one writer connection writers queue fairly in this process instead of polling the file's lock. Readers have their
    /// own.
    pub(super) async fn sqlite(url: &str, all: u32) -> Result<Self, DbErr> {
        private_file(url)?;
        let sizes = Sizes::of(all);
        let separator = if url.contains('?') { '&' } else { '?' };
        let upkeep = connected(1, sqlite(&format!("{url}{separator}mode=rwc"))).await?;
        upkeep.execute_unprepared("PRAGMA journal_mode=WAL").await?;
        let write = Arc::new(Pool::new("writer", upkeep.clone(), 1));
        let kind = async |name, size, limits: SessionLimits| {
            let mut singles = Vec::new();
            for _ in 0..size {
                let limit = Limit::default();
                let connection = connected(1, interruptible(url, &limit)).await?;
                singles.push(SingleConnection { connection, limit });
            }
            let read = Arc::new(Pool::of_singles(name, singles, limits.statement));
            let write = write.clone();
            Ok::<_, DbErr>(Kind { read, write })
        };
        // All workloads share one writer, so its shares are the readers'.
        let readers = sizes.readers + sizes.writers;
        Ok(Self {
            reading: shares(readers),
            writing: shares(1),
            held: TransactionTimes::default(),
            requests: kind("readers", readers, READING).await?,
            intake: kind("intake", sizes.intake, STORING).await?,
            worker: kind("worker", sizes.worker, WORKING).await?,
            lease: kind("lease", sizes.lease, LEASING).await?,
            upkeep,
        })
    }

    /// The use of each pool.
    pub(super) fn now(&self) -> Vec<PoolUse> {
        let kinds = [&self.requests, &self.intake, &self.worker, &self.lease];
        let mut uses: Vec<PoolUse> = Vec::new();
        for pool in kinds.iter().flat_map(|kind| [&kind.read, &kind.write]) {
            let now = pool.now();
            if uses.iter().all(|known| known.pool != now.pool) {
                uses.push(now);
            }
        }
        uses
    }
}

/// An account's share of a pool: at most half of what accounts may use together.
fn shares(size: u32) -> FairShares {
    FairShares::new(ShareLimits {
        concurrent: (to_usize(size).saturating_sub(1) / 2).max(1),
        max_waiting: WAITING,
        max_wait: PATIENCE,
    })
}

async fn postgres_pool(
    name: &'static str,
    url: &str,
    size: u32,
    limits: SessionLimits,
    lazy: bool,
) -> Result<Pool, DbErr> {
    let dropped = DroppedTransactions::default();
    let options = postgres(url, Some((limits, dropped.clone())), lazy);
    let pool = Pool::new(name, connected(size, options).await?, to_usize(size));
    Ok(pool.noting(dropped))
}

async fn connected(size: u32, mut options: ConnectOptions) -> Result<DatabaseConnection, DbErr> {
    options.max_connections(size);
    Database::connect(options).await
}

fn to_usize(size: u32) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

fn options(url: &str, patience: Duration) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .acquire_timeout(patience)
        .connect_timeout(patience)
        .sqlx_logging(false)
        .test_before_acquire(false);
    options
}

fn postgres(url: &str, watched: Option<(SessionLimits, DroppedTransactions)>, lazy: bool) -> ConnectOptions {
    let mut options = options(url, ACQUIRE);
    options.connect_lazy(lazy).test_before_acquire_if_idle_for(TRIED_AFTER);
    if let Some((limits, dropped)) = watched {
        options.map_sqlx_postgres_pool_opts(move |pool| {
            let dropped = dropped.clone();
            pool.after_connect(move |connection, _| Box::pin(limit(connection, limits)))
                .after_release(move |connection, _| {
                    let dropped = dropped.clone();
                    Box::pin(async move { dropped.judge(connection).await })
                })
        });
    }
    options
}

/// Sets the limits in the session. In the address a pooler between here and the database would refuse what it does not know.
async fn limit(connection: &mut PgConnection, limits: SessionLimits) -> Result<(), SqlxError> {
    let mut settings = vec![
        ("statement_timeout", limits.statement),
        ("lock_timeout", limits.lock),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION),
    ];
    let version = connection.server_version_num().unwrap_or_default();
    if version >= 170_000 {
        settings.push(("transaction_timeout", TRANSACTION));
    }
    let sql: String = settings.into_iter().map(|(name, limit)| set(name, limit)).collect();
    connection.execute(AssertSqlSafe(sql)).await?;
    if version >= 140_000 {
        // Refused on systems without support; a statement of a vanished client then runs to its own limit.
        let sql = set("client_connection_check_interval", CLIENT_CHECK);
        if let Err(error) = connection.execute(AssertSqlSafe(sql)).await {
            tracing::debug!(%error, "the database cannot check whether clients are still connected");
        }
    }
    Ok(())
}

fn set(name: &str, value: Duration) -> String {
    format!("SET {name} = '{}s';", value.as_secs())
}

fn sqlite(url: &str) -> ConnectOptions {
    let mut options = options(url, WRITER_TURN);
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .busy_timeout(WRITER_TURN)
            .foreign_keys(true)
            // A lead with a receipt must survive a power failure.
            .pragma("synchronous", "FULL")
            .pragma("temp_store", "MEMORY")
    });
    options
}

/// A reader that can be interrupted. The writer cannot: an interrupted statement would undo its transaction without the library
/// noticing. What it runs is bounded in rows instead.
fn interruptible(url: &str, limit: &Limit) -> ConnectOptions {
    let (mut options, limit) = (sqlite(url), limit.clone());
    options.connect_lazy(true).map_sqlx_sqlite_pool_opts(move |pool| {
        let limit = limit.clone();
        pool.after_connect(move |connection, _| {
            let limit = limit.clone();
            Box::pin(async move { ask(connection, limit).await })
        })
    });
    options
}

async fn ask(connection: &mut SqliteConnection, limit: Limit) -> Result<(), SqlxError> {
    let mut handle = connection.lock_handle().await?;
    handle.set_progress_handler(STEPS, move || limit.allows());
    Ok(())
}

/// Makes the file for its owner alone, as the keys beside it; `SQLite` gives the files next to it the same permissions.
fn private_file(url: &str) -> Result<(), DbErr> {
    use std::os::unix::fs::OpenOptionsExt;
    let Some(path) = sqlite_file(url) else {
        return Ok(());
    };
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(DbErr::Custom(format!("cannot create {path}: {error}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::{DbBackend, Statement};

    use super::super::connection::{Connection, Repeats};
    use super::*;
    use crate::error::{Outage, outage};

    #[tokio::test]
    async fn a_read_of_sqlite_that_does_not_end_is_interrupted_and_harms_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("leadmesh.db").display());
        Pools::sqlite(&url, 5).await.unwrap();
        let limit = Limit::default();
        let connection = connected(1, interruptible(&url, &limit)).await.unwrap();
        let pool = Pool::of_singles(
            "readers",
            vec![SingleConnection { connection, limit }],
            Duration::from_millis(100),
        );
        let readers = Connection::new(Arc::new(pool), None, Repeats::Yes);
        let read = async |sql| {
            readers
                .query_one_raw(Statement::from_string(DbBackend::Sqlite, sql))
                .await
        };
        for _ in 0..3 {
            let error =
                read("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n").await;
            assert_eq!(outage(&error.unwrap_err()), Some(Outage::TooSlow));
            let row = read("SELECT 7").await.unwrap().unwrap();
            assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), 7);
        }
    }

    fn all(sizes: Sizes) -> u32 {
        sizes.lease + sizes.worker + sizes.intake + sizes.writers + sizes.readers
    }

    #[test]
    fn every_kind_has_connections_of_its_own_and_all_together_are_those_that_were_set() {
        let sixteen = Sizes {
            lease: 1,
            worker: 4,
            intake: 3,
            writers: 3,
            readers: 5,
        };
        assert_eq!(Sizes::of(16), sixteen);
        for total in 5..=1_000 {
            let sizes = Sizes::of(total);
            assert_eq!(all(sizes), total);
            assert!(
                [sizes.worker, sizes.intake, sizes.writers, sizes.readers]
                    .iter()
                    .all(|size| *size > 0)
            );
        }
        assert_eq!(all(Sizes::of(2)), 5, "each kind has one");
    }
}
