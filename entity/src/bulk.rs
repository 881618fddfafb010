//! Statements over many rows. On `PostgreSQL` their text does not depend on how many rows there are, so that each is prepared
//! once: columns travel as arrays and are unfolded by `UNNEST`. On `SQLite` they are cut to its limit of parameters.
//!
//! The driver binds arrays without nulls only and panics on others, so a column that may be null travels as the text of an
//! array ([`nullable`]).

use sea_orm::sea_query::{ArrayType, Expr, ExprTrait, OnConflict, SimpleExpr, Value};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, ColumnType, ConnectionTrait, DatabaseBackend, DbErr, EntityTrait,
    IdenStatic, Iterable, Statement,
};
use uuid::Uuid;

/// Parameters that `SQLite` takes in one statement.
const SQLITE_PARAMETERS: usize = 32_766;

/// Inserts rows whose every column is set.
pub async fn insert<E>(db: &impl ConnectionTrait, rows: Vec<E::ActiveModel>) -> Result<(), DbErr>
where
    E: EntityTrait,
    E::ActiveModel: Send,
{
    insert_rows::<E>(db, rows, None).await?;
    Ok(())
}

/// Inserts those rows that no constraint of uniqueness speaks against, and answers how many. Read them back to see which:
/// a row that another transaction is writing is waited for.
pub async fn insert_if_absent<E>(db: &impl ConnectionTrait, rows: Vec<E::ActiveModel>) -> Result<u64, DbErr>
where
    E: EntityTrait,
    E::ActiveModel: Send,
{
    insert_rows::<E>(db, rows, Some(OnConflict::new().do_nothing().to_owned())).await
}

async fn insert_rows<E>(
    db: &impl ConnectionTrait,
    rows: Vec<E::ActiveModel>,
    conflict: Option<OnConflict>,
) -> Result<u64, DbErr>
where
    E: EntityTrait,
    E::ActiveModel: Send,
{
    if rows.is_empty() {
        return Ok(0);
    }
    if db.get_database_backend() == DatabaseBackend::Postgres {
        let on_conflict = if conflict.is_some() {
            " ON CONFLICT DO NOTHING"
        } else {
            ""
        };
        return Ok(db.execute_raw(unnested::<E>(rows, on_conflict)).await?.rows_affected());
    }
    let columns = E::Column::iter().count().max(1);
    let mut rows = rows.into_iter().peekable();
    let mut written = 0;
    while rows.peek().is_some() {
        let chunk: Vec<_> = rows.by_ref().take(SQLITE_PARAMETERS / columns).collect();
        let mut insert = E::insert_many(chunk);
        if let Some(conflict) = &conflict {
            insert = insert.on_conflict(conflict.clone());
        }
        written += insert.exec_without_returning(db).await?;
    }
    Ok(written)
}

/// `column` is one of these: as an array on `PostgreSQL`, as a list elsewhere.
pub fn among<C: ColumnTrait>(db: &impl ConnectionTrait, column: C, ids: impl IntoIterator<Item = Uuid>) -> SimpleExpr {
    let ids: Vec<Uuid> = ids.into_iter().collect();
    if db.get_database_backend() == DatabaseBackend::Postgres {
        return Expr::cust_with_values(format!("{} = ANY($1)", column.as_str()), [Value::from(ids)]);
    }
    Expr::col(column).is_in(ids)
}

/// As [`among`], for text.
pub fn among_texts<C: ColumnTrait>(db: &impl ConnectionTrait, column: C, texts: Vec<String>) -> SimpleExpr {
    if db.get_database_backend() == DatabaseBackend::Postgres {
        return Expr::cust_with_values(format!("{} = ANY($1)", column.as_str()), [Value::from(texts)]);
    }
    Expr::col(column).is_in(texts)
}

/// An array with nulls in it, as a parameter to be cast in two steps: `$1::text::uuid[]`. Elements are in the text form that
/// `PostgreSQL` reads for their type.
pub fn nullable(elements: impl IntoIterator<Item = Option<String>>) -> Value {
    let mut text = String::from("{");
    for element in elements {
        if text.len() > 1 {
            text.push(',');
        }
        match element {
            None => text.push_str("NULL"),
            Some(element) => quote(&element, &mut text),
        }
    }
    text.push('}');
    text.into()
}

fn quote(element: &str, text: &mut String) {
    text.push('"');
    for character in element.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
}

