//! Deletes what is not needed any more. Leads, deliveries and the audit log are never deleted here.

use std::time::Duration;

use chrono::TimeDelta;
use entity::{endpoint, idempotency, known_network, mail, mail_count, one_time_token, session};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_network::{disconnecting, expiry, paused, set_aside};

const EVERY: Duration = Duration::from_hours(1);
/// Expiry of invitations may be announced this late. Nothing depends on it.
const TELL: Duration = Duration::from_mins(1);
/// How long ended sessions, expired links and sent emails are kept, for questions about them.
const KEPT: TimeDelta = TimeDelta::days(30);
/// How long counts of emails are kept: longer than the longest window in which they are counted.
const COUNTS: TimeDelta = TimeDelta::days(2);
/// How long networks are kept from which a person has not signed in.
const NETWORKS: TimeDelta = TimeDelta::days(90);
/// Idempotency keys deleted in one statement: it bounds how long a writer of leads waits.
const PART: u64 = 5_000;

/// Announces, every minute, expired invitations, paused destinations and set-aside deliveries. Of several processes one
/// announces each. First it cancels what is left of ended connections.
pub async fn notify_owners(app: App, stop: CancellationToken) {
    let mut minutely = interval(TELL);
    minutely.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(minutely.tick()).await.is_some() {
        if let Some(Err(error)) = stop.run_until_cancelled(Box::pin(disconnecting::finish(&app))).await {
            tracing::warn!(
                ?error,
                "cannot cancel deliveries over ended connections; trying again in a minute"
            );
        }
        if let Some(Err(error)) = stop.run_until_cancelled(paused::notify_paused(&app)).await {
            tracing::warn!(
                ?error,
                "cannot notify owners of paused destinations; trying again in a minute"
            );
        }
        if let Some(Err(error)) = stop.run_until_cancelled(set_aside::notify_set_aside(&app)).await {
            tracing::warn!(
                ?error,
                "cannot notify owners of deliveries that were set aside; trying again in a minute"
            );
        }
        match stop.run_until_cancelled(expiry::expire_overdue(&app)).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => tracing::warn!(
                ?error,
                "cannot notify inviters of expired invitations; trying again in a minute"
            ),
            None => return,
        }
    }
}

/// Deletes at the start and then every hour. Every process that delivers does so; that costs nothing when others have.
pub async fn run(app: App, stop: CancellationToken) {
    let mut hourly = interval(EVERY);
    hourly.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(hourly.tick()).await.is_some() {
        match stop.run_until_cancelled(forget(&app)).await {
            Some(Ok(0)) => {}
            Some(Ok(rows)) => tracing::info!(rows, "deleted what is not needed any more"),
            Some(Err(error)) => tracing::warn!(
                ?error,
                "cannot delete what is not needed any more; trying again in an hour"
            ),
            None => return,
        }
        if let Some(Err(error)) = stop.run_until_cancelled(app.db.sample()).await {
            tracing::warn!(?error, "cannot read how tables have grown; trying again in an hour");
        }
    }
}

/// Deletes once, and answers how many rows.
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

/// Idempotency keys may be many: they are deleted in parts, the oldest first.
async fn forget_keys(app: &App) -> Result<u64> {
    let end = app.clock.now() - TimeDelta::days(app.config.settings.idempotency_days.into());
    let mut forgotten = 0;
    loop {
        let next = idempotency::Entity::at_place(PART).one(app.db.read()).await?;
        let until = next.map_or(end, |entry| entry.at.min(end));
        let part = idempotency::Entity::forget_before(until).exec(app.db.write()).await?;
        forgotten += part.rows_affected;
        if until == end || part.rows_affected == 0 {
            // Entries of the same instant cannot be split, so they are deleted together.
            let rest = idempotency::Entity::forget_before(end).exec(app.db.write()).await?;
            return Ok(forgotten + rest.rows_affected);
        }
    }
}
