//! Names of circuits, suspended deliveries and SMTP rate limits. Databases from before the rename are carried over; others have the
//! new names already.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Table, old name, new name.
const COLUMNS: [(&str, &str, &str); 7] = [
    ("endpoint", "hold", "open_reason"),
    ("endpoint", "held_since", "opened_at"),
    ("endpoint", "held_until", "open_until"),
    ("endpoint", "why", "last_error"),
    ("endpoint", "told", "notified"),
    ("erasure_notice", "told_at", "notified_at"),
    ("delivery", "parked_for", "suspended_for"),
];
const TABLES: [(&str, &str); 2] = [("mail_turn", "send_slot"), ("mail_pace", "smtp_rate")];
/// Only PostgreSQL can rename an index; with SQLite the old name stays, which no statement mentions.
const INDEXES: [(&str, &str); 3] = [
    ("endpoint_held", "endpoint_open"),
    ("delivery_parked", "delivery_suspended"),
    ("mail_turn_account", "send_slot_account"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for (table, old, new) in COLUMNS {
            if manager.has_column(table, old).await? {
                let rename = format!("ALTER TABLE {table} RENAME COLUMN {old} TO {new}");
                db.execute_unprepared(&rename).await?;
            }
        }
        for (old, new) in TABLES {
            if manager.has_table(old).await? {
                db.execute_unprepared(&format!("ALTER TABLE {old} RENAME TO {new}"))
                    .await?;
            }
        }
        if manager.get_database_backend() == DatabaseBackend::Postgres {
            for (old, new) in INDEXES {
                let rename = format!("ALTER INDEX IF EXISTS {old} RENAME TO {new}");
                db.execute_unprepared(&rename).await?;
            }
        }
        Ok(())
    }
}
