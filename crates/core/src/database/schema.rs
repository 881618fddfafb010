//! Migrates the schema, one process at a time.

use std::time::Duration;

use migration::{Migrator, MigratorTrait};
use sea_orm::sqlx::postgres::PgPoolOptions;
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, RuntimeErr, SqliteTransactionMode,
    SqlxPostgresConnector, Statement, TransactionOptions, TransactionTrait,
};
use tokio::time::sleep;

/// Any number that is used for no other advisory lock.
const LOCK: i64 = 0x6c65_6164_6d65_7368;
/// Between checks whether another process is done.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Attempts to lock a table that is in use. Each waits 2 seconds, because later statements queue behind it.
const TRIES: u32 = 60;
/// How long a process waits for another that migrates the same `SQLite` file.
const SQLITE_PATIENCE: &str = "PRAGMA busy_timeout = 600000";

/// Applies the missing migrations, and answers how many there were. A second process waits for the first, and finds nothing
/// left to do.
pub(super) async fn bring_up_to_date(db: &DatabaseConnection) -> Result<usize, DbErr> {
    if db.get_database_backend() == DatabaseBackend::Postgres {
        on_postgres(db).await
    } else {
        on_sqlite(db).await
    }
}

/// Counts missing migrations. Makes no table, so that any number of processes may ask.
pub(super) async fn lacking(db: &DatabaseConnection) -> Result<usize, DbErr> {
    Ok(Migrator::get_pending_migrations_read_only(db).await?.len())
}

/// In a session of its own, which holds the lock until it ends.
async fn on_postgres(db: &DatabaseConnection) -> Result<usize, DbErr> {
    let address = db.get_postgres_connection_pool().connect_options();
    let session = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_with((*address).clone())
        .await
        .map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(error.into())))?;
    let session = SqlxPostgresConnector::from_sqlx_postgres_pool(session);
    let made = in_session(&session).await;
    session.close().await?;
    made
}

async fn in_session(session: &DatabaseConnection) -> Result<usize, DbErr> {
    // Asked again and again rather than waited for: an index that is built concurrently waits for every statement that is under
    // way, and so would wait for those that wait for the lock.
    while !try_lock(session).await? {
        sleep(LOOK_AGAIN).await;
    }
    for setting in ["statement_timeout = 0", "idle_in_transaction_session_timeout = 0"] {
        session.execute_unprepared(&format!("SET {setting}")).await?;
    }
    let lacking = Migrator::get_pending_migrations(session).await?.len();
    let mut tries = 0;
    loop {
        session.execute_unprepared("SET lock_timeout = '2s'").await?;
        match Migrator::up(session, None).await {
            Err(error) if is_in_the_way(&error) && tries < TRIES => {
                tries += 1;
                tracing::warn!(
                    "a table to be changed is in use; trying again: a long transaction may have to be ended"
                );
                sleep(LOOK_AGAIN).await;
            }
            done => return done.map(|()| lacking),
        }
    }
}

async fn try_lock(session: &DatabaseConnection) -> Result<bool, DbErr> {
    let lock = format!("SELECT pg_try_advisory_lock({LOCK}) AS taken");
    let row = session
        .query_one_raw(Statement::from_string(DatabaseBackend::Postgres, lock))
        .await?;
    row.map_or(Ok(false), |row| row.try_get("", "taken"))
}

/// Whether another session held too long what a migration needs, or both waited for each other (`deadlock_detected`).
fn is_in_the_way(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) = error else {
        return false;
    };
    let code = cause
        .as_database_error()
        .and_then(sea_orm::sqlx::error::DatabaseError::code);
    code.is_some_and(|code| matches!(&*code, "55P03" | "40P01"))
}

/// In one transaction, which holds the file's only write lock: a killed process leaves nothing half done.
async fn on_sqlite(db: &DatabaseConnection) -> Result<usize, DbErr> {
    let immediate = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let before = db
        .query_one_raw(Statement::from_string(DatabaseBackend::Sqlite, "PRAGMA busy_timeout"))
        .await?;
    let before: i32 = before.map_or(Ok(0), |row| row.try_get_by_index(0))?;
    db.execute_unprepared(SQLITE_PATIENCE).await?;
    let tx = db.begin_with_options(immediate).await?;
    let lacking = Migrator::get_pending_migrations(&tx).await?.len();
    Migrator::up(&tx, None).await?;
    tx.commit().await?;
    db.execute_unprepared(&format!("PRAGMA busy_timeout = {before}"))
        .await?;
    Ok(lacking)
}
