//! How many mails of the instance an account has caused and an address has got, by hour and day.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const CHANGES: &str = "
CREATE TABLE mail_count (
    counted text NOT NULL,
    window_start {time} NOT NULL,
    mails integer NOT NULL,
    PRIMARY KEY (counted, window_start)
);
CREATE INDEX mail_count_window ON mail_count (window_start);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, CHANGES).await
    }
}
