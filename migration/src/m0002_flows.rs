//! Flows with their sources, steps, revisions and cap counters.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLES: &str = "
CREATE TABLE flow (
    id {uuid} PRIMARY KEY,
    account_id {uuid} NOT NULL REFERENCES account (id),
    name text NOT NULL,
    description text,
    enabled {bool} NOT NULL,
    is_inbox {bool} NOT NULL,
    version integer NOT NULL,
    fields {json} NOT NULL,
    acceptance_rule {json},
    duplicate_keys {json} NOT NULL,
    duplicate_window_days integer,
    caps {json} NOT NULL,
    price_e4 {long},
    price_currency text,
    created_at {time} NOT NULL,
    updated_at {time} NOT NULL,
    deleted_at {time}
);
CREATE UNIQUE INDEX flow_inbox ON flow (account_id) WHERE is_inbox;
CREATE INDEX flow_account ON flow (account_id, id);

CREATE TABLE flow_revision (
    id {uuid} PRIMARY KEY,
    account_id {uuid} NOT NULL REFERENCES account (id),
    flow_id {uuid} NOT NULL REFERENCES flow (id),
    version integer NOT NULL,
    at {time} NOT NULL,
    actor_kind text NOT NULL,
    actor_id text,
    actor_name text NOT NULL,
    summary text NOT NULL,
    snapshot {json} NOT NULL,
    UNIQUE (flow_id, version)
);

CREATE TABLE source (
    id {uuid} PRIMARY KEY,
    account_id {uuid} NOT NULL REFERENCES account (id),
    flow_id {uuid} NOT NULL REFERENCES flow (id),
    kind text NOT NULL CHECK (kind IN ('OWN', 'ACCOUNT', 'SELLER')),
    name text NOT NULL,
    enabled {bool} NOT NULL,
    acceptance_rule {json},
    mapping {json} NOT NULL,
    caps {json} NOT NULL,
    price_e4 {long},
    price_currency text,
    sender_account_id {uuid} REFERENCES account (id),
    connection_id {uuid},
    invitation_id {uuid},
    position integer NOT NULL,
    created_at {time} NOT NULL,
    deleted_at {time}
);
CREATE INDEX source_flow ON source (flow_id, position);
CREATE INDEX source_account ON source (account_id, id);
CREATE UNIQUE INDEX source_seller ON source (flow_id, connection_id) WHERE kind = 'SELLER' AND deleted_at IS NULL;

CREATE TABLE step (
    id {uuid} PRIMARY KEY,
    account_id {uuid} NOT NULL REFERENCES account (id),
    flow_id {uuid} NOT NULL REFERENCES flow (id),
    position integer NOT NULL,
    name text NOT NULL,
    enabled {bool} NOT NULL,
    criteria {json},
    config {json} NOT NULL,
    profile_id {uuid},
    connection_id {uuid},
    invitation_id {uuid},
    deleted_at {time}
);
CREATE INDEX step_flow ON step (flow_id, position);
CREATE INDEX step_profile ON step (profile_id) WHERE profile_id IS NOT NULL;
CREATE INDEX step_connection ON step (connection_id) WHERE connection_id IS NOT NULL;
CREATE INDEX step_invitation ON step (invitation_id) WHERE invitation_id IS NOT NULL;

CREATE TABLE cap_usage (
    cap_id {uuid} NOT NULL,
    window_start {time} NOT NULL,
    used integer NOT NULL CHECK (used >= 0),
    PRIMARY KEY (cap_id, window_start)
);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, TABLES).await
    }
}
