//! Addresses that are proven by a mailed link: only those are unique on the server. Addresses that are only claimed may have
//! namesakes, and portal users are unique within their partner.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Every address was unique before, so each goes on to be held; `m0026_known_proofs` says which of them were proven.
const CHANGES: &str = "
ALTER TABLE \"user\" ADD COLUMN email_verified_at {time};
ALTER TABLE \"user\" ADD COLUMN holds_email {bool} NOT NULL DEFAULT false;
UPDATE \"user\" SET holds_email = true WHERE removed_at IS NULL;
DROP INDEX user_email;
CREATE UNIQUE INDEX user_email_held ON \"user\" (email) WHERE holds_email AND removed_at IS NULL;
CREATE INDEX user_email_claimed ON \"user\" (email) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX user_email_in_account ON \"user\" (account_id, email) WHERE removed_at IS NULL;

ALTER TABLE account ADD COLUMN contact_verified_at {time};
ALTER TABLE account ADD COLUMN contact_counts {bool} NOT NULL DEFAULT false;
UPDATE account SET contact_counts = true;

ALTER TABLE portal_user ADD COLUMN email_verified_at {time};
DROP INDEX portal_user_email;
CREATE UNIQUE INDEX portal_user_email_of_partner ON portal_user (partner_id, email) WHERE removed_at IS NULL;
CREATE INDEX portal_user_email_claimed ON portal_user (email) WHERE removed_at IS NULL;

ALTER TABLE one_time_token ADD COLUMN account_id {uuid} REFERENCES account (id);
ALTER TABLE one_time_token ADD COLUMN mailed_to text;
UPDATE one_time_token SET mailed_to = (SELECT email FROM \"user\" WHERE \"user\".id = one_time_token.user_id) WHERE user_id IS NOT NULL;
UPDATE one_time_token SET mailed_to = (SELECT email FROM portal_user WHERE portal_user.id = one_time_token.portal_user_id) WHERE portal_user_id IS NOT NULL;
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, CHANGES).await
    }
}
