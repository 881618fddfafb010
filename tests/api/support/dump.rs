//! Everything that is in the database, as text.

use std::fmt::Write;

use leadmesh_core::app::App;
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};

const POSTGRES: &str = "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'";
const SQLITE: &str = "SELECT name FROM sqlite_master WHERE type = 'table'";

/// Every row of every table. Sealed and hashed values are in it as they are stored.
pub(crate) async fn dump(app: &App) -> String {
    let db = app.db.write();
    let backend = db.get_database_backend();
    let postgres = backend == DatabaseBackend::Postgres;
    let list = Statement::from_string(backend, if postgres { POSTGRES } else { SQLITE });
    let mut text = String::new();
    for table in db.query_all_raw(list).await.unwrap() {
        let name: String = table.try_get("", "name").unwrap();
        let rows = if postgres {
            format!("SELECT t::text AS row FROM \"{name}\" t")
        } else {
            let columns = Statement::from_string(
                backend,
                format!(
                    "SELECT group_concat('ifnull(CAST(\"' || name || '\" AS TEXT), '''')', ' || ''|'' || ') AS row FROM pragma_table_info('{name}')"
                ),
            );
            let columns: String = db
                .query_one_raw(columns)
                .await
                .unwrap()
                .unwrap()
                .try_get("", "row")
                .unwrap();
            // As bytes: identifiers are binary here, and a row with one is no text.
            format!("SELECT CAST({columns} AS BLOB) AS row FROM \"{name}\"")
        };
        for row in db.query_all_raw(Statement::from_string(backend, rows)).await.unwrap() {
            let row: String = if postgres {
                row.try_get("", "row").unwrap()
            } else {
                String::from_utf8_lossy(&row.try_get::<Vec<u8>>("", "row").unwrap()).into_owned()
            };
            // A row is a line, whatever bytes its identifiers have.
            writeln!(text, "{name}: {}", row.replace('\n', "␊")).unwrap();
        }
    }
    text
}
