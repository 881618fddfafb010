//! Figures about deliveries.

use async_graphql::{Context, SimpleObject};

use super::context::app_and_caller;
use super::loaders::{CountsOf, load};
use super::money::Money;
use super::scalars::{CurrencyCode, Decimal};
use super::time_range::TimeRangeInput;
use leadmesh_core::error::Result;
use leadmesh_core::identity::policy::Action;
use leadmesh_delivery::counts::{Counts, Subject};

/// Deliveries routed in a range, by result. Test deliveries are not counted.
#[derive(Clone, Debug, SimpleObject)]
pub struct DeliveryCounts {
    /// All routed deliveries, including cancelled ones, which no other figure includes.
    pub routed: i32,
    /// Not finished: waiting, being sent, or to be retried.
    pub queued: i32,
    /// Delivered, including those returned later.
    pub delivered: i32,
    /// Failed: the webhook or email did not get through.
    pub failed: i32,
    /// Refused by the recipient's answer.
    pub refused: i32,
    /// Delivered and later returned with the account's consent.
    pub returned: i32,
    /// Delivered, divided by delivered, failed and refused together, from 0 to 1; null if there are none.
    pub success_rate: Option<f64>,
    /// Median milliseconds from routing to delivery; null if none was delivered. Computed from the newest 2,000
    /// deliveries of the range, or of the report's row.
    pub p50_ms: Option<f64>,
    /// 95th percentile of milliseconds from routing to delivery; null if none was delivered. Computed from the newest
    /// 2,000 deliveries of the range, or of the report's row.
    pub p95_ms: Option<f64>,
    /// Sum of the prices of delivered leads, per currency. Leads rejected in the portal or returned do not count.
    pub revenue: Vec<Money>,
}

impl From<Counts> for DeliveryCounts {
    fn from(counts: Counts) -> Self {
        // An Int of GraphQL has 32 bits.
        let int = |count: u64| i32::try_from(count).unwrap_or(i32::MAX);
        let revenue = counts.revenue.iter().map(|(currency, amount)| Money {
            amount: Decimal(amount.normalize()),
            currency: CurrencyCode(currency.clone()),
        });
        Self {
            routed: int(counts.routed),
            queued: int(counts.queued),
            delivered: int(counts.delivered),
            failed: int(counts.failed),
            refused: int(counts.refused),
            returned: int(counts.returned),
            success_rate: counts.success_rate(),
            p50_ms: counts.p50_ms,
            p95_ms: counts.p95_ms,
            revenue: revenue.collect(),
        }
    }
}

/// The figures about one subject of the caller's account.
pub(super) async fn stats(ctx: &Context<'_>, subject: Subject, range: TimeRangeInput) -> Result<DeliveryCounts> {
    let (_, caller) = app_and_caller(ctx).await?;
    let wanted = ctx.look_ahead();
    let key = CountsOf {
        account: caller.require(Action::ReadLeads)?,
        subject,
        range: range.checked()?,
        percentiles: wanted.field("p50Ms").exists() || wanted.field("p95Ms").exists(),
    };
    Ok(load(ctx, key).await?.unwrap_or_default().into())
}
