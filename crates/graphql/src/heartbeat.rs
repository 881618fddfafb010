//! A stream that needs no right.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::{SimpleObject, Subscription};
use chrono::{DateTime, Utc};
use futures::{Stream, stream};

use super::context::ContextExt;
use super::limits::rate::Allowance;
use super::streams::StreamItem;
use leadmesh_core::error::{Error, Result};

/// Events of one stream at most.
const MAX_COUNT: i32 = 1_000;
/// Milliseconds between events.
const INTERVALS: RangeInclusive<i32> = 10..=60_000;
/// Milliseconds between events for those who show no token.
const ANONYMOUS_INTERVALS: RangeInclusive<i32> = 1_000..=60_000;
/// What each event draws from the caller's rate, in points.
const BEAT: f64 = 1.0;

/// One beat of the heartbeat subscription.
#[derive(SimpleObject)]
pub struct Heartbeat {
    /// Sequence number, from 1.
    sequence: i32,
    /// Time of the server.
    at: DateTime<Utc>,
}

/// The heartbeat's part of subscriptions.
#[derive(Default)]
pub struct HeartbeatSubscription;

#[Subscription]
impl HeartbeatSubscription {
    /// A finite stream without required rights. Tests whether subscriptions pass a client's network and proxies.
    async fn heartbeat(
        &self,
        ctx: &async_graphql::Context<'_>,
        #[graphql(desc = "Number of beats, 1 to 1,000.", default_with = "Some(10)")] count: Option<i32>,
        #[graphql(
            desc = "Milliseconds between beats, 10 to 60,000; without a token 1,000 to 60,000.",
            default_with = "Some(1000)"
        )]
        interval_ms: Option<i32>,
    ) -> Result<impl Stream<Item = StreamItem<Heartbeat>> + use<>> {
        let (count, interval_ms) = (count.unwrap_or(10), interval_ms.unwrap_or(1000));
        let intervals = if ctx.auth()?.is_anonymous() {
            ANONYMOUS_INTERVALS
        } else {
            INTERVALS
        };
        if !(1..=MAX_COUNT).contains(&count) || !intervals.contains(&interval_ms) {
            let least = intervals.start();
            return Err(Error::BadInput(format!(
                "A heartbeat has a count of 1 to {MAX_COUNT} and an intervalMs of {least} to {}; without a token at least {}.",
                INTERVALS.end(),
                ANONYMOUS_INTERVALS.start()
            )));
        }
        let clock = ctx.app()?.clock.clone();
        let allowance = ctx.data_opt::<Allowance>().cloned();
        let pause = Duration::from_millis(u64::try_from(interval_ms).unwrap_or_default());
        Ok(stream::unfold(Some(1), move |next| {
            let (clock, allowance) = (clock.clone(), allowance.clone());
            async move {
                let sequence = next.filter(|next| *next <= count)?;
                if sequence > 1 {
                    tokio::time::sleep(pause).await;
                }
                if let Some(Err(limited)) = allowance.map(|allowance| allowance.draw(BEAT)) {
                    return Some((Err(Arc::new(limited)), None));
                }
                let at = clock.now();
                Some((Ok(Heartbeat { sequence, at }), Some(sequence + 1)))
            }
        }))
    }
}
