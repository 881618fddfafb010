//! How fast and how an account's mail server is used, and what it said of each recipient.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const CHANGES: &str = "
ALTER TABLE smtp_settings ADD COLUMN auth text NOT NULL DEFAULT 'PASSWORD';
ALTER TABLE smtp_settings ADD COLUMN mails_per_minute integer;
CREATE TABLE smtp_rate (
    account_id {uuid} PRIMARY KEY,
    next_at {time} NOT NULL
);
CREATE TABLE send_slot (
    delivery_id {uuid} PRIMARY KEY,
    account_id {uuid} NOT NULL,
    at {time} NOT NULL
);
CREATE INDEX send_slot_account ON send_slot (account_id, at);
CREATE TABLE mail_recipient (
    delivery_id {uuid} NOT NULL,
    attempt integer NOT NULL,
    place integer NOT NULL,
    address text NOT NULL,
    ok {bool} NOT NULL,
    code integer,
    reply text,
    PRIMARY KEY (delivery_id, attempt, place)
);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, CHANGES).await
    }
}
