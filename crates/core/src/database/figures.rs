//! Figures about tables and indexes, by which the planner of `SQLite` chooses. `PostgreSQL` keeps its own by itself.

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr};

/// Looks at a sample of each index whose table has grown tenfold since the last look, or was never looked at. Each takes a few
/// milliseconds, however large it is: no more than 1,000 entries are read of one.
const SAMPLE: [&str; 2] = ["PRAGMA analysis_limit = 1000", "PRAGMA optimize = 0x10002"];

/// Brings the figures up to date, by the connection that writes.
pub(super) async fn sample(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    if db.get_database_backend() != DatabaseBackend::Sqlite {
        return Ok(());
    }
    for statement in SAMPLE {
        db.execute_unprepared(statement).await?;
    }
    Ok(())
}
