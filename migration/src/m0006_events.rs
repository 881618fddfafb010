//! Event logs, from which subscriptions are replayed.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLES: &str = "
CREATE TABLE topic (
    id {uuid} PRIMARY KEY,
    head {long} NOT NULL
);

CREATE TABLE event (
    topic_id {uuid} NOT NULL,
    seq {long} NOT NULL,
    kind text NOT NULL,
    subject_id {uuid} NOT NULL,
    scope_id {uuid},
    detail text,
    at {time} NOT NULL,
    PRIMARY KEY (topic_id, seq)
);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, TABLES).await
    }
}
