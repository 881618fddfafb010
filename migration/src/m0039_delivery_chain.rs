//! Which delivery a re-routed one took the place of. Rows from before have none: nothing is rewritten.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, "ALTER TABLE delivery ADD COLUMN follows {uuid};").await
    }
}
