//! Leads, the memory of duplicates and of idempotency keys.
//!
//! Foreign keys are deliberately absent from these tables: rows are never deleted, identifiers come from rows read in the
//! same transaction, and a check per row would cost more than the row itself.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLES: &str = "
CREATE TABLE lead (
    id {uuid} PRIMARY KEY,
    account_id {uuid} NOT NULL,
    flow_id {uuid} NOT NULL,
    source_id {uuid} NOT NULL,
    sender_account_id {uuid} NOT NULL,
    test {bool} NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('ACCEPTED', 'REJECTED', 'FAILED')),
    fields {json} NOT NULL,
    raw {json} NOT NULL,
    reasons {json} NOT NULL,
    warnings {json} NOT NULL,
    trace {json} NOT NULL,
    price_e4 {long},
    price_currency text,
    idempotency_key text,
    email_key text,
    phone_key text,
    name_key text,
    submitted_at {time} NOT NULL,
    processing_us {long} NOT NULL,
    erased_at {time},
    seller_delivery_id {uuid},
    path {json} NOT NULL
);
CREATE INDEX lead_account ON lead (account_id, id);
CREATE INDEX lead_flow ON lead (flow_id, id);
CREATE INDEX lead_source ON lead (source_id, id);
CREATE INDEX lead_sender ON lead (sender_account_id, id);
CREATE INDEX lead_seller_delivery ON lead (seller_delivery_id) WHERE seller_delivery_id IS NOT NULL;
CREATE INDEX lead_email ON lead (account_id, email_key) WHERE email_key IS NOT NULL;
CREATE INDEX lead_phone ON lead (account_id, phone_key) WHERE phone_key IS NOT NULL;
CREATE INDEX lead_name ON lead (account_id, name_key) WHERE name_key IS NOT NULL;

CREATE TABLE lead_event (
    id {uuid} PRIMARY KEY,
    account_id {uuid} NOT NULL,
    lead_id {uuid} NOT NULL,
    at {time} NOT NULL,
    kind text NOT NULL,
    message text NOT NULL
);
CREATE INDEX lead_event_lead ON lead_event (lead_id, id);

CREATE TABLE idempotency (
    source_id {uuid} NOT NULL,
    key text NOT NULL,
    fingerprint text NOT NULL,
    lead_id {uuid} NOT NULL,
    at {time} NOT NULL,
    PRIMARY KEY (source_id, key)
);
CREATE INDEX idempotency_age ON idempotency (at);

CREATE TABLE duplicate_memory (
    flow_id {uuid} NOT NULL,
    key_hash text NOT NULL,
    lead_id {uuid} NOT NULL,
    at {time} NOT NULL,
    PRIMARY KEY (flow_id, key_hash)
);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, TABLES).await
    }
}
