//! Receives the heads of logs that other nodes publish through Redis. A notice is lost while the connection is down, so every
//! follower also checks from time to time.

use std::time::Duration;

use futures::StreamExt;
use redis::RedisResult;
use tokio_util::sync::CancellationToken;

use super::hub::{WAKE, channel};
use crate::app::App;

/// Between attempts to reach Redis.
const PAUSE: Duration = Duration::from_millis(500);

/// Relays until stopped. Without Redis this node is alone.
pub async fn relay(app: App, stop: CancellationToken) {
    let Some(url) = app.config.settings.redis_url.clone() else {
        return;
    };
    while !stop.is_cancelled() {
        if let Err(error) = listen(&app, &url, &stop).await {
            tracing::warn!(%error, "cannot receive notices of other nodes; subscriptions check by themselves");
        }
        app.hub.wake_all();
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

fn hear(app: &App, text: &str) {
    let Some((id, told)) = text.split_once(':') else { return };
    let Ok(id) = id.parse() else { return };
    if told == WAKE {
        app.hub.wake_here(id);
    } else if let Ok(head) = told.parse() {
        app.hub.notify_here(id, head);
    }
}

async fn listen(app: &App, url: &str, stop: &CancellationToken) -> RedisResult<()> {
    let mut subscription = redis::Client::open(url)?.get_async_pubsub().await?;
    subscription.subscribe(channel(&app.config.settings)).await?;
    app.hub.wake_all();
    let mut messages = subscription.into_on_message();
    loop {
        let message = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            message = messages.next() => message,
        };
        let Some(message) = message else { return Ok(()) };
        let text: String = message.get_payload()?;
        hear(app, &text);
    }
}
