//! Invitations, connections, what each side keeps of them, and refused attempts.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLES: &str = "
CREATE TABLE invitation (
    id {uuid} PRIMARY KEY,
    from_account_id {uuid} NOT NULL REFERENCES account (id),
    to_account_id {uuid} REFERENCES account (id),
    to_email text,
    inviter_sends {bool} NOT NULL,
    invitee_sends {bool} NOT NULL,
    message text,
    token_hash text UNIQUE,
    mail_id {uuid},
    status text NOT NULL CHECK (status IN ('PENDING', 'ACCEPTED', 'DECLINED', 'CANCELLED', 'EXPIRED')),
    expires_at {time} NOT NULL,
    created_at {time} NOT NULL,
    answered_at {time},
    connection_id {uuid},
    CHECK (to_account_id IS NOT NULL OR to_email IS NOT NULL),
    CHECK (inviter_sends OR invitee_sends)
);
CREATE UNIQUE INDEX invitation_pending_account ON invitation (from_account_id, to_account_id) WHERE status = 'PENDING';
CREATE UNIQUE INDEX invitation_pending_email ON invitation (from_account_id, to_email) WHERE status = 'PENDING' AND to_account_id IS NULL;
CREATE INDEX invitation_from ON invitation (from_account_id, id);
CREATE INDEX invitation_to ON invitation (to_account_id, id) WHERE to_account_id IS NOT NULL;
CREATE INDEX invitation_email ON invitation (to_email) WHERE to_email IS NOT NULL AND status = 'PENDING';

CREATE TABLE connection (
    id {uuid} PRIMARY KEY,
    low_account_id {uuid} NOT NULL REFERENCES account (id),
    high_account_id {uuid} NOT NULL REFERENCES account (id),
    low_sends {bool} NOT NULL,
    high_sends {bool} NOT NULL,
    status text NOT NULL CHECK (status IN ('ACTIVE', 'SUSPENDED', 'TERMINATED')),
    low_suspends {bool} NOT NULL,
    high_suspends {bool} NOT NULL,
    requested_by {uuid},
    wanted_low_sends {bool} NOT NULL,
    wanted_high_sends {bool} NOT NULL,
    invitation_id {uuid},
    connected_at {time} NOT NULL,
    terminated_at {time},
    terminated_by {uuid},
    termination_reason text,
    CHECK (low_account_id < high_account_id),
    CHECK (low_sends OR high_sends)
);
CREATE UNIQUE INDEX connection_live ON connection (low_account_id, high_account_id) WHERE status <> 'TERMINATED';
CREATE INDEX connection_low ON connection (low_account_id, id);
CREATE INDEX connection_high ON connection (high_account_id, id);

CREATE TABLE connection_side (
    connection_id {uuid} NOT NULL REFERENCES connection (id),
    account_id {uuid} NOT NULL REFERENCES account (id),
    purpose text,
    contact_name text,
    contact_email text,
    notes text,
    expected_daily_volume integer,
    receiving_flow_id {uuid},
    last_reviewed_at {time},
    PRIMARY KEY (connection_id, account_id)
);
CREATE INDEX connection_side_account ON connection_side (account_id, connection_id);

CREATE TABLE refused_attempt (
    flow_id {uuid} NOT NULL,
    sender_account_id {uuid} NOT NULL,
    hour {time} NOT NULL,
    account_id {uuid} NOT NULL,
    attempts {long} NOT NULL,
    PRIMARY KEY (flow_id, sender_account_id, hour)
);
CREATE INDEX refused_attempt_account ON refused_attempt (account_id, hour);
CREATE INDEX refused_attempt_sender ON refused_attempt (sender_account_id, hour);

CREATE INDEX source_connection ON source (connection_id) WHERE connection_id IS NOT NULL;
CREATE INDEX source_invitation ON source (invitation_id) WHERE invitation_id IS NOT NULL;
CREATE INDEX source_sender ON source (sender_account_id) WHERE sender_account_id IS NOT NULL;
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, TABLES).await
    }
}
