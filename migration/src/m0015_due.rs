//! What is due of each account, so that a backlog of one need not be read to find what is due of another.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The account comes first: a worker that asks for what is due of all must not be led here by the state.
const CHANGES: &str = "
CREATE INDEX delivery_due_account ON delivery (account_id, status, due_at)
    WHERE status IN ('QUEUED', 'RETRYING') AND suspended_for IS NULL;
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, CHANGES).await
    }
}
