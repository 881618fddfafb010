//! Which values of a lead are not of their field's type, so that routing it further judges what intake judged. Leads from before
//! have none noted, and are judged by typing their values again. Turns at mail servers whose mails have ended are forgotten.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const CHANGES: &str = "
ALTER TABLE lead ADD COLUMN invalid {json};
DELETE FROM send_slot WHERE delivery_id IN (SELECT delivery.id FROM delivery JOIN send_slot AS turn ON turn.delivery_id = delivery.id
    WHERE delivery.status IN ('DELIVERED', 'FAILED', 'REFUSED', 'CANCELLED'));
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, CHANGES).await
    }
}
