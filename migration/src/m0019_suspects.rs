//! Which process holds a lease, and what was under way when one died: a delivery that kills processes is set aside.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const CHANGES: &str = "
ALTER TABLE worker ADD COLUMN process {uuid};
ALTER TABLE worker ADD COLUMN stopping {bool} NOT NULL DEFAULT FALSE;
CREATE TABLE suspect (
    delivery_id {uuid} PRIMARY KEY,
    account_id {uuid} NOT NULL,
    attempt integer NOT NULL,
    deaths integer NOT NULL,
    company integer NOT NULL,
    lease {uuid} NOT NULL,
    seen_at {time} NOT NULL,
    notified {bool}
);
CREATE INDEX suspect_lease ON suspect (lease);
CREATE INDEX suspect_seen ON suspect (seen_at);
CREATE INDEX suspect_notified ON suspect (account_id) WHERE notified = FALSE;
ALTER TABLE mail ADD COLUMN interruptions integer NOT NULL DEFAULT 0;
ALTER TABLE erasure_notice ADD COLUMN interruptions integer NOT NULL DEFAULT 0;
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, CHANGES).await
    }
}
