//! A stream that needs no right.

use std::time::Duration;

use async_graphql::{SimpleObject, Subscription};
use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt, stream};

use super::context::ContextExt;
use crate::error::{Error, Result};

/// Events of one stream at most.
const MAX_COUNT: i32 = 1_000;

/// One beat.
#[derive(SimpleObject)]
pub struct Heartbeat {
    /// From 1.
    sequence: i32,
    /// The server's time.
    at: DateTime<Utc>,
}

/// The heartbeat's part of subscriptions.
#[derive(Default)]
pub struct HeartbeatSubscription;

#[Subscription]
impl HeartbeatSubscription {
    /// A finite stream that needs no right: shows that subscriptions get through a client's network and proxies.
    async fn heartbeat(
        &self,
        ctx: &async_graphql::Context<'_>,
        #[graphql(desc = "How many beats, 1 to 1,000.", default_with = "Some(10)")] count: Option<i32>,
        #[graphql(desc = "Milliseconds between them, 10 to 60,000.", default_with = "Some(1000)")] interval_ms: Option<
            i32,
        >,
    ) -> Result<impl Stream<Item = Heartbeat> + use<>> {
        let (count, interval_ms) = (count.unwrap_or(10), interval_ms.unwrap_or(1000));
        if !(1..=MAX_COUNT).contains(&count) || !(10..=60_000).contains(&interval_ms) {
            return Err(Error::BadInput(
                "count is 1 to 1,000 and intervalMs 10 to 60,000".into(),
            ));
        }
        let clock = ctx.app()?.clock.clone();
        let pause = Duration::from_millis(u64::try_from(interval_ms).unwrap_or_default());
        Ok(stream::iter(1..=count).then(move |sequence| {
            let clock = clock.clone();
            async move {
                if sequence > 1 {
                    tokio::time::sleep(pause).await;
                }
                Heartbeat {
                    sequence,
                    at: clock.now(),
                }
            }
        }))
    }
}
