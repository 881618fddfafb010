//! Rings when other processes have stored deliveries, as they say through a Redis stream. The content of an entry is ignored: the
//! database says what is due. So no entry can do harm, and losing the stream loses nothing.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::streams::{StreamReadOptions, StreamReadReply};
use redis::{AsyncCommands, AsyncConnectionConfig, RedisResult};
use tokio_util::sync::CancellationToken;

use leadmesh_core::app::App;
use leadmesh_core::queue::stream;

/// The consumer group of all workers: each entry rings at one of them.
const GROUP: &str = "workers";
/// How long one read blocks, and so how long stopping may take.
const BLOCK_MS: usize = 1_000;
const ENTRIES: usize = 64;
/// Between tries to reach a Redis that is away.
const PAUSE: Duration = Duration::from_millis(500);

/// Rings until stopped. Does nothing without Redis.
pub(super) async fn listen(app: App, stop: CancellationToken) {
    let Some(url) = app.config.settings.redis_url.clone() else {
        return;
    };
    let name = app.clock.id::<uuid::Uuid>().to_string();
    while !stop.is_cancelled() {
        if let Err(error) = listen_once(&app, &url, &name, &stop).await {
            tracing::warn!(%error, "Redis does not wake this worker now; it looks every second by itself");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// A connection of its own, without a response timeout: a blocking command stalls its whole connection.
async fn connect(url: &str) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PAUSE))
        .set_response_timeout(None);
    redis::Client::open(url)?
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

async fn listen_once(app: &App, url: &str, name: &str, stop: &CancellationToken) -> RedisResult<()> {
    let mut redis = connect(url).await?;
    let stream = stream(&app.config.settings);
    make_group(&mut redis, &stream).await?;
    // Deliveries may have been stored before the connection was made.
    app.queue.doorbell.notify_one();
    let options = StreamReadOptions::default()
        .group(GROUP, name)
        .noack()
        .block(BLOCK_MS)
        .count(ENTRIES);
    while !stop.is_cancelled() {
        let reply: Option<StreamReadReply> = redis.xread_options(&[&stream], &[">"], &options).await?;
        let ids: Vec<String> = reply
            .into_iter()
            .flat_map(|reply| reply.keys)
            .flat_map(|key| key.ids)
            .map(|entry| entry.id)
            .collect();
        if !ids.is_empty() {
            app.queue.doorbell.notify_one();
            redis.xdel::<_, _, ()>(&stream, &ids).await?;
        }
    }
    redis.xgroup_delconsumer::<_, _, _, ()>(&stream, GROUP, name).await
}

/// An existing group is fine; a flushed Redis gets a new one.
async fn make_group(redis: &mut MultiplexedConnection, stream: &str) -> RedisResult<()> {
    match redis.xgroup_create_mkstream::<_, _, _, ()>(stream, GROUP, "$").await {
        Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
        made => made,
    }
}
