//! A long history, made by a few statements: 99 of 100 leads are one account's, as on most servers.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseBackend};
use uuid::Uuid;

use crate::support::app::TestApp;

/// Leads, deliveries, and of most else as many.
pub(super) const ROWS: u64 = 100_000;
/// Whose most of it is.
pub(super) const ACCOUNT: u64 = 1;
/// Whose the rest is, which also buys.
pub(super) const SMALL_ACCOUNT: u64 = 2;
/// A partner that gets one lead in twenty, in its portal.
pub(super) const PARTNER: u64 = 100;
pub(super) const CONNECTION: u64 = 4;
pub(super) const FLOW: u64 = 5;
pub(super) const SOURCE: u64 = 6;
const SETTINGS: u64 = 7;
const WORKER: u64 = 8;
/// When it began.
const START: i64 = 1_717_000_000;

/// An identifier of something of which there is one.
pub(super) fn id<T: From<Uuid>>(n: u64) -> T {
    Uuid::from_u128(n.into()).into()
}

/// The lead at that place. One comes each second.
pub(super) fn lead_id(n: u64) -> entity::ids::LeadId {
    entity::ids::LeadId(nth(n))
}

/// The delivery of the lead at that place.
pub(super) fn delivery_id(n: u64) -> entity::ids::DeliveryId {
    entity::ids::DeliveryId(nth(n))
}

fn nth(n: u64) -> Uuid {
    let milliseconds = u128::from(START.unsigned_abs() + n) * 1_000;
    Uuid::from_u128((milliseconds << 80) | (0x7000_8000 << 48) | u128::from(n))
}

/// When the lead at that place came.
pub(super) fn time(n: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(START + n, 0).unwrap()
}

/// How each database writes what the statements below need; `n` is the place of the row.
struct Dialect(DatabaseBackend);

impl Dialect {
    fn is_postgres(&self) -> bool {
        self.0 == DatabaseBackend::Postgres
    }

    /// An identifier that is computed.
    fn id(&self, number: &str) -> String {
        if self.is_postgres() {
            format!("lpad(to_hex(({number})::bigint), 32, '0')::uuid")
        } else {
            format!("unhex(printf('%032x', {number}))")
        }
    }

    /// That of the lead or delivery at place `n`.
    fn nth(&self) -> String {
        if self.is_postgres() {
            format!(
                "(lpad(to_hex(({START} + n)::bigint * 1000), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid"
            )
        } else {
            format!("unhex(printf('%012x70008000%012x', ({START} + n) * 1000, n))")
        }
    }

    fn time(&self, seconds: &str) -> String {
        if self.is_postgres() {
            format!("to_timestamp({START} + {seconds})")
        } else {
            format!("strftime('%Y-%m-%dT%H:%M:%S+00:00', {START} + {seconds}, 'unixepoch')")
        }
    }
}

/// Makes it. Deliveries at places that end on 007 and 057 of a thousand are over the connection: open, and failed for want of a flow.
pub(super) async fn make(app: &TestApp) {
    let db = app.app.db.write();
    let dialect = Dialect(db.get_database_backend());
    for statement in [leads(&dialect), deliveries(&dialect)]
        .into_iter()
        .chain(others(&dialect))
    {
        db.execute_unprepared(&statement).await.unwrap();
    }
}

fn rows(table: &str, columns: &[(&str, String)]) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let values: Vec<&str> = columns.iter().map(|(_, value)| value.as_str()).collect();
    format!(
        "INSERT INTO {table} ({}) WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {ROWS}) SELECT {} FROM s",
        names.join(", "),
        values.join(", ")
    )
}

fn whose(dialect: &Dialect) -> String {
    dialect.id(&format!(
        "CASE WHEN n % 100 = 0 THEN {SMALL_ACCOUNT} ELSE {ACCOUNT} END"
    ))
}

fn leads(dialect: &Dialect) -> String {
    let text = |text: &str| format!("'{text}'");
    rows(
        "lead",
        &[
            ("id", dialect.nth()),
            ("account_id", whose(dialect)),
            ("flow_id", dialect.id(&FLOW.to_string())),
            ("source_id", dialect.id(&SOURCE.to_string())),
            ("sender_account_id", whose(dialect)),
            ("test", "false".into()),
            (
                "outcome",
                "CASE WHEN n % 50 = 3 THEN 'REJECTED' ELSE 'ACCEPTED' END".into(),
            ),
            ("fields", text("{}")),
            ("raw", text("{}")),
            ("reasons", text("[]")),
            ("warnings", text("[]")),
            ("trace", text("[]")),
            ("email_key", "'ana' || n || '@example.com'".into()),
            ("phone_key", "'+1415' || n".into()),
            ("name_key", "'ana ' || n".into()),
            ("submitted_at", dialect.time("n")),
            ("processing_us", "1000".into()),
            ("path", text("[]")),
        ],
    )
}

