//! Credits of profiles that share leads out; and how endpoints are doing, with what waits for those that are paused.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const CHANGES: &str = "
CREATE TABLE profile_credit (
    profile_id {uuid} PRIMARY KEY REFERENCES profile (id),
    credits {json} NOT NULL
);

CREATE TABLE endpoint (
    id {uuid} PRIMARY KEY,
    account_id {uuid} NOT NULL REFERENCES account (id),
    partner_id {uuid},
    failures integer NOT NULL,
    open_reason text,
    opened_at {time},
    open_until {time},
    pauses integer NOT NULL,
    probe_id {uuid},
    last_error text NOT NULL,
    notified {bool} NOT NULL,
    CHECK ((open_reason IS NULL) = (opened_at IS NULL)),
    CHECK (open_reason IS NULL OR (open_reason = 'GONE') = (open_until IS NULL))
);
CREATE INDEX endpoint_open ON endpoint (account_id) WHERE open_reason IS NOT NULL;
CREATE INDEX endpoint_partner ON endpoint (partner_id) WHERE partner_id IS NOT NULL;
ALTER TABLE destination DROP COLUMN open_until;

ALTER TABLE delivery ADD COLUMN suspended_for {uuid};
DROP INDEX delivery_due;
CREATE INDEX delivery_due ON delivery (due_at) WHERE status IN ('QUEUED', 'RETRYING') AND suspended_for IS NULL;
CREATE INDEX delivery_suspended ON delivery (suspended_for, due_at) WHERE status IN ('QUEUED', 'RETRYING') AND suspended_for IS NOT NULL;
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, CHANGES).await
    }
}
