//! Partners, their delivery settings, profiles and assignments.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLES: &str = "
CREATE TABLE partner (
    id {uuid} PRIMARY KEY,
    account_id {uuid} NOT NULL REFERENCES account (id),
    name text NOT NULL,
    email text NOT NULL,
    phone text,
    notes text,
    tags {json} NOT NULL,
    active {bool} NOT NULL,
    timezone text NOT NULL,
    caps {json} NOT NULL,
    settings_id {uuid} NOT NULL,
    portal_enabled {bool} NOT NULL,
    portal_permissions {json} NOT NULL,
    sealed_secret text,
    secret_hint text,
    secret_rotated_at {time},
    sealed_previous_secret text,
    previous_secret_until {time},
    created_at {time} NOT NULL,
    updated_at {time} NOT NULL
);
CREATE INDEX partner_account ON partner (account_id, id);

CREATE TABLE delivery_settings (
    id {uuid} PRIMARY KEY,
    account_id {uuid} NOT NULL REFERENCES account (id),
    partner_id {uuid} REFERENCES partner (id),
    config {json} NOT NULL,
    created_at {time} NOT NULL
);
CREATE INDEX delivery_settings_partner ON delivery_settings (partner_id, id);

CREATE TABLE destination (
    partner_id {uuid} PRIMARY KEY REFERENCES partner (id),
    account_id {uuid} NOT NULL REFERENCES account (id),
    consecutive_failures integer NOT NULL,
    open_until {time},
    last_failure_at {time} NOT NULL,
    last_error text NOT NULL
);

CREATE TABLE profile (
    id {uuid} PRIMARY KEY,
    account_id {uuid} NOT NULL REFERENCES account (id),
    name text NOT NULL,
    description text,
    enabled {bool} NOT NULL,
    strategy text NOT NULL,
    on_failure text NOT NULL,
    max_recipients integer,
    rule {json},
    base_price_e4 {long},
    base_price_currency text,
    created_at {time} NOT NULL,
    updated_at {time} NOT NULL,
    deleted_at {time}
);
CREATE INDEX profile_account ON profile (account_id, id);

CREATE TABLE assignment (
    id {uuid} PRIMARY KEY,
    account_id {uuid} NOT NULL REFERENCES account (id),
    profile_id {uuid} NOT NULL REFERENCES profile (id),
    partner_id {uuid} NOT NULL REFERENCES partner (id),
    enabled {bool} NOT NULL,
    rank integer NOT NULL,
    weight integer NOT NULL,
    rule {json},
    price_e4 {long},
    price_currency text,
    caps {json} NOT NULL,
    schedule {json},
    settings_id {uuid},
    created_at {time} NOT NULL,
    deleted_at {time}
);
CREATE INDEX assignment_profile ON assignment (profile_id, rank);
CREATE INDEX assignment_partner ON assignment (partner_id);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, TABLES).await
    }
}
