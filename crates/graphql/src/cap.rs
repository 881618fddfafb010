//! Caps: limits of leads per calendar window.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use entity::cap_usage::{self, CapPeriod};

use super::context::ContextExt;
use super::loaders::{self, CapUsed};
use super::scalars::TimeZone;
use leadmesh_core::error::Result;
use leadmesh_flows::caps;
use leadmesh_leads::allocate::counter;

/// A limit of leads per calendar window.
pub struct Cap(pub cap_usage::Cap);

impl From<cap_usage::Cap> for Cap {
    fn from(cap: cap_usage::Cap) -> Self {
        Self(cap)
    }
}

/// A cap: the most leads taken in a calendar window. Exact under concurrent submissions.
#[Object]
impl Cap {
    /// Identifier. It and the count stay while period and time zone stay.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// The calendar window.
    async fn period(&self) -> CapPeriod {
        self.0.period
    }

    /// Leads per window, 0 to 1,000,000,000. 0 lets none through.
    async fn limit(&self) -> i32 {
        self.0.limit
    }

    /// Time zone of the window, which begins at midnight or on the full hour there.
    async fn timezone(&self) -> TimeZone {
        self.0.timezone.clone().into()
    }

    /// Leads counted in the current window. A lead whose delivery finally fails no longer counts.
    async fn used(&self, ctx: &Context<'_>) -> Result<i32> {
        let now = ctx.app()?.clock.now();
        let used = loaders::load(ctx, CapUsed(counter(&self.0, now))).await?;
        Ok(used.unwrap_or_default())
    }

    /// Start of the current window, inclusive; null for LIFETIME.
    async fn window_start(&self, ctx: &Context<'_>) -> Result<Option<DateTime<Utc>>> {
        let (start, end) = caps::window(&self.0, ctx.app()?.clock.now());
        Ok(end.map(|_| start))
    }

    /// End of the current window, exclusive; null for LIFETIME.
    async fn window_end(&self, ctx: &Context<'_>) -> Result<Option<DateTime<Utc>>> {
        Ok(caps::window(&self.0, ctx.app()?.clock.now()).1)
    }
}
