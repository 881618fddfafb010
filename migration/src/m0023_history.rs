//! Indexes by which a few rows are found among a long history: what is open over a connection, what may be tried again, and what a
//! lead left in the memory of duplicates. Built while older servers write.

use sea_orm_migration::prelude::*;

use crate::concurrently::{self, Index};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The conditions stand in `entity` once more, word for word: SQLite uses a partial index only for a query that repeats them.
const INDEXES: [Index; 5] = [
    Index {
        name: "delivery_connection_open",
        on: "delivery (connection_id, id) WHERE status IN ('QUEUED', 'RETRYING') AND connection_id IS NOT NULL",
    },
    Index {
        name: "delivery_connection_not_ready",
        on: "delivery (connection_id, id) WHERE status = 'FAILED' AND failure_code = 'BUYER_NOT_READY'",
    },
    Index {
        name: "delivery_retryable",
        on: "delivery (account_id, status, id) WHERE status IN ('RETRYING', 'FAILED', 'REFUSED', 'CANCELLED')",
    },
    Index {
        name: "delivery_retryable_partner",
        on: "delivery (partner_id, status, id) WHERE status IN ('RETRYING', 'FAILED', 'REFUSED', 'CANCELLED')",
    },
    Index {
        name: "duplicate_memory_lead",
        on: "duplicate_memory (lead_id, flow_id)",
    },
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        concurrently::build(manager, &INDEXES).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(false)
    }
}
