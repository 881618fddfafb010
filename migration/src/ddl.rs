//! One text of data definition for both databases: `{type}` marks are replaced by what each calls the type.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

const TYPES: [(&str, &str, &str); 6] = [
    ("{uuid}", "uuid", "blob"),
    ("{time}", "timestamptz", "text"),
    ("{json}", "json", "text"),
    ("{bytes}", "bytea", "blob"),
    ("{bool}", "boolean", "boolean"),
    ("{long}", "bigint", "bigint"),
];

/// Runs the statements of `text`, which end in semicolons.
pub(crate) async fn run(manager: &SchemaManager<'_>, text: &str) -> Result<(), DbErr> {
    let postgres = manager.get_database_backend() == DatabaseBackend::Postgres;
    let text = TYPES
        .iter()
        .fold(text.to_owned(), |text, (mark, on_postgres, on_sqlite)| {
            text.replace(mark, if postgres { on_postgres } else { on_sqlite })
        });
    for statement in text.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
        manager.get_connection().execute_unprepared(statement).await?;
    }
    Ok(())
}
