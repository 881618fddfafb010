//! Statements over many rows. On `PostgreSQL` their text does not depend on how many rows there are, so that each is prepared
//! once: columns travel as arrays and are unfolded by `UNNEST`. On `SQLite` they are cut to its limit of parameters.

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

/// Inserts rows of two tables, every column set: by one statement on `PostgreSQL`, where each takes a journey.
pub async fn insert_both<A, B>(
    db: &impl ConnectionTrait,
    first: Vec<A::ActiveModel>,
    second: Vec<B::ActiveModel>,
) -> Result<(), DbErr>
where
    A: EntityTrait,
    A::ActiveModel: Send,
    B: EntityTrait,
    B::ActiveModel: Send,
{
    let one_journey = db.get_database_backend() == DatabaseBackend::Postgres && !first.is_empty() && !second.is_empty();
    if !one_journey {
        insert::<A>(db, first).await?;
        return insert::<B>(db, second).await;
    }
    let (first, mut values) = unnested::<A>(first, 0);
    let (second, more) = unnested::<B>(second, values.len());
    values.extend(more);
    let sql = format!("WITH first AS ({first}) {second}");
    let both = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
    db.execute_raw(both).await?;
    Ok(())
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
        let (insert, values) = unnested::<E>(rows, 0);
        let sql = format!("{insert}{on_conflict}");
        let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
        return Ok(db.execute_raw(statement).await?.rows_affected());
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

/// A statement whose text depends on the table alone, with its values; its parameters are numbered after so many others.
fn unnested<E: EntityTrait>(rows: Vec<E::ActiveModel>, others: usize) -> (String, Vec<Value>) {
    let columns: Vec<(E::Column, Kind, bool)> = E::Column::iter()
        .map(|column| {
            let definition = column.def();
            (column, Kind::of(definition.get_column_type()), definition.is_null())
        })
        .collect();
    let names: Vec<&str> = columns.iter().map(|(column, ..)| column.as_str()).collect();
    let arguments = columns
        .iter()
        .enumerate()
        .map(|(place, (_, kind, _))| format!("${}::{}[]", others + place + 1, kind.sent_as()));
    let selected = columns
        .iter()
        .map(|(column, kind, nullable)| kind.selected(column.as_str(), *nullable));
    let sql = format!(
        "INSERT INTO \"{}\" (\"{}\") SELECT {} FROM UNNEST({}) AS t (\"{}\")",
        E::default().table_name(),
        names.join("\", \""),
        selected.collect::<Vec<_>>().join(", "),
        arguments.collect::<Vec<_>>().join(", "),
        names.join("\", \""),
    );
    let mut arrays: Vec<Vec<Value>> = columns.iter().map(|_| Vec::with_capacity(rows.len())).collect();
    for mut row in rows {
        for ((column, kind, _), array) in columns.iter().zip(&mut arrays) {
            array.push(match row.take(*column) {
                ActiveValue::Set(value) | ActiveValue::Unchanged(value) => kind.value(value),
                ActiveValue::NotSet => kind.absent(),
            });
        }
    }
    let values = columns.iter().zip(arrays);
    let values = values.map(|((_, kind, _), array)| Value::Array(kind.array_type(), Some(Box::new(array))));
    (sql, values.collect())
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

    /// JSON travels as text: an array of JSON would be built twice. What stands for an absent value becomes null.
    fn selected(self, name: &str, nullable: bool) -> String {
        let value = if nullable {
            format!("NULLIF(\"{name}\", {})", self.absent_literal())
        } else {
            format!("\"{name}\"")
        };
        if matches!(self, Self::Json) {
            format!("{value}::json")
        } else {
            value
        }
    }

    fn value(self, value: Value) -> Value {
        match value {
            Value::Json(Some(json)) => Value::String(Some(json.to_string())),
            absent if absent == absent.as_null() => self.absent(),
            other => other,
        }
    }

    /// The library takes no nulls in an array, so a value that no column ever holds stands for them: texts have no control
    /// characters, and nothing has happened in 1970.
    fn absent(self) -> Value {
        match self {
            Self::Uuid => Uuid::nil().into(),
            Self::Text | Self::Json => "\u{1}".into(),
            Self::Time => chrono::DateTime::UNIX_EPOCH.into(),
            Self::Bool => false.into(),
            Self::Integer => i32::MIN.into(),
            Self::Long => i64::MIN.into(),
        }
    }

    fn absent_literal(self) -> &'static str {
        match self {
            Self::Uuid => "'00000000-0000-0000-0000-000000000000'::uuid",
            Self::Text | Self::Json => "E'\\x01'",
            Self::Time => "to_timestamp(0)",
            Self::Bool => "NULL",
            Self::Integer => "(-2147483648)::integer",
            Self::Long => "(-9223372036854775808)::bigint",
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
