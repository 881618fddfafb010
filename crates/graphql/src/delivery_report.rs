//! Reports about deliveries.

use async_graphql::{Context, Object, SimpleObject};

use super::context::app_and_caller;
use super::delivery::DeliveryFilter;
use super::delivery_counts::DeliveryCounts;
use super::time_range::TimeRangeInput;
use leadmesh_core::error::Result;
use leadmesh_reports::deliveries::{self, Dimension, Heading, Row, Wanted};

/// A group of deliveries.
#[derive(Clone, Debug, SimpleObject)]
pub struct ReportRow {
    /// Key of the group, for programs: an identifier, an enum value, a day (`2026-10-25`) or the start of an hour
    /// (`2026-10-25T02:00:00+01:00`); NONE for none. With two dimensions both keys, separated by `/`.
    key: String,
    /// Label of the group, for people: a name, a day or an hour in the account's time zone. With two dimensions both
    /// labels.
    label: String,
    /// The key of each dimension.
    keys: Vec<String>,
    /// The label of each dimension.
    labels: Vec<String>,
    /// Results of the group.
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
    /// Results of the deliveries routed in a range, grouped by one or two dimensions. Only groups with deliveries have
    /// rows; they are ordered by time, otherwise by the number of deliveries, most first. Tests are never included. At
    /// most 1,000 rows, 400 days and 745 hours: otherwise `BAD_USER_INPUT`. Requires a user of the account, or an API
    /// key with `LEADS_READ` or MANAGE.
    async fn delivery_report(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Range of routing times.")] range: TimeRangeInput,
        #[graphql(desc = "One or two different dimensions.")] by: Vec<Dimension>,
        #[graphql(desc = "Selects the deliveries. Its time range applies in addition to `range`.")] filter: Option<
            DeliveryFilter,
        >,
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
