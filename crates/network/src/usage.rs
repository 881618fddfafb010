//! Use of a connection: traffic by time, and against the agreed limits.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use entity::cap_usage::CapPeriod;
use entity::ids::AccountId;
use entity::{account, connection_side};
use sea_orm::ConnectionTrait;

use super::connections::ConnectionView;
use super::traffic::{self, Direction};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_flows::calendar;
use leadmesh_leads::counts::Counts;

pub const MAX_BUCKETS: usize = 1_000;
const HOURS: i64 = 24;

/// Length of the buckets of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, async_graphql::Enum)]
pub enum TimeBucket {
    /// An hour.
    Hour,
    /// A day, from midnight.
    Day,
    /// A week, from Monday.
    Week,
    /// A month, from its first day.
    Month,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectionTraffic {
    pub leads: Counts,
    /// Submissions that were refused before they became leads.
    pub refused: i64,
}

/// Both directions, as one account sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub received: DirectionTraffic,
    pub sent: DirectionTraffic,
}

#[derive(Clone, Debug)]
pub struct Usage {
    pub total: Traffic,
    /// By the beginning of each span, in order.
    pub buckets: Vec<(DateTime<Utc>, Traffic)>,
}

/// Present traffic against what was agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Leads a day, both directions together.
    pub expected_daily: Option<i32>,
    pub last24h: i64,
    /// Most leads of one of these hours.
    pub peak_hour: i64,
}

/// Traffic over a connection, by spans of the account's calendar. Only the connection's lifetime counts.
pub async fn usage(
    app: &App,
    caller: &Caller,
    link: &ConnectionView,
    range: Range<DateTime<Utc>>,
    bucket: TimeBucket,
) -> Result<Usage> {
    let viewer = caller.require(Action::ReadSetup)?;
    let db = app.db.read();
    let account = account::Entity::by_id(viewer).one(db).await?;
    let zone = account.map_or_else(|| "UTC".to_owned(), |account| account.timezone);
    let starts = starts(&range, bucket, &zone)?;
    let life = link.row.connected_at..link.row.terminated_at.unwrap_or(DateTime::<Utc>::MAX_UTC);
    let within = |span: Range<DateTime<Utc>>| {
        let begins = span.start.max(range.start).max(life.start);
        begins..span.end.min(range.end).min(life.end).max(begins)
    };
    let ends = starts.iter().skip(1).copied().chain([range.end]);
    let mut spans = vec![within(range.clone())];
    spans.extend(starts.iter().zip(ends).map(|(start, end)| within(*start..end)));

    let [received, sent] = directions(link, viewer);
    let received = one_way(db, received, &spans).await?;
    let sent = one_way(db, sent, &spans).await?;
    let mut both = received
        .into_iter()
        .zip(sent)
        .map(|(received, sent)| Traffic { received, sent });
    let total = both.next().unwrap_or_default();
    Ok(Usage {
        total,
        buckets: starts.into_iter().zip(both).collect(),
    })
}

/// From the partner, and to the partner.
fn directions(link: &ConnectionView, viewer: AccountId) -> [Direction; 2] {
    let partner = link.partner();
    let direction = |from, to| Direction { from, to };
    [direction(partner, viewer), direction(viewer, partner)]
}

/// Beginnings of the calendar spans that overlap the range.
fn starts(range: &Range<DateTime<Utc>>, bucket: TimeBucket, timezone: &str) -> Result<Vec<DateTime<Utc>>> {
    let period = match bucket {
        TimeBucket::Hour => CapPeriod::Hour,
        TimeBucket::Day => CapPeriod::Day,
        TimeBucket::Week => CapPeriod::Week,
        TimeBucket::Month => CapPeriod::Month,
    };
    calendar::spans(range, period, timezone, MAX_BUCKETS).ok_or_else(|| {
        Error::BadInput(format!(
            "that would be more than {MAX_BUCKETS} buckets: take a shorter range or longer buckets"
        ))
    })
}

