//! Columns that may be large: how much they hold is looked up before it is read.

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QuerySelect, Select};

/// Bytes that some columns of the selected rows hold, as texts.
pub async fn bytes<E: EntityTrait>(
    db: &impl ConnectionTrait,
    rows: Select<E>,
    columns: &[E::Column],
) -> Result<u64, DbErr> {
    let lengths = columns.iter().map(|column| {
        let text = Expr::col((E::default(), *column)).cast_as(Alias::new("text"));
        let length = Func::cust(Alias::new("octet_length")).arg(text);
        Expr::from(Func::coalesce([Expr::from(length), Expr::val(0)]))
    });
    let Some(length) = lengths.reduce(ExprTrait::add) else {
        return Ok(0);
    };
    // One for each row: a sum would not go with the order and the limit that the selection may have.
    let lengths = rows
        .select_only()
        .expr_as(length.cast_as(Alias::new("bigint")), "bytes");
    let lengths: Vec<i64> = lengths.into_tuple().all(db).await?;
    Ok(lengths.into_iter().map(|bytes| u64::try_from(bytes).unwrap_or(0)).sum())
}
