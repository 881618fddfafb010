//! Figures about deliveries.

use async_graphql::{Context, SimpleObject};

use super::context::app_and_caller;
use super::loaders::{distribution::CountsOf, load};
use super::money::Money;
use super::scalars::{CurrencyCode, Decimal};
use super::time_range::TimeRangeInput;
use crate::delivery::counts::{Counts, Subject};
use crate::error::Result;
use crate::identity::policy::Action;

/// What became of the deliveries that were routed in a span of time. Test deliveries are left out.
#[derive(Clone, Debug, SimpleObject)]
pub struct DeliveryCounts {
    /// All that were routed, the cancelled ones included, which are in no other figure.
    pub routed: i32,
    /// Not settled yet: waiting, under way, or to be tried again.
    pub queued: i32,
    /// The recipient has them; those that it gave back later are included.
    pub delivered: i32,
    /// Given up: a webhook or mail that did not get through.
    pub failed: i32,
    /// The recipient's answer was no.
    pub refused: i32,
    /// Delivered first and given back later, with the account's consent.
    pub returned: i32,
    /// Delivered ones among those that were delivered, failed or refused, from 0 to 1; null as long as there are none.
    pub success_rate: Option<f64>,
    /// Half of the delivered ones took at most so many milliseconds from routing to arrival; null without any. Taken of the
    /// newest 2,000 delivered ones of the range, in a report of the row.
    pub p50_ms: Option<f64>,
    /// 95 % of the delivered ones took at most so many milliseconds from routing to arrival; null without any. Taken of the
    /// newest 2,000 delivered ones of the range, in a report of the row.
    pub p95_ms: Option<f64>,
    /// Prices of the delivered ones, a sum for each currency. Those that were rejected in the portal or given back are left out.
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
