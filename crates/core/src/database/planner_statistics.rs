//! Statistics of tables and indexes for the planner of `SQLite`. `PostgreSQL` keeps its own.

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr};

/// Samples each index whose table has grown tenfold since its last sample, or has none. Each takes a few milliseconds: at most
/// 1,000 entries are read.
const SAMPLE: [&str; 2] = ["PRAGMA analysis_limit = 1000", "PRAGMA optimize = 0x10002"];

pub(super) async fn sample(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    if db.get_database_backend() != DatabaseBackend::Sqlite {
        return Ok(());
    }
    for statement in SAMPLE {
        db.execute_unprepared(statement).await?;
    }
    Ok(())
}