fn deliveries(dialect: &Dialect) -> String {
    const OVER: &str = "n % 50 = 7";
    const STATUS: &str =
        "CASE n % 1000 WHEN 1 THEN 'FAILED' WHEN 57 THEN 'FAILED' WHEN 2 THEN 'RETRYING' WHEN 3 THEN 'QUEUED'
        WHEN 7 THEN 'QUEUED' WHEN 4 THEN 'SENDING' WHEN 5 THEN 'CANCELLED' WHEN 6 THEN 'REFUSED' ELSE 'DELIVERED' END";
    let only = |condition: &str, value: String| format!("CASE WHEN {condition} THEN {value} END");
    rows(
        "delivery",
        &[
            ("id", dialect.nth()),
            ("account_id", whose(dialect)),
            ("lead_id", dialect.nth()),
            ("flow_id", dialect.id(&FLOW.to_string())),
            ("profile_id", dialect.id("9")),
            (
                "partner_id",
                only(&format!("NOT ({OVER})"), dialect.id(&format!("{PARTNER} + n % 20"))),
            ),
            ("buyer_account_id", only(OVER, dialect.id(&SMALL_ACCOUNT.to_string()))),
            (
                "connection_id",
                only(OVER, dialect.id(&format!("{CONNECTION} + 1000 * (n % 3)"))),
            ),
            ("settings_id", dialect.id(&SETTINGS.to_string())),
            (
                "channel",
                format!("CASE WHEN {OVER} THEN 'ACCOUNT' WHEN n % 20 = 0 THEN 'PORTAL' ELSE 'WEBHOOK' END"),
            ),
            ("status", STATUS.into()),
            ("test", "false".into()),
            ("attempt_count", "1".into()),
            ("attempts_before", "0".into()),
            ("budget_since", dialect.time("n")),
            ("due_at", only("n % 1000 IN (2, 3, 7)", dialect.time("n + 60"))),
            ("lease_owner", only("n % 1000 = 4", dialect.id(&WORKER.to_string()))),
            (
                "failure_code",
                "CASE n % 1000 WHEN 1 THEN 'HTTP_STATUS' WHEN 57 THEN 'BUYER_NOT_READY' END".into(),
            ),
            ("reservations", "'[]'".into()),
            ("created_at", dialect.time("n")),
            (
                "settled_at",
                only("n % 1000 NOT IN (2, 3, 4, 7)", dialect.time("n + 1")),
            ),
        ],
    )
}

/// What hangs on leads and deliveries, and what intake remembers.
fn others(dialect: &Dialect) -> [String; 6] {
    let (lead, at) = (("lead_id", dialect.nth()), ("at", dialect.time("n")));
    let text = |text: &str| format!("'{text}'");
    [
        rows(
            "duplicate_memory",
            &[
                ("flow_id", dialect.id(&FLOW.to_string())),
                ("key_hash", "'key-' || n".into()),
                lead.clone(),
                at.clone(),
            ],
        ),
        rows(
            "idempotency",
            &[
                ("source_id", dialect.id(&SOURCE.to_string())),
                ("key", "'key-' || n".into()),
                ("fingerprint", text("f")),
                lead.clone(),
                at.clone(),
            ],
        ),
        rows(
            "lead_event",
            &[
                ("id", dialect.nth()),
                ("account_id", whose(dialect)),
                lead.clone(),
                at.clone(),
                ("kind", text("ROUTED")),
                ("message", text("routed")),
            ],
        ),
        rows(
            "delivery_attempt",
            &[
                ("delivery_id", dialect.nth()),
                ("number", "1".into()),
                ("started_at", dialect.time("n")),
                ("duration_us", "1000".into()),
                ("ok", "true".into()),
            ],
        ),
        rows(
            "erasure_notice",
            &[
                ("id", dialect.nth()),
                ("account_id", whose(dialect)),
                lead,
                ("delivery_id", dialect.nth()),
                ("settings_id", dialect.id(&SETTINGS.to_string())),
                ("channel", text("WEBHOOK")),
                ("test", "false".into()),
                ("received", text("DELIVERED")),
                ("received_at", dialect.time("n")),
                ("status", text("SENT")),
                ("attempts", "1".into()),
                ("created_at", dialect.time("n")),
            ],
        ),
        rows(
            "event",
            &[
                ("topic_id", dialect.id(&ACCOUNT.to_string())),
                ("seq", "n".into()),
                ("kind", text("LEAD")),
                ("subject_id", dialect.nth()),
                at,
            ],
        ),
    ]
}