/// The first span is the whole, and bounds the query.
async fn one_way(
    db: &impl ConnectionTrait,
    direction: Direction,
    spans: &[Range<DateTime<Utc>>],
) -> Result<Vec<DirectionTraffic>> {
    let Some(whole) = spans.first() else {
        return Ok(Vec::new());
    };
    let leads = traffic::count(db, direction, spans).await?;
    let refused = traffic::refused(db, direction, whole).await?;
    let flowed = leads.into_iter().zip(spans).map(|(leads, span)| DirectionTraffic {
        leads,
        refused: attempts_within(&refused, span, whole),
    });
    Ok(flowed.collect())
}

/// Attempts are stored by the hour, and count where the hour or the range begins.
fn attempts_within(refused: &[(DateTime<Utc>, i64)], span: &Range<DateTime<Utc>>, whole: &Range<DateTime<Utc>>) -> i64 {
    let within = refused.iter().filter(|(hour, _)| span.contains(hour.max(&whole.start)));
    within.map(|(_, attempts)| attempts).sum()
}

/// Present traffic against what the caller's account expects.
pub async fn capacity(app: &App, caller: &Caller, link: &ConnectionView) -> Result<Capacity> {
    let viewer = caller.require(Action::ReadSetup)?;
    let (db, now) = (app.db.read(), app.clock.now());
    let hour = |back: i64| now - TimeDelta::hours(back)..now - TimeDelta::hours(back - 1);
    let mut spans: Vec<_> = (1..=HOURS).map(hour).collect();
    if let Some(last) = spans.first_mut() {
        // Includes a lead of this moment.
        last.end = now + TimeDelta::microseconds(1);
    }
    let [received, sent] = directions(link, viewer);
    let received = traffic::count(db, received, &spans).await?;
    let sent = traffic::count(db, sent, &spans).await?;
    let hours: Vec<i64> = received
        .iter()
        .zip(&sent)
        .map(|(received, sent)| received.submitted() + sent.submitted())
        .collect();
    let side = connection_side::Entity::of(link.row.id, viewer).one(db).await?;
    Ok(Capacity {
        expected_daily: side.and_then(|side| side.expected_daily_volume),
        last24h: hours.iter().sum(),
        peak_hour: hours.into_iter().max().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn days_are_those_of_the_zone_also_when_clocks_change() {
        let range = at("2026-03-28T12:00:00Z")..at("2026-03-30T12:00:00Z");
        let days = starts(&range, TimeBucket::Day, "Europe/Berlin").unwrap();
        let expected = ["2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"];
        assert_eq!(days, expected.map(at));
    }

    #[test]
    fn too_many_spans_are_refused() {
        let range = at("2026-01-01T00:00:00Z")..at("2026-02-11T16:00:00Z");
        assert_eq!(starts(&range, TimeBucket::Hour, "UTC").unwrap().len(), 1_000);
        let longer = range.start..at("2026-02-11T16:00:01Z");
        assert!(starts(&longer, TimeBucket::Hour, "UTC").is_err());
        assert!(starts(&longer, TimeBucket::Week, "UTC").is_ok());
    }

    #[test]
    fn an_hour_of_attempts_counts_once() {
        let whole = at("2026-01-01T00:30:00Z")..at("2026-01-01T03:00:00Z");
        let spans = [
            at("2026-01-01T00:30:00Z")..at("2026-01-01T01:00:00Z"),
            at("2026-01-01T01:00:00Z")..at("2026-01-01T03:00:00Z"),
        ];
        let refused = [
            (at("2026-01-01T00:00:00Z"), 1),
            (at("2026-01-01T01:00:00Z"), 2),
            (at("2026-01-01T02:00:00Z"), 4),
        ];
        let counted = spans.map(|span| attempts_within(&refused, &span, &whole));
        assert_eq!(counted, [1, 6]);
        assert_eq!(attempts_within(&refused, &whole, &whole), 7);
    }
}
