//! What deleted settings were called, so that nobody has to read them for it; indexes of what is not deleted; and the values that
//! leads were routed by, where later steps have changed them.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Whether a row is deleted stands behind its documents: without these indexes SQLite reads all of a row to pass over it.
const CHANGES: &str = "
CREATE TABLE former_field (
    account_id {uuid} NOT NULL REFERENCES account (id),
    name text NOT NULL,
    PRIMARY KEY (account_id, name)
);
CREATE INDEX flow_live ON flow (account_id, id) WHERE deleted_at IS NULL;
CREATE INDEX source_live ON source (flow_id, position) WHERE deleted_at IS NULL;
CREATE INDEX step_live ON step (flow_id, position) WHERE deleted_at IS NULL;
CREATE INDEX step_live_account ON step (account_id, profile_id) WHERE deleted_at IS NULL;
CREATE INDEX assignment_live ON assignment (account_id, profile_id) WHERE deleted_at IS NULL;
CREATE INDEX profile_live ON profile (account_id, id) WHERE deleted_at IS NULL;
ALTER TABLE lead ADD COLUMN routed_by {json};
";
const FORMER_ON_POSTGRES: &str = "
INSERT INTO former_field (account_id, name)
SELECT DISTINCT flow.account_id, field ->> 'name' FROM flow, json_array_elements(flow.fields) AS field
WHERE flow.deleted_at IS NOT NULL;
";
const FORMER_ON_SQLITE: &str = "
INSERT INTO former_field (account_id, name)
SELECT DISTINCT flow.account_id, json_extract(field.value, '$.name') FROM flow, json_each(flow.fields) AS field
WHERE flow.deleted_at IS NOT NULL;
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, CHANGES).await?;
        let former = match manager.get_database_backend() {
            DatabaseBackend::Postgres => FORMER_ON_POSTGRES,
            _ => FORMER_ON_SQLITE,
        };
        crate::ddl::run(manager, former).await
    }
}
