//! How many bytes of settings each account has stored, deleted ones and earlier versions included: counted by the database itself with
//! every change, so that no way to write settings can forget it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLE: &str = "
CREATE TABLE settings_usage (
    account_id {uuid} PRIMARY KEY REFERENCES account (id),
    bytes {long} NOT NULL
);
";
/// Bytes that a row takes besides its documents.
const ROW: usize = 200;
/// Tables of settings, with their columns that may be large.
const TABLES: [(&str, &[&str]); 8] = [
    (
        "flow",
        &[
            "name",
            "description",
            "fields",
            "acceptance_rule",
            "duplicate_keys",
            "caps",
        ],
    ),
    ("source", &["name", "acceptance_rule", "mapping", "caps"]),
    ("step", &["name", "criteria", "config"]),
    ("flow_revision", &["summary", "snapshot"]),
    ("partner", &["name", "email", "notes", "tags", "caps"]),
    ("profile", &["name", "description", "rule"]),
    ("assignment", &["rule", "caps", "schedule"]),
    ("delivery_settings", &["config"]),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::ddl::run(manager, TABLE).await?;
        let backend = manager.get_database_backend();
        let db = manager.get_connection();
        for (table, columns) in TABLES {
            for statement in counting(backend, table, columns) {
                db.execute_unprepared(&statement).await?;
            }
        }
        let stored = TABLES.map(|(table, columns)| {
            let size = size(backend, table, columns);
            format!("SELECT account_id, {size} AS bytes FROM {table}")
        });
        let all = stored.join(" UNION ALL ");
        let total = match backend {
            DatabaseBackend::Postgres => "CAST(sum(bytes) AS bigint)",
            _ => "sum(bytes)",
        };
        let sum = format!(
            "INSERT INTO settings_usage (account_id, bytes) SELECT account_id, {total} FROM ({all}) AS stored GROUP BY account_id"
        );
        db.execute_unprepared(&sum).await.map(drop)
    }
}

/// The bytes of a row that is called so.
fn size(backend: DatabaseBackend, row: &str, columns: &[&str]) -> String {
    let column = |column: &&str| match backend {
        DatabaseBackend::Postgres => format!("coalesce(octet_length(CAST({row}.{column} AS text)), 0)"),
        _ => format!("coalesce(length(CAST({row}.{column} AS blob)), 0)"),
    };
    let columns: Vec<String> = columns.iter().map(column).collect();
    format!("({ROW} + {})", columns.join(" + "))
}

fn counting(backend: DatabaseBackend, table: &str, columns: &[&str]) -> Vec<String> {
    let (new, old) = (size(backend, "NEW", columns), size(backend, "OLD", columns));
    match backend {
        DatabaseBackend::Postgres => on_postgres(table, &new, &old),
        _ => on_sqlite(table, &new, &old),
    }
}

fn on_postgres(table: &str, new: &str, old: &str) -> Vec<String> {
    let function = format!(
        "CREATE FUNCTION count_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
         DECLARE
             changed bigint := 0;
             owner uuid;
         BEGIN
             IF TG_OP <> 'DELETE' THEN
                 changed := changed + {new};
                 owner := NEW.account_id;
             END IF;
             IF TG_OP <> 'INSERT' THEN
                 changed := changed - {old};
                 owner := OLD.account_id;
             END IF;
             IF changed <> 0 THEN
                 INSERT INTO settings_usage AS known (account_id, bytes) VALUES (owner, changed)
                 ON CONFLICT (account_id) DO UPDATE SET bytes = known.bytes + changed;
             END IF;
             RETURN NULL;
         END $$"
    );
    let trigger = format!(
        "CREATE TRIGGER count_{table} AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION count_{table}()"
    );
    vec![function, trigger]
}

/// Two statements in place of an upsert, whose conflict clause the statement that fires a trigger would decide.
fn on_sqlite(table: &str, new: &str, old: &str) -> Vec<String> {
    let trigger = |event: &str, row: &str, changed: &str| {
        let name = format!("count_{table}_{}", event.to_lowercase());
        format!(
            "CREATE TRIGGER {name} AFTER {event} ON {table} WHEN {changed} <> 0 BEGIN
             INSERT INTO settings_usage (account_id, bytes) SELECT {row}.account_id, 0
             WHERE NOT EXISTS (SELECT 1 FROM settings_usage WHERE account_id = {row}.account_id);
             UPDATE settings_usage SET bytes = bytes + {changed} WHERE account_id = {row}.account_id;
             END"
        )
    };
    vec![
        trigger("INSERT", "NEW", new),
        trigger("UPDATE", "NEW", &format!("({new} - {old})")),
        trigger("DELETE", "OLD", &format!("(0 - {old})")),
    ]
}
