//! Erasing leads: when a delivery's values were removed, and who had them and has to be told. Leads that were typed in by hand
//! to try a partner's delivery.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const CHANGES: &str = "
ALTER TABLE delivery ADD COLUMN erased_at {time};

CREATE TABLE erasure_notice (
    id {uuid} PRIMARY KEY,
    account_id {uuid} NOT NULL,
    lead_id {uuid} NOT NULL,
    delivery_id {uuid} NOT NULL UNIQUE,
    partner_id {uuid},
    buyer_account_id {uuid},
    settings_id {uuid} NOT NULL,
    channel text NOT NULL,
    test {bool} NOT NULL,
    external_id text,
    received text NOT NULL,
    received_at {time} NOT NULL,
    status text NOT NULL,
    attempts integer NOT NULL,
    due_at {time},
    lease_until {time},
    error text,
    notified_at {time},
    created_at {time} NOT NULL,
    CHECK ((status = 'QUEUED') = (due_at IS NOT NULL))
);
CREATE INDEX erasure_notice_lead ON erasure_notice (account_id, lead_id);
CREATE INDEX erasure_notice_due ON erasure_notice (due_at) WHERE status = 'QUEUED';

CREATE TABLE hand_made_lead (
    lead_id {uuid} PRIMARY KEY,
    account_id {uuid} NOT NULL,
    fields {json} NOT NULL,
    at {time} NOT NULL
);
CREATE INDEX hand_made_lead_account ON hand_made_lead (account_id, at);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, CHANGES).await
    }
}
