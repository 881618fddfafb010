//! Which existing addresses a mailed link has proven already: until now a link was mailed and never shown to anybody else, so
//! whoever used one reads the address.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::Statement;

use crate::public_id;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Whoever is not the first person of an account was invited by mail, and has a password only by that link. Who signed up or
/// answered by the token of an invitation has opened that mail. Portal users are active by their link.
const KNOWN: &str = "
UPDATE \"user\" SET email_verified_at = created_at
WHERE removed_at IS NULL AND password_hash IS NOT NULL AND (
    EXISTS (SELECT 1 FROM \"user\" AS earlier WHERE earlier.account_id = \"user\".account_id AND earlier.id < \"user\".id)
    OR EXISTS (SELECT 1 FROM invitation WHERE invitation.to_email = \"user\".email AND invitation.to_account_id = \"user\".account_id)
);
UPDATE portal_user SET email_verified_at = activated_at WHERE removed_at IS NULL;
";
const CONTACTS: &str = "
UPDATE account SET contact_verified_at = (
    SELECT min(email_verified_at) FROM \"user\"
    WHERE \"user\".account_id = account.id AND \"user\".email = account.contact_email AND \"user\".removed_at IS NULL
);
";
/// Who has set a new password by a mailed link.
const RESETS: &str =
    "SELECT DISTINCT subject_id FROM audit_event WHERE action = 'password.reset' AND subject_type = 'User'";
const PREFIX: &str = "usr_";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, KNOWN).await?;
        let db = manager.get_connection();
        let backend = manager.get_database_backend();
        let resets = db
            .query_all_raw(Statement::from_string(backend, RESETS.to_owned()))
            .await?;
        for row in resets {
            let subject: String = row.try_get_by_index(0)?;
            if let Some(bits) = subject.strip_prefix(PREFIX).and_then(public_id::bits) {
                let proven = format!(
                    "UPDATE \"user\" SET email_verified_at = created_at \
                     WHERE id = {} AND removed_at IS NULL AND email_verified_at IS NULL",
                    public_id::literal(backend, bits)
                );
                db.execute_unprepared(&proven).await?;
            }
        }
        crate::ddl::run(manager, CONTACTS).await
    }
}
