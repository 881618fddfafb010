//! Connections: one pool for `PostgreSQL`; for `SQLite` one writer and several readers.

pub mod only_server;
pub mod time;

use std::time::Duration;

use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseBackend, DatabaseConnection, DatabaseTransaction, DbErr,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};

/// How long a caller waits for a connection to `PostgreSQL` before it is told that the database is not reachable.
const ACQUIRE: Duration = Duration::from_secs(2);
/// The same for the one writer of `SQLite`, behind which all other writers queue.
const WRITER_TURN: Duration = Duration::from_secs(5);

/// The database.
#[derive(Clone, Debug)]
pub struct Db {
    readers: DatabaseConnection,
    writer: DatabaseConnection,
}

impl Db {
    /// Connects to `postgres://…` or `sqlite://…`; the `SQLite` file is made if absent.
    pub async fn connect(url: &str, connections: u32) -> Result<Self, DbErr> {
        if url.starts_with("sqlite:") {
            Self::connect_sqlite(url, connections).await
        } else {
            Self::connect_postgres(url, connections).await
        }
    }

    async fn connect_postgres(url: &str, connections: u32) -> Result<Self, DbErr> {
        let pool = Database::connect(options(url, connections, ACQUIRE)).await?;
        Ok(Self {
            readers: pool.clone(),
            writer: pool,
        })
    }

    /// With one writer connection writers queue fairly in this process instead of polling the file's lock.
    async fn connect_sqlite(url: &str, connections: u32) -> Result<Self, DbErr> {
        private_file(url)?;
        let separator = if url.contains('?') { '&' } else { '?' };
        let writer = Database::connect(sqlite_options(&format!("{url}{separator}mode=rwc"), 1)).await?;
        writer.execute_unprepared("PRAGMA journal_mode=WAL").await?;
        let readers = Database::connect(sqlite_options(url, connections)).await?;
        Ok(Self { readers, writer })
    }

    /// For statements that only read.
    pub fn read(&self) -> &DatabaseConnection {
        &self.readers
    }

    /// For single statements that write.
    pub fn write(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// Begins a transaction that writes. On `SQLite` it takes the write lock at once: one that reads first and writes later
    /// would fail with "database is locked" whenever another writer came between.
    pub async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let immediate = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        self.writer.begin_with_options(immediate).await
    }

    /// Which of the two it is.
    pub fn is_postgres(&self) -> bool {
        self.writer.get_database_backend() == DatabaseBackend::Postgres
    }

    /// Brings the schema up to date.
    pub async fn migrate(&self) -> Result<(), DbErr> {
        Migrator::up(&self.writer, None).await
    }

    /// Changes that the schema still lacks.
    pub async fn pending_migrations(&self) -> Result<usize, DbErr> {
        Ok(Migrator::get_pending_migrations(&self.writer).await?.len())
    }
}

/// Makes the file for its owner alone, as the keys beside it; what `SQLite` puts next to it gets the same permissions.
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
            Err(DbErr::Custom(format!("cannot make {path}: {error}")))
        }
        _ => Ok(()),
    }
}

/// The file of `sqlite://…`; none for other databases, and for one in memory.
fn sqlite_file(url: &str) -> Option<&str> {
    let path = url.strip_prefix("sqlite:")?.trim_start_matches("//");
    let path = path.split('?').next()?;
    (!path.is_empty() && !path.starts_with(':')).then_some(path)
}

fn options(url: &str, connections: u32, patience: Duration) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .acquire_timeout(patience)
        .connect_timeout(patience)
        .sqlx_logging(false)
        .test_before_acquire(false);
    options
}

fn sqlite_options(url: &str, connections: u32) -> ConnectOptions {
    let mut options = options(url, connections, WRITER_TURN);
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .busy_timeout(WRITER_TURN)
            .foreign_keys(true)
            // A receipt is a promise that a power failure must not break either.
            .pragma("synchronous", "FULL")
            .pragma("temp_store", "MEMORY")
    });
    options
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
