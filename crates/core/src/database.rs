//! Connections: on `PostgreSQL` a pool for each workload; on `SQLite` one writer and several readers.

mod connection;
mod dropped_transactions;
mod explain;
mod planner_statistics;
mod pool_connections;
mod pool_permit;
mod pools;
mod schema;
pub mod server_lock;
pub mod time;
mod transaction;
mod transaction_times;

use std::panic::Location;
use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr};
use uuid::Uuid;

use self::connection::Repeats;
pub use self::connection::{Connection, PoolUse};
pub use self::explain::explain;
use self::pools::{Kind, Pools};
pub use self::transaction::Transaction;
pub use self::transaction_times::TransactionTimes;
use crate::fair::Share;

/// Kinds of work with connections of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Requests, and work without connections of its own.
    Requests,
    /// Storing submitted leads, and reading for it.
    Intake,
    /// Claiming deliveries and recording their outcomes.
    Worker,
    /// Renewing the worker's lease.
    Lease,
}

impl Workload {
    fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Intake => "intake",
            Self::Worker => "worker",
            Self::Lease => "lease",
        }
    }
}

/// The database, through the connections of one workload. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db(Arc<DbInner>);

#[derive(Debug)]
struct DbInner {
    pools: Arc<Pools>,
    read: Connection,
    write: Connection,
    workload: Workload,
}

/// An account's shares of the connections for requests.
#[derive(Default)]
struct Shares {
    read: Option<Arc<Share>>,
    write: Option<Arc<Share>>,
}

impl Db {
    /// Connects to `postgres://…` or `sqlite://…`; `connections` bounds those of this process. A missing `SQLite` file is made.
    pub async fn connect(url: &str, connections: u32) -> Result<Self, DbErr> {
        let pools = if url.starts_with("sqlite:") {
            Pools::sqlite(url, connections).await?
        } else {
            Pools::postgres(url, connections).await?
        };
        let pools = Arc::new(pools);
        Ok(Self::by(&pools, Workload::Requests, Shares::default()))
    }

    fn by(pools: &Arc<Pools>, workload: Workload, shares: Shares) -> Self {
        let kind: &Kind = match workload {
            Workload::Requests => &pools.requests,
            Workload::Intake => &pools.intake,
            Workload::Worker => &pools.worker,
            Workload::Lease => &pools.lease,
        };
        Self(Arc::new(DbInner {
            read: Connection::new(kind.read.clone(), shares.read, Repeats::Yes),
            write: Connection::new(kind.write.clone(), shares.write, Repeats::No),
            pools: pools.clone(),
            workload,
        }))
    }

    #[must_use]
    pub fn for_workload(&self, workload: Workload) -> Self {
        Self::by(&self.0.pools, workload, Shares::default())
    }

    /// The connections for requests, of which this owner gets no more than its share: beyond it statements wait, and then fail
    /// with [`Shortage::Share`](crate::error::Shortage).
    #[must_use]
    pub fn for_account(&self, owner: Uuid) -> Self {
        let pools = &self.0.pools;
        let shares = Shares {
            read: Some(pools.reading.of(owner)),
            write: Some(pools.writing.of(owner)),
        };
        Self::by(pools, Workload::Requests, shares)
    }

    /// For statements that only read: they may be repeated when their connection was lost.
    pub fn read(&self) -> &Connection {
        &self.0.read
    }

    /// For single statements that write. One that has begun ends, also when its caller is gone.
    pub fn write(&self) -> &Connection {
        &self.0.write
    }

    /// Begins a transaction that writes. It may be dropped at any moment: no connection is left in a transaction. Its duration
    /// is measured by workload, and the log names where a long one was begun.
    #[track_caller]
    pub fn begin(&self) -> impl Future<Output = Result<Transaction, DbErr>> + Send + use<> {
        let begun = Location::caller();
        let (inner, work) = (self.0.clone(), self.0.workload.name());
        async move {
            let hold = move |times: &TransactionTimes| times.begin(work, begun);
            inner.write.begin(&inner.pools.held, hold).await
        }
    }

    pub fn transaction_times(&self) -> TransactionTimes {
        self.0.pools.held.clone()
    }

    pub fn is_postgres(&self) -> bool {
        self.0.write.get_database_backend() == DatabaseBackend::Postgres
    }

    pub fn pools(&self) -> Vec<PoolUse> {
        self.0.pools.now()
    }

    /// Brings the schema up to date, and answers how many migrations were missing. Of several processes one migrates, and the
    /// others wait.
    pub async fn migrate(&self) -> Result<usize, DbErr> {
        schema::bring_up_to_date(&self.0.pools.upkeep).await
    }

    pub async fn pending_migrations(&self) -> Result<usize, DbErr> {
        schema::lacking(&self.0.pools.upkeep).await
    }

    /// Updates the planner's statistics of `SQLite`; `PostgreSQL` does so by itself.
    pub async fn sample(&self) -> Result<(), DbErr> {
        planner_statistics::sample(self.write()).await
    }
}

/// The file of `sqlite://…`; none for other databases and for one in memory.
fn sqlite_file(url: &str) -> Option<&str> {
    let path = url.strip_prefix("sqlite:")?.trim_start_matches("//");
    let path = path.split('?').next()?;
    (!path.is_empty() && !path.starts_with(':')).then_some(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn only_its_owner_reads_the_file_and_what_is_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("leadmesh.db");
        let db = Db::connect(&format!("sqlite://{}", path.display()), 2).await.unwrap();
        db.write().execute_unprepared("CREATE TABLE t (a int)").await.unwrap();
        let mut files = 0;
        for file in std::fs::read_dir(directory.path()).unwrap() {
            let mode = file.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            files += 1;
        }
        assert_eq!(files, 3, "the database, its log and its index");
    }
}
