//! The dimensions of counts, as columns of the database.

use std::ops::Range;

use chrono::{DateTime, Utc};
use entity::cap_usage::CapPeriod;
use entity::delivery::Column;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{DbErr, QueryResult};
use uuid::Uuid;

use leadmesh_core::error::{Error, Result};
use leadmesh_flows::calendar;

const MAX_DAYS: usize = 400;
/// A month with one more, where clocks go back.
const MAX_HOURS: usize = 745;

/// Dimension by which deliveries are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, async_graphql::Enum)]
#[graphql(name = "ReportDimension")]
pub enum Dimension {
    /// The partner; none for BUYER steps.
    Partner,
    /// The connected account that receives the lead; none for other channels.
    Buyer,
    /// The distribution profile; none for BUYER steps.
    Profile,
    /// The lead's flow.
    Flow,
    /// The channel.
    Channel,
    /// Current status.
    Status,
    /// The error code; none without an error.
    Error,
    /// The day of routing, in the account's time zone. At most 400 days.
    Day,
    /// The hour of routing, in the account's time zone. At most 745 hours. An hour repeated by a clock change is two.
    Hour,
}

/// A dimension of one report.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) dimension: Dimension,
    pub(super) zone: String,
    /// Beginnings of the spans, for time dimensions.
    pub(super) spans: Vec<DateTime<Utc>>,
}

/// A delivery's position on an axis.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum AxisValue {
    /// In the span of this number.
    Span(i64),
    Word(String),
    Id(Uuid),
    None,
}

impl Axis {
    pub(super) fn new(dimension: Dimension, range: &Range<DateTime<Utc>>, zone: &str) -> Result<Self> {
        let calendar = match dimension {
            Dimension::Day => Some((CapPeriod::Day, MAX_DAYS, "days")),
            Dimension::Hour => Some((CapPeriod::Hour, MAX_HOURS, "hours")),
            _ => None,
        };
        let spans = match calendar {
            None => Vec::new(),
            Some((period, most, what)) => calendar::spans(range, period, zone, most)
                .ok_or_else(|| Error::BadInput(format!("a report has at most {most} {what}: take a shorter range")))?,
        };
        Ok(Self {
            dimension,
            zone: zone.to_owned(),
            spans,
        })
    }

    pub(super) fn is_time(&self) -> bool {
        matches!(self.dimension, Dimension::Day | Dimension::Hour)
    }

    pub(super) fn expression(&self) -> Expr {
        match self.dimension {
            Dimension::Partner => Expr::col(Column::PartnerId),
            Dimension::Buyer => Expr::col(Column::BuyerAccountId),
            Dimension::Profile => Expr::col(Column::ProfileId),
            Dimension::Flow => Expr::col(Column::FlowId),
            Dimension::Channel => Expr::col(Column::Channel),
            Dimension::Status => Expr::col(Column::Status),
            Dimension::Error => Expr::col(Column::FailureCode),
            Dimension::Day | Dimension::Hour => span(&self.spans, 0),
        }
    }

    pub(super) fn value(&self, row: &QueryResult, name: &str) -> std::result::Result<AxisValue, DbErr> {
        Ok(match self.dimension {
            Dimension::Partner | Dimension::Buyer | Dimension::Profile | Dimension::Flow => row
                .try_get::<Option<Uuid>>("", name)?
                .map_or(AxisValue::None, AxisValue::Id),
            Dimension::Channel | Dimension::Status | Dimension::Error => row
                .try_get::<Option<String>>("", name)?
                .map_or(AxisValue::None, AxisValue::Word),
            Dimension::Day | Dimension::Hour => AxisValue::Span(row.try_get("", name)?),
        })
    }
}

/// The index of the span in which a delivery was routed: found by bisection, so that a row costs ten comparisons and not a
/// thousand. No database needs to know the zone.
fn span(starts: &[DateTime<Utc>], first: usize) -> Expr {
    let middle = starts.len() / 2;
    let (before, after) = starts.split_at(middle);
    match (before.is_empty(), after.first()) {
        (false, Some(start)) => Expr::case(Expr::col(Column::CreatedAt).lt(*start), span(before, first))
            .finally(span(after, first + middle))
            .into(),
        _ => Expr::cust(format!("CAST({first} AS bigint)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sea_orm::sea_query::{Query, SqliteQueryBuilder};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_span_is_found_by_halves() {
        let range = at("2026-10-24T12:00:00Z")..at("2026-10-26T12:00:00Z");
        let axis = Axis::new(Dimension::Day, &range, "Europe/Berlin").unwrap();
        assert_eq!(
            axis.spans,
            [
                at("2026-10-23T22:00:00Z"),
                at("2026-10-24T22:00:00Z"),
                at("2026-10-25T23:00:00Z")
            ]
        );
        let sql = Query::select().expr(axis.expression()).to_string(SqliteQueryBuilder);
        assert_eq!(sql.matches("CASE").count(), 2, "{sql}");
    }

    #[test]
    fn a_repeated_hour_is_two_and_too_long_a_range_is_refused() {
        let hours = at("2026-10-25T00:00:00Z")..at("2026-10-25T02:00:00Z");
        let axis = Axis::new(Dimension::Hour, &hours, "Europe/Berlin").unwrap();
        assert_eq!(axis.spans.len(), 2);
        let years = at("2020-01-01T00:00:00Z")..at("2026-01-01T00:00:00Z");
        assert!(Axis::new(Dimension::Day, &years, "UTC").is_err());
        assert!(Axis::new(Dimension::Partner, &years, "UTC").is_ok());
    }
}
