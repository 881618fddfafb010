//! What is due by state, and by account and lane, so that a worker reads of a backlog only what it takes.
//!
//! A lane is where attempts go: the settings of a webhook, the account whose mail server sends, or the account that gets the lead.
//! The state comes first in both: a look for retries must not pass over leads that were never attempted.
//!
//! Built and dropped while older servers write, so that nobody waits.

use sea_orm_migration::prelude::*;

use crate::concurrently::{self, Index};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const INDEXES: [Index; 2] = [
    Index {
        name: "delivery_due_state",
        on: "delivery (status, due_at) WHERE status IN ('QUEUED', 'RETRYING') AND suspended_for IS NULL",
    },
    Index {
        name: "delivery_due_lane",
        on: "delivery (status, account_id,
            (CASE channel WHEN 'EMAIL' THEN account_id WHEN 'ACCOUNT' THEN buyer_account_id ELSE settings_id END), due_at)
            WHERE status IN ('QUEUED', 'RETRYING') AND suspended_for IS NULL",
    },
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        concurrently::build(manager, &INDEXES).await?;
        concurrently::drop_all(manager, &["delivery_due", "delivery_due_account"]).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(false)
    }
}
