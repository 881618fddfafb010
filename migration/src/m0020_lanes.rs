//! What is due by state, and by account and lane, so that a worker reads of a backlog only what it takes.
//!
//! A lane is where attempts go: the settings of a webhook, the account whose mail server sends, or the account that gets the lead.
//! The state comes first in both: a look for retries must not pass over leads that were never attempted.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const CHANGES: &str = "
CREATE INDEX delivery_due_state ON delivery (status, due_at)
    WHERE status IN ('QUEUED', 'RETRYING') AND parked_for IS NULL;
CREATE INDEX delivery_due_lane ON delivery (status, account_id,
    (CASE channel WHEN 'EMAIL' THEN account_id WHEN 'ACCOUNT' THEN buyer_account_id ELSE settings_id END), due_at)
    WHERE status IN ('QUEUED', 'RETRYING') AND parked_for IS NULL;
DROP INDEX delivery_due;
DROP INDEX delivery_due_account;
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, CHANGES).await
    }
}
