//! Leads over connections, counted from the leads themselves, without tests.
//!
//! Leads between two accounts have a partial index, so statements repeat its condition: the account is not the sender.

use std::fmt::Write;
use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::{AccountId, ConnectionId};
use entity::{connection, lead, refused_attempt};
use sea_orm::sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseBackend, QueryFilter, QuerySelect, Statement, Value};
use uuid::{Builder, Uuid};

use leadmesh_core::error::Result;
use leadmesh_leads::counts::Counts;

/// How far the clock may go back while a lead comes in: its identifier is made just after its time is taken.
const CLOCK_SLACK_MS: i64 = 60_000;

/// One direction between two accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction {
    pub from: AccountId,
    pub to: AccountId,
}

/// An identifier before all that were made at that time.
pub fn first_id(at: DateTime<Utc>) -> Uuid {
    bound(at.timestamp_millis() - CLOCK_SLACK_MS)
}

/// An identifier after all that were made at that time.
fn last_id(at: DateTime<Utc>) -> Uuid {
    bound(at.timestamp_millis() + CLOCK_SLACK_MS)
}

fn bound(millis: i64) -> Uuid {
    Builder::from_unix_timestamp_millis(u64::try_from(millis).unwrap_or_default(), &[0; 10]).into_uuid()
}

/// Percentiles are those of the nearest rank. The database sorts, so that no list of times is held here, and finds each span by
/// the index.
const COUNT: &str = "
timed AS (
    SELECT span.n, lead.outcome, lead.processing_us,
        row_number() OVER (PARTITION BY span.n ORDER BY lead.processing_us) AS place,
        count(*) OVER (PARTITION BY span.n) AS total
    FROM span JOIN lead ON lead.id >= span.first_id AND lead.id < span.last_id
        AND lead.submitted_at >= span.begins AND lead.submitted_at < span.ends
    WHERE lead.account_id = {to} AND lead.sender_account_id = {from}
        AND lead.account_id <> lead.sender_account_id AND NOT lead.test
)
SELECT n,
    count(CASE WHEN outcome = 'ACCEPTED' THEN 1 END) AS accepted,
    count(CASE WHEN outcome = 'REJECTED' THEN 1 END) AS rejected,
    count(CASE WHEN outcome = 'FAILED' THEN 1 END) AS failed,
    min(CASE WHEN place = (total * 50 + 99) / 100 THEN processing_us END) AS p50,
    min(CASE WHEN place = (total * 95 + 99) / 100 THEN processing_us END) AS p95
FROM timed GROUP BY n";

/// Counts the leads of one direction in each span; spans may overlap. At most some thousands of spans: each takes five
/// parameters.
pub async fn count(
    db: &impl ConnectionTrait,
    direction: Direction,
    spans: &[Range<DateTime<Utc>>],
) -> Result<Vec<Counts>> {
    let mut counts = vec![Counts::default(); spans.len()];
    if spans.is_empty() {
        return Ok(counts);
    }
    for row in db
        .query_all_raw(statement(db.get_database_backend(), direction, spans))
        .await?
    {
        let place = usize::try_from(row.try_get::<i64>("", "n")?).unwrap_or(usize::MAX);
        if let Some(counted) = counts.get_mut(place) {
            counted.accepted = row.try_get("", "accepted")?;
            counted.rejected = row.try_get("", "rejected")?;
            counted.failed = row.try_get("", "failed")?;
            counted.p50_us = row.try_get("", "p50")?;
            counted.p95_us = row.try_get("", "p95")?;
        }
    }
    Ok(counts)
}

fn statement(backend: DatabaseBackend, direction: Direction, spans: &[Range<DateTime<Utc>>]) -> Statement {
    let mut values: Vec<Value> = Vec::with_capacity(spans.len() * 5 + 2);
    let mut mark = |value: Value| {
        values.push(value);
        match backend {
            DatabaseBackend::Postgres => format!("${}", values.len()),
            _ => "?".to_owned(),
        }
    };
    let mut text = String::from("WITH span (n, begins, ends, first_id, last_id) AS (VALUES ");
    for (place, span) in (0_i64..).zip(spans) {
        let separator = if place == 0 { "" } else { ", " };
        let marks = [
            mark(place.into()),
            mark(span.start.into()),
            mark(span.end.into()),
            mark(first_id(span.start).into()),
            mark(last_id(span.end).into()),
        ];
        let _never_fails = write!(text, "{separator}({})", marks.join(", "));
    }
    let (to, from) = (mark(direction.to.0.into()), mark(direction.from.0.into()));
    let _never_fails = write!(text, "), {}", COUNT.replace("{to}", &to).replace("{from}", &from));
    Statement::from_sql_and_values(backend, text, values)
}

/// Submissions of one direction that were refused before they became leads, by hour.
pub async fn refused(
    db: &impl ConnectionTrait,
    direction: Direction,
    during: &Range<DateTime<Utc>>,
) -> Result<Vec<(DateTime<Utc>, i64)>> {
    use refused_attempt::Column;
    let rows = refused_attempt::Entity::in_account(direction.to)
        .filter(Column::SenderAccountId.eq(direction.from))
        .filter(Column::Hour.gt(during.start - TimeDelta::hours(1)))
        .filter(Column::Hour.lt(during.end));
    let rows = rows.select_only().column(Column::Hour).column(Column::Attempts);
    Ok(rows.into_tuple().all(db).await?)
}

/// The last leads to the low and to the high account of a connection.
type LastLeads = (ConnectionId, Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// When the last lead went over each of these connections of an account, in either direction.
pub async fn last_activity(
    db: &impl ConnectionTrait,
    account: AccountId,
    ids: impl IntoIterator<Item = ConnectionId>,
) -> Result<Vec<(ConnectionId, DateTime<Utc>)>> {
    use connection::Column;
    let last = |to, from| Expr::SubQuery(None, Box::new(last_lead(to, from).into()));
    let rows = connection::Entity::of_account(account)
        .filter(Column::Id.is_in(ids))
        .select_only()
        .column(Column::Id)
        .expr_as(last(Column::LowAccountId, Column::HighAccountId), "to_low")
        .expr_as(last(Column::HighAccountId, Column::LowAccountId), "to_high");
    let rows: Vec<LastLeads> = rows.into_tuple().all(db).await?;
    let known = rows
        .into_iter()
        .filter_map(|(id, one, other)| Some((id, Ord::max(one, other)?)));
    Ok(known.collect())
}

/// The last lead of one direction during the connection.
fn last_lead(to: connection::Column, from: connection::Column) -> SelectStatement {
    let of = |column| Expr::col((lead::Entity, column));
    let link = |column| Expr::col((connection::Entity, column));
    let ended = link(connection::Column::TerminatedAt);
    Query::select()
        .column((lead::Entity, lead::Column::SubmittedAt))
        .from(lead::Entity)
        .and_where(of(lead::Column::AccountId).equals((connection::Entity, to)))
        .and_where(of(lead::Column::SenderAccountId).equals((connection::Entity, from)))
        .and_where(of(lead::Column::AccountId).ne(of(lead::Column::SenderAccountId)))
        .and_where(of(lead::Column::Test).eq(false))
        .and_where(of(lead::Column::SubmittedAt).gte(link(connection::Column::ConnectedAt)))
        .and_where(ended.clone().is_null().or(of(lead::Column::SubmittedAt).lte(ended)))
        .order_by((lead::Entity, lead::Column::Id), Order::Desc)
        .limit(1)
        .take()
}
