//! Caps: limits of leads per calendar window.

use async_graphql::{Context, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use entity::cap_usage::{self, CapPeriod};

use super::context::ContextExt;
use super::loaders::{self, CapUsed};
use super::scalars::TimeZone;
use crate::error::Result;
use crate::flows::caps;
use crate::leads::allocate::counter;

/// A limit of leads per calendar window.
pub struct Cap(pub cap_usage::Cap);

impl From<cap_usage::Cap> for Cap {
    fn from(cap: cap_usage::Cap) -> Self {
        Self(cap)
    }
}

/// A limit of leads per calendar window. It is exact also when many leads come at once.
#[Object]
impl Cap {
    /// Identifier; kept while period and time zone stay, and with it what was used.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// The calendar window in which it counts.
    async fn period(&self) -> CapPeriod {
        self.0.period
    }

    /// Leads per window, 0 to 1,000,000,000; 0 lets none through.
    async fn limit(&self) -> i32 {
        self.0.limit
    }

    /// The zone whose calendar counts: a window begins when its clocks show midnight, or a full hour.
    async fn timezone(&self) -> TimeZone {
        self.0.timezone.clone().into()
    }

    /// Leads that count in the window that is open now. A lead whose delivery finally fails does not count any more.
    async fn used(&self, ctx: &Context<'_>) -> Result<i32> {
        let now = ctx.app()?.clock.now();
        let used = loaders::load(ctx, CapUsed(counter(&self.0, now))).await?;
        Ok(used.unwrap_or_default())
    }

    /// When the window that is open now began, included; null for LIFETIME.
    async fn window_start(&self, ctx: &Context<'_>) -> Result<Option<DateTime<Utc>>> {
        let (start, end) = caps::window(&self.0, ctx.app()?.clock.now());
        Ok(end.map(|_| start))
    }

    /// When it ends, excluded; null for LIFETIME.
    async fn window_end(&self, ctx: &Context<'_>) -> Result<Option<DateTime<Utc>>> {
        Ok(caps::window(&self.0, ctx.app()?.clock.now()).1)
    }
}

/// A limit of leads per calendar window. Of one thing there is at most one for each period.
#[derive(Clone, Debug, InputObject)]
pub struct CapInput {
    /// The calendar window in which it counts.
    period: CapPeriod,
    /// Leads per window, 0 to 1,000,000,000; 0 lets none through.
    limit: i32,
    /// The zone whose calendar counts; by default the partner's, else the account's.
    timezone: Option<TimeZone>,
}

impl From<CapInput> for caps::CapInput {
    fn from(input: CapInput) -> Self {
        Self {
            period: input.period,
            limit: input.limit,
            timezone: input.timezone.map(|zone| zone.0),
        }
    }
}
