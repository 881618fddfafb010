//! Connections: for `PostgreSQL` a pool for each kind of work; for `SQLite` one writer and several readers.

mod abandoned;
mod connection;
mod explain;
mod figures;
mod held;
mod members;
pub mod only_server;
mod pools;
mod schema;
pub mod time;
mod transaction;

use std::panic::Location;
use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr};
use uuid::Uuid;

use self::connection::Repeats;
pub use self::connection::{Connection, PoolUse};
pub use self::explain::explain;
pub use self::held::HeldTimes;
use self::pools::{Kind, Pools};
pub use self::transaction::Transaction;
use crate::fair::Share;

/// The kinds of work that have connections of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Requests, and whatever is none of the others.
    Requests,
    /// Storing submitted leads, and what is read for that.
    Intake,
    /// Claiming deliveries and recording what became of them.
    Worker,
    /// Renewing the worker's lease.
    Lease,
}

impl Lane {
    fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Intake => "intake",
            Self::Worker => "worker",
            Self::Lease => "lease",
        }
    }
}

/// The database, by the connections of one lane. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db(Arc<Way>);

#[derive(Debug)]
struct Way {
    pools: Arc<Pools>,
    read: Connection,
    write: Connection,
    lane: Lane,
}

/// What an account may use of the connections for requests.
#[derive(Default)]
struct Shares {
    read: Option<Arc<Share>>,
    write: Option<Arc<Share>>,
}

impl Db {
    /// Connects to `postgres://…` or `sqlite://…`, with at most so many connections of this process; the `SQLite` file is made if
    /// absent.
    pub async fn connect(url: &str, connections: u32) -> Result<Self, DbErr> {
        let pools = if url.starts_with("sqlite:") {
            Pools::sqlite(url, connections).await?
        } else {
            Pools::postgres(url, connections).await?
        };
        let pools = Arc::new(pools);
        Ok(Self::by(&pools, Lane::Requests, Shares::default()))
    }

    fn by(pools: &Arc<Pools>, lane: Lane, shares: Shares) -> Self {
        let kind: &Kind = match lane {
            Lane::Requests => &pools.requests,
            Lane::Intake => &pools.intake,
            Lane::Worker => &pools.worker,
            Lane::Lease => &pools.lease,
        };
        Self(Arc::new(Way {
            read: Connection::new(kind.read.clone(), shares.read, Repeats::Yes),
            write: Connection::new(kind.write.clone(), shares.write, Repeats::No),
            pools: pools.clone(),
            lane,
        }))
    }

    /// The same database by the connections of that lane.
    #[must_use]
    pub fn by_lane(&self, lane: Lane) -> Self {
        Self::by(&self.0.pools, lane, Shares::default())
    }

    /// The same database by the connections for requests, of which this account (or another owner) gets no more than its share:
    /// beyond it statements wait, and fail with [`Shortage::Share`](crate::error::Shortage) where that takes too long.
    #[must_use]
    pub fn for_account(&self, owner: Uuid) -> Self {
        let pools = &self.0.pools;
        let shares = Shares {
            read: Some(pools.reading.of(owner)),
            write: Some(pools.writing.of(owner)),
        };
        Self::by(pools, Lane::Requests, shares)
    }

    /// For statements that only read: one may be run again when its connection was lost.
    pub fn read(&self) -> &Connection {
        &self.0.read
    }

    /// For single statements that write. One that has begun goes on to its end, also where nobody waits for it any more.
    pub fn write(&self) -> &Connection {
        &self.0.write
    }

    /// Begins a transaction that writes. May be dropped at any moment: no connection is left in a transaction. How long it is held is
    /// measured, by the lane; of a long one the log tells where it was begun.
    #[track_caller]
    pub fn begin(&self) -> impl Future<Output = Result<Transaction, DbErr>> + Send + use<> {
        let begun = Location::caller();
        let (way, work) = (self.0.clone(), self.0.lane.name());
        async move {
            let hold = move |times: &HeldTimes| times.begin(work, begun);
            way.write.begin(&way.pools.held, hold).await
        }
    }

    /// How long writing transactions of this process are held.
    pub fn held(&self) -> HeldTimes {
        self.0.pools.held.clone()
    }

    /// Which of the two it is.
    pub fn is_postgres(&self) -> bool {
        self.0.write.get_database_backend() == DatabaseBackend::Postgres
    }

    /// What the pools of this process are used for at the moment.
    pub fn pools(&self) -> Vec<PoolUse> {
        self.0.pools.now()
    }

    /// Brings the schema up to date, and answers how many changes it lacked. Of several processes one does so, and the others wait.
    pub async fn migrate(&self) -> Result<usize, DbErr> {
        schema::bring_up_to_date(&self.0.pools.upkeep).await
    }

    /// Changes that the schema still lacks.
    pub async fn pending_migrations(&self) -> Result<usize, DbErr> {
        schema::lacking(&self.0.pools.upkeep).await
    }

    /// Brings the figures up to date by which `SQLite` plans statements; nothing on `PostgreSQL`, which does so by itself.
    pub async fn sample(&self) -> Result<(), DbErr> {
        figures::sample(self.write()).await
    }
}

/// The file of `sqlite://…`; none for other databases, and for one in memory.
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
