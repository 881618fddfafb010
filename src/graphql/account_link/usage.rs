//! How much goes over a connection.

use async_graphql::{Context, SimpleObject};
use chrono::{DateTime, Utc};

use crate::error::Result;
use crate::graphql::context::app_and_caller;
use crate::graphql::flow_counts::FlowCounts;
use crate::graphql::time_range::TimeRangeInput;
use crate::network::connections::ConnectionView;
use crate::network::usage::{self, TimeBucket, Traffic};

/// What went over a connection in some time; tests left out.
#[derive(SimpleObject)]
pub struct ConnectionUsage {
    /// From the partner, with its refused attempts.
    received: FlowCounts,
    /// To the partner, buyer steps included.
    sent: FlowCounts,
    /// The same by spans of the account's calendar, in order.
    buckets: Vec<UsageBucket>,
}

/// What went over a connection in one span.
#[derive(SimpleObject)]
pub struct UsageBucket {
    /// When the span begins, also where the range begins later.
    start: DateTime<Utc>,
    /// From the partner.
    received: FlowCounts,
    /// To the partner.
    sent: FlowCounts,
}

/// What goes over a connection now, against what the caller's side expects.
#[derive(SimpleObject)]
pub struct ConnectionCapacity {
    /// Leads a day, both directions together, that are expected; null when the caller's side has not said.
    expected_daily: Option<i32>,
    /// Leads of the last 24 hours, both directions together.
    last24h: i32,
    /// Most leads of one of these hours.
    peak_hour: i32,
    /// The last 24 hours as a part of what is expected; above 1 when it is more. Null without an expectation, or one of 0.
    utilisation: Option<f64>,
}

impl ConnectionUsage {
    pub(super) async fn of(
        ctx: &Context<'_>,
        link: &ConnectionView,
        range: TimeRangeInput,
        bucket: TimeBucket,
    ) -> Result<Self> {
        let (app, caller) = app_and_caller(ctx).await?;
        let usage = usage::usage(app, caller, link, range.checked()?, bucket).await?;
        let buckets = usage.buckets.into_iter().map(|(start, both)| {
            let (received, sent) = counts(both);
            UsageBucket { start, received, sent }
        });
        let (received, sent) = counts(usage.total);
        Ok(Self {
            received,
            sent,
            buckets: buckets.collect(),
        })
    }
}

fn counts(both: Traffic) -> (FlowCounts, FlowCounts) {
    let of = |flowed: usage::DirectionTraffic| FlowCounts::with_refused(flowed.leads, flowed.refused);
    (of(both.received), of(both.sent))
}

impl ConnectionCapacity {
    pub(super) async fn of(ctx: &Context<'_>, link: &ConnectionView) -> Result<Self> {
        let (app, caller) = app_and_caller(ctx).await?;
        let capacity = usage::capacity(app, caller, link).await?;
        let whole = |count: i64| i32::try_from(count).unwrap_or(i32::MAX);
        let last24h = whole(capacity.last24h);
        let expected = capacity.expected_daily.filter(|leads| *leads > 0);
        Ok(Self {
            expected_daily: capacity.expected_daily,
            last24h,
            peak_hour: whole(capacity.peak_hour),
            utilisation: expected.map(|expected| f64::from(last24h) / f64::from(expected)),
        })
    }
}
