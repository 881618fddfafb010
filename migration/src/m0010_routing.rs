//! Whose turn it is in profiles that share leads out.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const CHANGES: &str = "
CREATE TABLE profile_turn (
    profile_id {uuid} PRIMARY KEY REFERENCES profile (id),
    owed {json} NOT NULL
);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, CHANGES).await
    }
}
