//! Deliveries, which are the jobs, their attempts, and the workers that own them.
//!
//! Foreign keys are deliberately absent from these tables: rows are never deleted, identifiers come from rows read in the
//! same transaction, and a check per row would cost more than the row itself.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLES: &str = "
CREATE TABLE delivery (
    id {uuid} PRIMARY KEY,
    account_id {uuid} NOT NULL,
    lead_id {uuid} NOT NULL,
    flow_id {uuid} NOT NULL,
    step_id {uuid},
    profile_id {uuid},
    assignment_id {uuid},
    partner_id {uuid},
    buyer_account_id {uuid},
    connection_id {uuid},
    settings_id {uuid} NOT NULL,
    channel text NOT NULL,
    status text NOT NULL,
    test {bool} NOT NULL,
    attempt_count integer NOT NULL,
    attempts_before integer NOT NULL,
    budget_since {time} NOT NULL,
    due_at {time},
    lease_owner {uuid},
    failure_code text,
    failure_message text,
    external_id text,
    price_e4 {long},
    price_currency text,
    review text,
    review_by text,
    review_at {time},
    review_reason text,
    reservations {json} NOT NULL,
    created_at {time} NOT NULL,
    settled_at {time},
    UNIQUE (lead_id, partner_id),
    CHECK (partner_id IS NOT NULL OR buyer_account_id IS NOT NULL),
    CHECK ((channel = 'ACCOUNT') = (buyer_account_id IS NOT NULL)),
    CHECK ((buyer_account_id IS NULL) = (connection_id IS NULL)),
    CHECK ((status = 'SENDING') = (lease_owner IS NOT NULL)),
    CHECK ((status IN ('QUEUED', 'RETRYING')) = (due_at IS NOT NULL))
);
CREATE INDEX delivery_account ON delivery (account_id, id);
CREATE INDEX delivery_partner ON delivery (partner_id, id);
CREATE UNIQUE INDEX delivery_buyer ON delivery (lead_id, buyer_account_id) WHERE buyer_account_id IS NOT NULL;
CREATE INDEX delivery_connection ON delivery (connection_id, id) WHERE connection_id IS NOT NULL;
CREATE INDEX delivery_due ON delivery (due_at) WHERE status IN ('QUEUED', 'RETRYING');
CREATE INDEX delivery_sending ON delivery (lease_owner) WHERE status = 'SENDING';

CREATE TABLE delivery_attempt (
    delivery_id {uuid} NOT NULL,
    number integer NOT NULL,
    started_at {time} NOT NULL,
    duration_us {long} NOT NULL,
    ok {bool} NOT NULL,
    http_status integer,
    smtp_code integer,
    error_code text,
    message text,
    excerpt text,
    PRIMARY KEY (delivery_id, number)
);

CREATE TABLE worker (
    id {uuid} PRIMARY KEY,
    started_at {time} NOT NULL,
    lease_until {time} NOT NULL
);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, TABLES).await
    }
}
