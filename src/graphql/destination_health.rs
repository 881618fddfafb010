//! How a partner's destination is doing.

use async_graphql::{Context, Object};
use chrono::{DateTime, Utc};
use entity::destination;
use entity::ids::{AccountId, PartnerId};

use super::context::ContextExt;
use super::loaders::distribution::{FailuresOf, LastSuccess};
use super::loaders::load;
use crate::delivery::health::{self, State};
use crate::error::Result;

/// How a partner's destination is doing.
pub struct DestinationHealth {
    account: AccountId,
    partner: PartnerId,
    kept: Option<destination::Model>,
    now: DateTime<Utc>,
}

impl DestinationHealth {
    pub(super) async fn of(ctx: &Context<'_>, account: AccountId, partner: PartnerId) -> Result<Self> {
        Ok(Self {
            account,
            partner,
            kept: load(ctx, FailuresOf(account, partner)).await?,
            now: ctx.app()?.clock.now(),
        })
    }

    fn state(&self) -> State {
        health::state(self.kept.as_ref(), self.now)
    }
}

/// How a partner's destination is doing.
#[Object]
impl DestinationHealth {
    /// What follows from its last attempts.
    #[graphql(name = "state")]
    async fn shown_state(&self) -> State {
        self.state()
    }

    /// Failed attempts since the last success, of all deliveries to the partner.
    async fn consecutive_failures(&self) -> i32 {
        self.kept.as_ref().map_or(0, |row| row.consecutive_failures)
    }

    /// Until when its deliveries wait; null unless it is paused.
    async fn open_until(&self) -> Option<DateTime<Utc>> {
        let until = self.kept.as_ref()?.open_until;
        until.filter(|_| self.state() == State::Paused)
    }

    /// When it last took a delivery; null if it took none of the newest 10,000 that were routed to it.
    async fn last_success_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime<Utc>>> {
        load(ctx, LastSuccess(self.account, self.partner)).await
    }

    /// When an attempt last failed; null if none did yet.
    async fn last_failure_at(&self) -> Option<DateTime<Utc>> {
        self.kept.as_ref().map(|row| row.last_failure_at)
    }

    /// What went wrong then, in words.
    async fn last_error(&self) -> Option<&str> {
        self.kept.as_ref().map(|row| row.last_error.as_str())
    }
}
