//! Who read submission docs, and when.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLES: &str = "
CREATE TABLE docs_read (
    source_id {uuid} NOT NULL,
    reader_account_id {uuid} NOT NULL,
    account_id {uuid} NOT NULL,
    reads {long} NOT NULL,
    first_at {time} NOT NULL,
    last_at {time} NOT NULL,
    PRIMARY KEY (source_id, reader_account_id)
);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, TABLES).await
    }
}
