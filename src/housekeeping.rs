//! Forgetting what nobody needs any more. What tells of leads, deliveries and changes is never forgotten here.

use std::time::Duration;

use chrono::TimeDelta;
use entity::{endpoint, idempotency, known_network, mail, mail_count, one_time_token, session};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_network::{disconnecting, expiry, paused, set_aside};

const EVERY: Duration = Duration::from_hours(1);
/// How late it may be told that an invitation has expired. Nothing depends on it.
const TELL: Duration = Duration::from_mins(1);
/// How long ended sessions, links past their time and sent mails are kept, for whoever asks what became of them.
const KEPT: TimeDelta = TimeDelta::days(30);
/// How long counts of mails are kept: longer than the longest window in which they are counted.
const COUNTS: TimeDelta = TimeDelta::days(2);
/// How long networks are kept that somebody has not been in.
const NETWORKS: TimeDelta = TimeDelta::days(90);
/// Idempotency keys forgotten in one statement: a writer of leads waits no longer than that takes.
const PART: u64 = 5_000;

/// Tells, every minute, that invitations have expired, destinations are paused and deliveries were set aside. Of several processes
/// one tells each. Before that it cancels what is left of connections that have ended.
pub async fn tell(app: App, stop: CancellationToken) {
    let mut minutely = interval(TELL);
    minutely.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(minutely.tick()).await.is_some() {
        if let Some(Err(error)) = stop.run_until_cancelled(disconnecting::finish(&app)).await {
            tracing::warn!(
                ?error,
                "cannot cancel deliveries over ended connections; trying again in a minute"
            );
        }
        if let Some(Err(error)) = stop.run_until_cancelled(paused::tell_paused(&app)).await {
            tracing::warn!(?error, "cannot tell of paused destinations; trying again in a minute");
        }
        if let Some(Err(error)) = stop.run_until_cancelled(set_aside::tell_set_aside(&app)).await {
            tracing::warn!(
                ?error,
                "cannot tell of deliveries that were set aside; trying again in a minute"
            );
        }
        match stop.run_until_cancelled(expiry::tell_expired(&app)).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => tracing::warn!(?error, "cannot tell of expired invitations; trying again in a minute"),
            None => return,
        }
    }
}

/// Forgets at the start and then every hour. Every process that delivers does so; that costs nothing when others have.
pub async fn run(app: App, stop: CancellationToken) {
    let mut hourly = interval(EVERY);
    hourly.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(hourly.tick()).await.is_some() {
        match stop.run_until_cancelled(forget(&app)).await {
            Some(Ok(0)) => {}
            Some(Ok(rows)) => tracing::info!(rows, "forgot what was over"),
            Some(Err(error)) => tracing::warn!(?error, "cannot forget what is over; trying again in an hour"),
            None => return,
        }
        if let Some(Err(error)) = stop.run_until_cancelled(app.db.sample()).await {
            tracing::warn!(?error, "cannot look at how tables have grown; trying again in an hour");
        }
    }
}

/// Forgets once, and answers how many rows went.
pub async fn forget(app: &App) -> Result<u64> {
    let over = app.clock.now() - KEPT;
    let db = app.db.write();
    let links = one_time_token::Entity::forget_before(over).exec(db).await?;
    let sessions = session::Entity::forget_before(over).exec(db).await?;
    let mails = mail::Entity::forget_sent_before(over).exec(db).await?;
    let endpoints = endpoint::Entity::forget_over(app.clock.now()).exec(db).await?;
    let counts = mail_count::Entity::forget_before(app.clock.now() - COUNTS)
        .exec(db)
        .await?;
    let networks = known_network::Entity::forget_before(app.clock.now() - NETWORKS)
        .exec(db)
        .await?;
    let keys = forget_keys(app).await?;
    let rows = [links, sessions, mails, endpoints, counts, networks].map(|done| done.rows_affected);
    Ok(rows.into_iter().sum::<u64>() + keys)
}

/// Idempotency keys may be many: they go in parts, the oldest first.
async fn forget_keys(app: &App) -> Result<u64> {
    let end = app.clock.now() - TimeDelta::days(app.config.settings.idempotency_days.into());
    let mut forgotten = 0;
    loop {
        let next = idempotency::Entity::at_place(PART).one(app.db.read()).await?;
        let until = next.map_or(end, |entry| entry.at.min(end));
        let part = idempotency::Entity::forget_before(until).exec(app.db.write()).await?;
        forgotten += part.rows_affected;
        if until == end || part.rows_affected == 0 {
            // Of entries that all came at the same moment no part can be told: then all go at once.
            let rest = idempotency::Entity::forget_before(end).exec(app.db.write()).await?;
            return Ok(forgotten + rest.rows_affected);
        }
    }
}