fn unnested<E: EntityTrait>(rows: Vec<E::ActiveModel>, conflict: &str) -> Statement {
    let columns: Vec<E::Column> = E::Column::iter().collect();
    let names: Vec<&str> = columns.iter().map(IdenStatic::as_str).collect();
    let kinds: Vec<Kind> = columns
        .iter()
        .map(|column| Kind::of(column.def().get_column_type()))
        .collect();
    let nullable_ones: Vec<bool> = columns.iter().map(|column| column.def().is_null()).collect();
    let arguments: Vec<String> = kinds
        .iter()
        .zip(&nullable_ones)
        .enumerate()
        .map(|(place, (kind, may_be_null))| {
            let by_text = if *may_be_null { "::text" } else { "" };
            format!("${}{by_text}::{}[]", place + 1, kind.sent_as())
        })
        .collect();
    let selected: Vec<String> = names
        .iter()
        .zip(&kinds)
        .map(|(name, kind)| kind.selected(name))
        .collect();
    let sql = format!(
        "INSERT INTO \"{}\" (\"{}\") SELECT {} FROM UNNEST({}) AS t (\"{}\"){conflict}",
        E::default().table_name(),
        names.join("\", \""),
        selected.join(", "),
        arguments.join(", "),
        names.join("\", \""),
    );
    let mut arrays: Vec<Vec<Value>> = kinds.iter().map(|_| Vec::with_capacity(rows.len())).collect();
    for mut row in rows {
        for ((column, kind), array) in columns.iter().zip(&kinds).zip(&mut arrays) {
            array.push(match row.take(*column) {
                ActiveValue::Set(value) | ActiveValue::Unchanged(value) => kind.value(value),
                ActiveValue::NotSet => kind.null(),
            });
        }
    }
    let values = kinds
        .iter()
        .zip(nullable_ones)
        .zip(arrays)
        .map(|((kind, may_be_null), array)| {
            if may_be_null {
                nullable(array.into_iter().map(text_of))
            } else {
                Value::Array(kind.array_type(), Some(Box::new(array)))
            }
        });
    Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values)
}

/// What `PostgreSQL` reads as this value; none for null.
fn text_of(value: Value) -> Option<String> {
    match value {
        Value::Uuid(id) => id.map(|id| id.to_string()),
        Value::String(text) => text,
        Value::ChronoDateTimeUtc(time) => time.map(|time| time.to_rfc3339()),
        Value::Bool(flag) => flag.map(|flag| flag.to_string()),
        Value::Int(number) => number.map(|number| number.to_string()),
        Value::BigInt(number) => number.map(|number| number.to_string()),
        // None of `Kind`; as it would be written in a statement.
        other => Some(other.to_string()),
    }
}

/// The types that columns of this schema have.
#[derive(Clone, Copy)]
enum Kind {
    Uuid,
    Text,
    Json,
    Time,
    Bool,
    Integer,
    Long,
}

impl Kind {
    fn of(column: &ColumnType) -> Self {
        match column {
            ColumnType::Uuid => Self::Uuid,
            ColumnType::Json | ColumnType::JsonBinary => Self::Json,
            ColumnType::TimestampWithTimeZone | ColumnType::DateTime | ColumnType::Timestamp => Self::Time,
            ColumnType::Boolean => Self::Bool,
            ColumnType::BigInteger => Self::Long,
            ColumnType::Integer | ColumnType::SmallInteger | ColumnType::TinyInteger => Self::Integer,
            _ => Self::Text,
        }
    }

    fn sent_as(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::Text | Self::Json => "text",
            Self::Time => "timestamptz",
            Self::Bool => "boolean",
            Self::Integer => "integer",
            Self::Long => "bigint",
        }
    }

    /// JSON travels as text: an array of JSON would be built twice.
    fn selected(self, name: &str) -> String {
        if matches!(self, Self::Json) {
            format!("\"{name}\"::json")
        } else {
            format!("\"{name}\"")
        }
    }

    fn value(self, value: Value) -> Value {
        match value {
            Value::Json(json) => Value::String(json.map(|json| json.to_string())),
            other => other,
        }
    }

    fn null(self) -> Value {
        match self {
            Self::Uuid => Value::Uuid(None),
            Self::Text | Self::Json => Value::String(None),
            Self::Time => Value::ChronoDateTimeUtc(None),
            Self::Bool => Value::Bool(None),
            Self::Integer => Value::Int(None),
            Self::Long => Value::BigInt(None),
        }
    }

    fn array_type(self) -> ArrayType {
        match self {
            Self::Uuid => ArrayType::Uuid,
            Self::Text | Self::Json => ArrayType::String,
            Self::Time => ArrayType::ChronoDateTimeUtc,
            Self::Bool => ArrayType::Bool,
            Self::Integer => ArrayType::Int,
            Self::Long => ArrayType::BigInt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_as_text_tells_null_from_every_text() {
        let elements = [
            None,
            Some("NULL".into()),
            Some(String::new()),
            Some(r#"a "b" \{c,d}"#.into()),
        ];
        let expected = r#"{NULL,"NULL","","a \"b\" \\{c,d}"}"#;
        assert_eq!(nullable(elements), Value::from(expected));
        assert_eq!(nullable([]), Value::from("{}"));
    }
}
