//! Percentiles of groups, found by the database: of each group the newest deliveries are put in order of their times, and those
//! at the two ranks are answered. So however many groups and deliveries there are, two rows a group travel.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DatabaseBackend};

use super::dimension::Axis;
use super::{Places, places};
use leadmesh_core::error::Result;
use leadmesh_delivery::counts::{Counts, SAMPLE, milliseconds};

/// Of a delivery. On `SQLite` times are texts with as many digits as they need: whole seconds are told by the calendar, and what
/// follows them is a number with a point, or else the zone, which counts as nothing.
const TOOK_SQLITE: &str = "(strftime('%s', substr(settled_at, 1, 19)) - strftime('%s', substr(created_at, 1, 19))) \
    + (CAST(substr(settled_at, 20) AS REAL) - CAST(substr(created_at, 20) AS REAL))";
const TOOK_POSTGRES: &str = "settled_at - created_at";

/// Puts the percentiles of delivered ones into their rows.
pub(super) async fn take(
    db: &impl ConnectionTrait,
    delivered: SelectStatement,
    axes: &[Axis],
    rows: &mut HashMap<Places, Counts>,
) -> Result<()> {
    for row in db.query_all(&ranked(db, delivered)).await? {
        let (created, settled): (DateTime<Utc>, DateTime<Utc>) =
            (row.try_get("", "created_at")?, row.try_get("", "settled_at")?);
        let (place, among): (i64, i64) = (row.try_get("", "place")?, row.try_get("", "among")?);
        let took = milliseconds(settled - created);
        let counts = rows.entry(places(&row, axes)?).or_default();
        if place == rank(among, 50) {
            counts.p50_ms = Some(took);
        }
        if place == rank(among, 95) {
            counts.p95_ms = Some(took);
        }
    }
    Ok(())
}

/// The nearest rank, as elsewhere.
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
            "place",
        )
        .expr_as(Expr::cust("count(*) OVER (PARTITION BY d0, d1)"), "among")
        .from_subquery(newest, "sample")
        .and_where(Expr::col("newest").lte(SAMPLE))
        .to_owned();
    Query::select()
        .columns(columns)
        .columns(["place", "among"])
        .from_subquery(ordered, "ordered")
        .and_where(Expr::cust(
            "place = (among * 50 + 99) / 100 OR place = (among * 95 + 99) / 100",
        ))
        .to_owned()
}
