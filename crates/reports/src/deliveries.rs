//! Counts of deliveries by one or two dimensions. The database does the sums: a group is one row for each status of its
//! deliveries, and the two deliveries of its percentiles.

pub(crate) mod dimension;
mod labels;
mod percentiles;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use chrono::{DateTime, Utc};
use entity::account;
use entity::delivery::{Column, DeliveryStatus, ReviewStatus};
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter, QuerySelect, QueryTrait};

pub use dimension::Dimension;
use dimension::{Axis, AxisValue};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_delivery::counts::{self, Counts, Group};
use leadmesh_delivery::manage::{self, DeliveryFilter};

pub const MAX_ROWS: usize = 1_000;
/// Groups that the database answers: one for each status, review and currency of a row.
const MAX_GROUPS: usize = 20_000;

#[derive(Clone, Debug)]
pub struct Wanted {
    pub range: Range<DateTime<Utc>>,
    /// One or two dimensions.
    pub by: Vec<Dimension>,
    pub filter: DeliveryFilter,
    /// Costs a second query.
    pub percentiles: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    pub key: String,
    pub label: String,
}

#[derive(Clone, Debug)]
pub struct Row {
    /// One for each dimension.
    pub headings: Vec<Heading>,
    pub counts: Counts,
}

/// The rows with deliveries: by time from first to last; otherwise the most deliveries first. Test deliveries are left out,
/// whatever the filter says. `BadInput` for no dimension, more than two, one twice, and for more than [`MAX_ROWS`] rows.
pub async fn report(app: &App, caller: &Caller, wanted: Wanted) -> Result<Vec<Row>> {
    let account = caller.require(Action::ReadLeads)?;
    let db = app.db.read();
    let zone = account::Entity::by_id(account).one(db).await?;
    let zone = zone.map_or_else(|| "UTC".to_owned(), |account| account.timezone);
    let axes = axes(&wanted, &zone)?;
    let filter = DeliveryFilter {
        include_tests: false,
        ..wanted.filter.clone()
    };
    let facts = counts::routed_in(manage::fitting(account, filter), &wanted.range).select_only();
    let facts = axes
        .iter()
        .zip(["d0", "d1"])
        .fold(facts, |facts, (axis, name)| facts.expr_as(axis.expression(), name));
    let facts = if axes.len() == 1 {
        facts.expr_as(Expr::cust("0"), "d1")
    } else {
        facts
    };
    let facts = facts.columns([
        Column::Id,
        Column::Status,
        Column::Review,
        Column::PriceCurrency,
        Column::PriceE4,
        Column::CreatedAt,
        Column::SettledAt,
    ]);
    let mut rows = count_groups(db, facts.clone().into_query(), &axes).await?;
    if wanted.percentiles {
        let delivered = facts
            .filter(Column::Status.eq(DeliveryStatus::Delivered))
            .filter(Column::SettledAt.is_not_null());
        percentiles::take(db, delivered.into_query(), &axes, &mut rows).await?;
    }
    let rows = ordered(rows, &axes);
    labels::name(db, account, &axes, rows).await
}

fn axes(wanted: &Wanted, zone: &str) -> Result<Vec<Axis>> {
    let by = &wanted.by;
    if by.is_empty() || by.len() > 2 || (by.len() == 2 && by.first() == by.last()) {
        return Err(Error::BadInput(
            "a report is by one dimension, or by two different ones".into(),
        ));
    }
    by.iter()
        .map(|dimension| Axis::new(*dimension, &wanted.range, zone))
        .collect()
}

/// A row's position on each axis.
type GroupKey = Vec<AxisValue>;

async fn count_groups(
    db: &impl ConnectionTrait,
    facts: SelectStatement,
    axes: &[Axis],
) -> Result<HashMap<GroupKey, Counts>> {
    let names = ["d0", "d1", "status", "review", "price_currency"];
    let mut query = Query::select();
    query.from_subquery(facts, "facts").limit(MAX_GROUPS as u64 + 1);
    for name in names {
        query.column(name).group_by_col(name);
    }
    query.expr_as(Expr::cust("count(*)"), "deliveries");
    // As text: a sum has another type on each database and may exceed 64 bits.
    query.expr_as(Expr::col("price_e4").sum().cast_as("text"), "worth");
    let groups = db.query_all(&query).await?;
    if groups.len() > MAX_GROUPS {
        return Err(too_many());
    }
    let mut rows: HashMap<GroupKey, Counts> = HashMap::new();
    for row in groups {
        let currency: Option<String> = row.try_get("", "price_currency")?;
        let worth: Option<String> = row.try_get("", "worth")?;
        let group = Group {
            status: row.try_get::<DeliveryStatus>("", "status")?,
            review: row.try_get::<Option<ReviewStatus>>("", "review")?,
            count: row.try_get("", "deliveries")?,
            worth: worth.as_deref().and_then(counts::units).zip(currency),
        };
        rows.entry(group_key(&row, axes)?).or_default().add(group);
    }
    if rows.len() > MAX_ROWS {
        return Err(too_many());
    }
    Ok(rows)
}

fn group_key(row: &sea_orm::QueryResult, axes: &[Axis]) -> Result<GroupKey> {
    axes.iter()
        .zip(["d0", "d1"])
        .map(|(axis, name)| Ok(axis.value(row, name)?))
        .collect()
}

fn too_many() -> Error {
    Error::BadInput(format!(
        "that would be more than {MAX_ROWS} rows: take a shorter range or a narrower filter"
    ))
}

/// By time where an axis is time; otherwise the most deliveries first, with all rows of one first value together.
fn ordered(rows: HashMap<GroupKey, Counts>, axes: &[Axis]) -> Vec<(GroupKey, Counts)> {
    let mut of_first: BTreeMap<Option<AxisValue>, u64> = BTreeMap::new();
    for (key, counts) in &rows {
        *of_first.entry(key.first().cloned()).or_default() += counts.routed;
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    let by_time = |index: usize| axes.get(index).is_some_and(Axis::is_time);
    rows.sort_by_cached_key(|(key, counts)| {
        let total = of_first.get(&key.first().cloned()).copied().unwrap_or_default();
        let first = Reverse(if by_time(0) { 0 } else { total });
        let second = Reverse(if by_time(1) { 0 } else { counts.routed });
        (first, key.first().cloned(), second, key.get(1).cloned())
    });
    rows
}
