//! How much goes over a connection.

use async_graphql::{Context, SimpleObject};
use chrono::{DateTime, Utc};

use crate::context::app_and_caller;
use crate::flow_counts::FlowCounts;
use crate::time_range::TimeRangeInput;
use leadmesh_core::error::Result;
use leadmesh_network::connections::ConnectionView;
use leadmesh_network::usage::{self, TimeBucket, Traffic};

/// Leads that went over a connection in a range, without test leads.
#[derive(SimpleObject)]
pub struct ConnectionUsage {
    /// From the partner, including its refused attempts.
    received: FlowCounts,
    /// To the partner, including buyer steps.
    sent: FlowCounts,
    /// The same figures per bucket of the account's calendar, in order.
    buckets: Vec<UsageBucket>,
}

/// Leads that went over a connection in one bucket.
#[derive(SimpleObject)]
pub struct UsageBucket {
    /// Start of the bucket, even if the range begins later.
    start: DateTime<Utc>,
    /// From the partner.
    received: FlowCounts,
    /// To the partner.
    sent: FlowCounts,
}

/// Traffic over a connection now, compared with the expectation of the caller's side.
#[derive(SimpleObject)]
pub struct ConnectionCapacity {
    /// Expected leads per day, both directions together; null if the caller's side has set none.
    expected_daily: Option<i32>,
    /// Leads in the last 24 hours, both directions together.
    last24h: i32,
    /// The most leads in one of these hours.
    peak_hour: i32,
    /// Leads of the last 24 hours divided by the expectation; above 1 if there are more. Null if the expectation is
    /// absent or 0.
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
