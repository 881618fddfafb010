//! Building indexes while servers of the version before go on writing.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DatabaseBackend, Statement};

/// An index to be built.
pub(crate) struct Index {
    /// Its name.
    pub(crate) name: &'static str,
    /// What follows `ON`.
    pub(crate) on: &'static str,
}

/// Builds indexes that are missing. On PostgreSQL nobody waits for it, but it must not run in a transaction: the migration has to
/// answer `Some(false)` to `use_transaction`. Each statement can be repeated after an interruption.
pub(crate) async fn build(manager: &SchemaManager<'_>, indexes: &[Index]) -> Result<(), DbErr> {
    let db = manager.get_connection();
    let postgres = manager.get_database_backend() == DatabaseBackend::Postgres;
    for Index { name, on } in indexes {
        if !postgres {
            db.execute_unprepared(&format!("CREATE INDEX IF NOT EXISTS {name} ON {on}"))
                .await?;
            continue;
        }
        let waits = waiting_time(manager).await?;
        // What an interrupted build leaves is written but never read, and IF NOT EXISTS would take it for the index.
        let broken =
            format!("SELECT 1 AS found FROM pg_index WHERE indexrelid = to_regclass('{name}') AND NOT indisvalid");
        let broken = Statement::from_string(DatabaseBackend::Postgres, broken);
        if db.query_one_raw(broken).await?.is_some() {
            db.execute_unprepared(&format!("DROP INDEX CONCURRENTLY {name}"))
                .await?;
        }
        // The build waits for transactions that are under way; with a time limit it would leave a broken index behind.
        db.execute_unprepared("SET lock_timeout = 0").await?;
        let built = db
            .execute_unprepared(&format!("CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {on}"))
            .await;
        // The migrations that follow lock tables: whatever reads or writes would wait behind them as long as they do.
        db.execute_unprepared(&format!("SET lock_timeout = '{waits}'")).await?;
        built?;
    }
    Ok(())
}

/// Drops indexes that are there, as [`build`] builds them: within a time limit, for nobody waits behind it, and it can be repeated.
pub(crate) async fn drop_all(manager: &SchemaManager<'_>, names: &[&str]) -> Result<(), DbErr> {
    let how = match manager.get_database_backend() {
        DatabaseBackend::Postgres => "DROP INDEX CONCURRENTLY IF EXISTS",
        _ => "DROP INDEX IF EXISTS",
    };
    for name in names {
        manager
            .get_connection()
            .execute_unprepared(&format!("{how} {name}"))
            .await?;
    }
    Ok(())
}

/// How long the session waits for a lock.
async fn waiting_time(manager: &SchemaManager<'_>) -> Result<String, DbErr> {
    let shown = "SELECT current_setting('lock_timeout') AS waits";
    let shown = Statement::from_string(DatabaseBackend::Postgres, shown);
    let row = manager.get_connection().query_one_raw(shown).await?;
    row.map_or(Ok("2s".to_owned()), |row| row.try_get("", "waits"))
}
