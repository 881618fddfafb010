//! Ended connections whose deliveries are still being cancelled; and how often PostgreSQL tidies tables that change all the time.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const CHANGES: &str = "
ALTER TABLE connection ADD COLUMN cancelling {bool} NOT NULL DEFAULT false;
CREATE INDEX connection_cancelling ON connection (id) WHERE cancelling;
";

/// By default a table is looked at when a fifth of it has changed: for millions of deliveries that is days too late, and until then
/// the planner counts open states by an old sample. Counters and heads of logs are a few rows, rewritten with every batch: room in
/// their pages lets PostgreSQL rewrite them in place.
const UPKEEP: &str = "
ALTER TABLE delivery SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE lead SET (autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE duplicate_memory SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE idempotency SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE topic SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE cap_usage SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE profile_credit SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE worker SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, CHANGES).await?;
        if manager.get_database_backend() == DatabaseBackend::Postgres {
            crate::ddl::run(manager, UPKEEP).await?;
        }
        Ok(())
    }
}
