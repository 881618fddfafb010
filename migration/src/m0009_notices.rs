//! Whether an account's owners get mails about its relationships, finding accounts by what they show, and the leads of partners.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const CHANGES: &str = "
ALTER TABLE account ADD COLUMN notify_by_mail {bool} NOT NULL DEFAULT true;
CREATE INDEX account_contact ON account (contact_email);
CREATE INDEX account_listed ON account (lower(name)) WHERE listed;
CREATE INDEX lead_partner ON lead (account_id, sender_account_id, id) WHERE account_id <> sender_account_id;
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, CHANGES).await
    }
}
