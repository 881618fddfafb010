//! Which people have set their password through a mailed link: nobody else can have the one of before.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::Statement;

use crate::public_id;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Addresses that count as proven were proven by a password set through a mailed link, unless the trail tells of the other way.
const CHANGES: &str = "
ALTER TABLE \"user\" ADD COLUMN confirmed_at {time};
UPDATE \"user\" SET confirmed_at = email_verified_at WHERE removed_at IS NULL AND email_verified_at IS NOT NULL;
";
/// Who has pressed the button of a mailed link, which needs no password and sets none.
const BUTTONS: &str =
    "SELECT DISTINCT subject_id FROM audit_event WHERE action = 'user.address_proven' AND subject_type = 'User'";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, CHANGES).await?;
        let db = manager.get_connection();
        let backend = manager.get_database_backend();
        let rows = db
            .query_all_raw(Statement::from_string(backend, BUTTONS.to_owned()))
            .await?;
        for row in rows {
            let subject: String = row.try_get_by_index(0)?;
            if let Some(bits) = subject.strip_prefix("usr_").and_then(public_id::bits) {
                let id = public_id::literal(backend, bits);
                db.execute_unprepared(&format!("UPDATE \"user\" SET confirmed_at = NULL WHERE id = {id}"))
                    .await?;
            }
        }
        Ok(())
    }
}
