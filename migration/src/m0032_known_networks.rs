//! Networks from which people have signed in, so that guesses from elsewhere do not lock them out.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const CHANGES: &str = "
CREATE TABLE known_network (
    person_id {uuid} NOT NULL,
    network text NOT NULL,
    seen_at {time} NOT NULL,
    PRIMARY KEY (person_id, network)
);
CREATE INDEX known_network_seen ON known_network (seen_at);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, CHANGES).await
    }
}
