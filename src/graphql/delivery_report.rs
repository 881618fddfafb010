//! Reports about deliveries.

use async_graphql::{Context, Object, SimpleObject};

use super::context::app_and_caller;
use super::delivery::DeliveryFilter;
use super::delivery_counts::DeliveryCounts;
use super::time_range::TimeRangeInput;
use crate::error::Result;
use crate::reports::deliveries::{self, Dimension, Heading, Row, Wanted};

/// Deliveries that have something in common.
#[derive(Clone, Debug, SimpleObject)]
pub struct ReportRow {
    /// What they have in common, for programs: an identifier, an enum's value, a day (`2026-10-25`) or the beginning of an hour
    /// (`2026-10-25T02:00:00+01:00`); NONE for what has none. Of two dimensions both, with a `/` between.
    key: String,
    /// The same for people: a name, a day or an hour in the account's time zone. Of two dimensions both.
    label: String,
    /// The key of each dimension.
    keys: Vec<String>,
    /// The label of each dimension.
    labels: Vec<String>,
    /// What became of them.
    counts: DeliveryCounts,
}

impl From<Row> for ReportRow {
    fn from(row: Row) -> Self {
        let (keys, labels): (Vec<_>, Vec<_>) = row
            .headings
            .into_iter()
            .map(|Heading { key, label }| (key, label))
            .unzip();
        Self {
            key: keys.join("/"),
            label: labels.join(" / "),
            keys,
            labels,
            counts: row.counts.into(),
        }
    }
}

/// Reports.
#[derive(Default)]
pub struct DeliveryReportQuery;

#[Object]
impl DeliveryReportQuery {
    /// What became of the deliveries that were routed in a span of time, by one or two things that they have in common. Rows are
    /// where there are deliveries: in the order of time, else the most deliveries first. Tests are left out, whatever the filter
    /// says. At most 1,000 rows, 400 days and 745 hours: more is `BAD_USER_INPUT`. Takes a person of the account, or a key with
    /// `LEADS_READ` or MANAGE.
    async fn delivery_report(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "When they were routed.")] range: TimeRangeInput,
        #[graphql(desc = "One or two different dimensions.")] by: Vec<Dimension>,
        #[graphql(desc = "Which deliveries; its span of time counts besides `range`.")] filter: Option<DeliveryFilter>,
    ) -> Result<Vec<ReportRow>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let counts = ctx.look_ahead().field("counts");
        let wanted = Wanted {
            range: range.checked()?,
            by,
            filter: filter.unwrap_or_default().wanted(app, caller).await?,
            percentiles: counts.field("p50Ms").exists() || counts.field("p95Ms").exists(),
        };
        let rows = deliveries::report(app, caller, wanted).await?;
        Ok(rows.into_iter().map(ReportRow::from).collect())
    }
}
