//! Accounts, people, credentials, the audit trail, the instance's own mail.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLES: &str = "
CREATE TABLE instance (
    name text PRIMARY KEY,
    value text NOT NULL
);

CREATE TABLE account (
    id {uuid} PRIMARY KEY,
    name text NOT NULL,
    plan text NOT NULL CHECK (plan IN ('FREE', 'PAID')),
    website text,
    timezone text NOT NULL,
    contact_email text,
    listed {bool} NOT NULL,
    config_version {long} NOT NULL,
    created_at {time} NOT NULL,
    updated_at {time} NOT NULL
);

CREATE TABLE account_key (
    id {uuid} PRIMARY KEY,
    account_id {uuid} REFERENCES account (id),
    purpose text NOT NULL CHECK (purpose IN ('SEAL', 'INDEX')),
    wrapped {bytes} NOT NULL,
    active {bool} NOT NULL,
    created_at {time} NOT NULL
);
CREATE UNIQUE INDEX account_key_active ON account_key (account_id, purpose) WHERE active;
CREATE UNIQUE INDEX account_key_instance_active ON account_key (purpose) WHERE active AND account_id IS NULL;

CREATE TABLE \"user\" (
    id {uuid} PRIMARY KEY,
    account_id {uuid} NOT NULL REFERENCES account (id),
    name text NOT NULL,
    email text NOT NULL,
    password_hash text,
    role text NOT NULL CHECK (role IN ('OWNER', 'ADMIN', 'MEMBER', 'VIEWER')),
    last_seen_at {time},
    created_at {time} NOT NULL,
    removed_at {time}
);
CREATE UNIQUE INDEX user_email ON \"user\" (email) WHERE removed_at IS NULL;
CREATE INDEX user_account ON \"user\" (account_id, id);

CREATE TABLE portal_user (
    id {uuid} PRIMARY KEY,
    account_id {uuid} NOT NULL REFERENCES account (id),
    partner_id {uuid} NOT NULL,
    email text NOT NULL,
    name text,
    phone text,
    permissions {json} NOT NULL,
    password_hash text,
    invited_at {time},
    activated_at {time},
    last_seen_at {time},
    removed_at {time}
);
CREATE UNIQUE INDEX portal_user_email ON portal_user (email) WHERE removed_at IS NULL;
CREATE INDEX portal_user_partner ON portal_user (partner_id, id);

CREATE TABLE session (
    id {uuid} PRIMARY KEY,
    user_id {uuid} REFERENCES \"user\" (id),
    portal_user_id {uuid} REFERENCES portal_user (id),
    token_hash text NOT NULL,
    previous_hash text,
    expires_at {time} NOT NULL,
    ended_at {time},
    created_at {time} NOT NULL
);
CREATE UNIQUE INDEX session_token ON session (token_hash);
CREATE INDEX session_of_user ON session (user_id);
CREATE INDEX session_of_portal_user ON session (portal_user_id);

CREATE TABLE one_time_token (
    token_hash text PRIMARY KEY,
    purpose text NOT NULL,
    user_id {uuid} REFERENCES \"user\" (id),
    portal_user_id {uuid} REFERENCES portal_user (id),
    expires_at {time} NOT NULL,
    used_at {time},
    created_at {time} NOT NULL
);

CREATE TABLE api_key (
    id {uuid} PRIMARY KEY,
    account_id {uuid} NOT NULL REFERENCES account (id),
    name text NOT NULL,
    hint text NOT NULL,
    secret_hash text NOT NULL UNIQUE,
    scopes {json} NOT NULL,
    created_at {time} NOT NULL,
    last_used_at {time},
    expires_at {time},
    revoked_at {time}
);
CREATE INDEX api_key_account ON api_key (account_id, id);

CREATE TABLE smtp_settings (
    account_id {uuid} PRIMARY KEY REFERENCES account (id),
    host text NOT NULL,
    port integer NOT NULL CHECK (port BETWEEN 1 AND 65535),
    security text NOT NULL,
    username text,
    sealed_password text,
    from_name text,
    from_address text NOT NULL,
    reply_to text,
    verified_at {time},
    last_error text,
    updated_at {time} NOT NULL
);

CREATE TABLE audit_event (
    id {uuid} PRIMARY KEY,
    account_id {uuid} NOT NULL REFERENCES account (id),
    at {time} NOT NULL,
    actor_kind text NOT NULL,
    actor_id text,
    actor_name text NOT NULL,
    action text NOT NULL,
    subject_type text NOT NULL,
    subject_id text NOT NULL,
    subject_label text,
    changes {json},
    ip text
);
CREATE INDEX audit_event_account ON audit_event (account_id, id);
CREATE INDEX audit_event_subject ON audit_event (account_id, subject_id, id);

CREATE TABLE mail (
    id {uuid} PRIMARY KEY,
    to_address text NOT NULL,
    subject text NOT NULL,
    sealed_body text,
    status text NOT NULL CHECK (status IN ('QUEUED', 'SENT', 'FAILED')),
    attempts integer NOT NULL,
    due_at {time},
    lease_until {time},
    error text,
    sent_at {time},
    created_at {time} NOT NULL
);
CREATE INDEX mail_due ON mail (due_at) WHERE status = 'QUEUED';
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, TABLES).await
    }
}
