//! Percentiles of groups. The database ranks the newest deliveries of each group by time and returns those at the two ranks, so two
//! rows a group travel, however many deliveries there are.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DatabaseBackend};

use super::dimension::Axis;
use super::{GroupKey, group_key};
use leadmesh_core::error::Result;
use leadmesh_delivery::counts::{Counts, SAMPLE, milliseconds};

/// Time of a delivery. `SQLite` stores times as texts with as many digits as they need: whole seconds come from the calendar,
/// and the rest is a fraction, or else the zone, which counts as nothing.
const TOOK_SQLITE: &str = "(strftime('%s', substr(settled_at, 1, 19)) - strftime('%s', substr(created_at, 1, 19))) \
    + (CAST(substr(settled_at, 20) AS REAL) - CAST(substr(created_at, 20) AS REAL))";
const TOOK_POSTGRES: &str = "settled_at - created_at";

/// Adds the percentiles of delivered deliveries to their rows.
pub(super) async fn take(
    db: &impl ConnectionTrait,
    delivered: SelectStatement,
    axes: &[Axis],
    rows: &mut HashMap<GroupKey, Counts>,
) -> Result<()> {
    for row in db.query_all(&ranked(db, delivered)).await? {
        let (created, settled): (DateTime<Utc>, DateTime<Utc>) =
            (row.try_get("", "created_at")?, row.try_get("", "settled_at")?);
        let (rank_in_group, among): (i64, i64) = (row.try_get("", "rank_in_group")?, row.try_get("", "among")?);
        let took = milliseconds(settled - created);
        let counts = rows.entry(group_key(&row, axes)?).or_default();
        if rank_in_group == rank(among, 50) {
            counts.p50_ms = Some(took);
        }
        if rank_in_group == rank(among, 95) {
            counts.p95_ms = Some(took);
        }
    }
    Ok(())
}

/// The nearest rank.
fn rank(among: i64, percent: i64) -> i64 {
    (among * percent + 99) / 100
}

fn ranked(db: &impl ConnectionTrait, delivered: SelectStatement) -> SelectStatement {
    let took = match db.get_database_backend() {
        DatabaseBackend::Postgres => TOOK_POSTGRES,
        _ => TOOK_SQLITE,
    };
    let columns = ["d0", "d1", "created_at", "settled_at"];
    let newest = Query::select()
        .columns(columns)
        .expr_as(Expr::cust(took), "took")
        .expr_as(
            Expr::cust("row_number() OVER (PARTITION BY d0, d1 ORDER BY id DESC)"),
            "newest",
        )
        .from_subquery(delivered, "delivered")
        .to_owned();
    let ordered = Query::select()
        .columns(columns)
        .expr_as(
            Expr::cust("row_number() OVER (PARTITION BY d0, d1 ORDER BY took)"),
            "rank_in_group",
        )
        .expr_as(Expr::cust("count(*) OVER (PARTITION BY d0, d1)"), "among")
        .from_subquery(newest, "sample")
        .and_where(Expr::col("newest").lte(SAMPLE))
        .to_owned();
    Query::select()
        .columns(columns)
        .columns(["rank_in_group", "among"])
        .from_subquery(ordered, "ordered")
        .and_where(Expr::cust(
            "rank_in_group = (among * 50 + 99) / 100 OR rank_in_group = (among * 95 + 99) / 100",
        ))
        .to_owned()
}
