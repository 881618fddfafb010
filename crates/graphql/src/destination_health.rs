//! How a partner's destination is doing.

use async_graphql::{Context, Object};
use chrono::{DateTime, Utc};
use entity::destination;
use entity::endpoint::OpenReason;
use entity::ids::{AccountId, PartnerId};

use super::context::{ContextExt, app_and_caller};
use super::loaders::{FailuresOf, LastSuccess, OpenCircuitsOf, load};
use leadmesh_core::error::Result;
use leadmesh_delivery::health::{self, OpenCircuit, State};

/// How a partner's destination is doing.
pub struct DestinationHealth {
    account: AccountId,
    partner: PartnerId,
    failures: Option<destination::Model>,
    open_circuits: Vec<OpenCircuit>,
}

impl DestinationHealth {
    pub(super) async fn of(ctx: &Context<'_>, account: AccountId, partner: PartnerId) -> Result<Self> {
        let now = ctx.app()?.clock.now();
        Ok(Self {
            account,
            partner,
            failures: load(ctx, FailuresOf(account, partner)).await?,
            open_circuits: load(ctx, OpenCircuitsOf(account, partner, now))
                .await?
                .unwrap_or_default(),
        })
    }
}

/// Health of a partner's destination. A destination is the URL of one version of webhook settings or, for email, the
/// account's mail server. Of several destinations, the one paused longest is shown.
#[Object]
impl DestinationHealth {
    /// State of the destination.
    async fn state(&self) -> State {
        health::state(self.failures.as_ref(), &self.open_circuits)
    }

    /// Failed attempts since the last success, over all deliveries to the partner.
    async fn consecutive_failures(&self) -> i32 {
        self.failures.as_ref().map_or(0, |row| row.consecutive_failures)
    }

    /// Since when deliveries wait; null if they do not.
    async fn paused_since(&self) -> Option<DateTime<Utc>> {
        self.open_circuits.first()?.endpoint.opened_at
    }

    /// Earliest time at which waiting deliveries go on; null if none wait, and after a 410, which only
    /// `resumeDestination` ends. After that time the first successful delivery ends the pause.
    async fn open_until(&self) -> Option<DateTime<Utc>> {
        self.open_circuits.first()?.endpoint.open_until
    }

    /// Why deliveries wait; null if they do not.
    async fn paused_because(&self) -> Option<OpenReason> {
        self.open_circuits.first()?.endpoint.open_reason
    }

    /// Number of waiting deliveries, counted up to 10,000 per destination. A delivery is counted about a second after
    /// it is due.
    async fn waiting(&self) -> i32 {
        let waiting = self.open_circuits.iter().map(|held| held.waiting).sum::<u64>();
        i32::try_from(waiting).unwrap_or(i32::MAX)
    }

    /// When the destination last took a delivery; null if it took none of the newest 10,000 routed to it.
    async fn last_success_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime<Utc>>> {
        load(ctx, LastSuccess(self.account, self.partner)).await
    }

    /// When an attempt last failed; null if none has.
    async fn last_failure_at(&self) -> Option<DateTime<Utc>> {
        self.failures.as_ref().map(|row| row.last_failure_at)
    }

    /// What went wrong in the last failed attempt, in words.
    async fn last_error(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        let (_, caller) = app_and_caller(ctx).await?;
        let held = self.open_circuits.first().map(|held| held.endpoint.last_error.as_str());
        let last = self.failures.as_ref().map(|row| row.last_error.as_str());
        Ok(last.or(held).map(|why| health::visible_error(why, caller.may_reveal())))
    }
}
