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
        db.execute_unprepared(&format!("CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {on}"))
            .await?;
    }
    Ok(())
}
