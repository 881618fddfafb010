//! The worker's lease: one row, renewed for all that the worker holds. What a worker holds whose row has run out is taken over.
//! Leases follow the machine's clock, not the app's, which a test may move by days.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::bulk;
use entity::delivery::{self, DeliveryErrorCode};
use entity::delivery_attempt;
use entity::worker::{self, Lapsed};
use sea_orm::{DbErr, Set};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::app::App;
use crate::clock::Clock;
use crate::leads::intake::delivery_event;
use crate::live::events;

const INTERRUPTED: &str = "the worker stopped before the outcome was known; the recipient may have it";
/// How long a worker that has vanished keeps what it held. Four renewals may fail before.
const LEASE: TimeDelta = TimeDelta::seconds(6);
/// How often the lease is renewed and others' are looked at.
const RENEWAL: Duration = Duration::from_millis(1_500);
/// How long rows of ended leases are kept for looking into.
const KEPT: TimeDelta = TimeDelta::days(1);

/// Holds a lease until stopped, and takes over what others have left.
pub(super) async fn keep(app: App, stop: CancellationToken) {
    let wall = Clock::system();
    let mut tick = tokio::time::interval(RENEWAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut holding = None;
    loop {
        tick.tick().await;
        holding = match renew(&app, &wall, holding, stop.is_cancelled()).await {
            Ok(owner) => owner,
            Err(error) => {
                tracing::warn!(%error, "cannot renew the worker's lease");
                holding
            }
        };
        if let Err(error) = take_over(&app, &wall, holding).await {
            tracing::warn!(?error, "cannot look for deliveries that others have left");
        }
    }
}

/// Renews the lease, or takes a new one when it ran out or was abandoned. A stopping worker takes no new one.
async fn renew(app: &App, wall: &Clock, holding: Option<Uuid>, stopping: bool) -> Result<Option<Uuid>, DbErr> {
    let now = wall.now();
    let abandoned = !stopping && app.queue.owner() != holding;
    if let Some(owner) = holding.filter(|_| !abandoned)
        && worker::Entity::renew(app.db.write(), owner, now, now + LEASE).await?
    {
        return Ok(Some(owner));
    }
    if stopping {
        return Ok(holding);
    }
    if holding.is_some() {
        tracing::warn!("the worker's lease was lost; what it held will be repeated");
    }
    let owner: Uuid = wall.id();
    let row = worker::ActiveModel {
        id: Set(owner),
        started_at: Set(now),
        lease_until: Set(now + LEASE),
    };
    bulk::insert::<worker::Entity>(app.db.write(), vec![row]).await?;
    app.queue.set_owner(Some(owner));
    Ok(Some(owner))
}

/// Makes due again what workers held whose lease has run out, with a note of the attempt that nobody saw the end of. Of what is
/// under the lease `holding`, this one sees the end, even where renewing it took too long.
async fn take_over(app: &App, wall: &Clock, holding: Option<Uuid>) -> crate::error::Result<()> {
    let now = wall.now();
    let alive = worker::Entity::alive(now).all(app.db.read()).await?;
    let alive: Vec<Uuid> = alive.into_iter().map(|row| row.id).chain(holding).collect();
    let orphans = delivery::Entity::orphaned(alive).all(app.db.read()).await?;
    let mut owners: Vec<Uuid> = orphans.iter().filter_map(|row| row.lease_owner).collect();
    owners.sort_unstable();
    owners.dedup();
    for owner in owners {
        release(app, owner, now).await?;
    }
    worker::Entity::remove(Lapsed::Before(now - KEPT))
        .exec(app.db.write())
        .await?;
    Ok(())
}

/// Gives back what this worker still holds, and its lease.
pub(super) async fn give_back(app: &App, owner: Uuid) {
    let given = async {
        release(app, owner, Clock::system().now()).await?;
        worker::Entity::remove(Lapsed::Id(owner)).exec(app.db.write()).await?;
        crate::error::Result::Ok(())
    };
    if let Err(error) = given.await {
        tracing::warn!(?error, "cannot give back the lease; it runs out by itself");
    }
}

async fn release(app: &App, owner: Uuid, now: DateTime<Utc>) -> crate::error::Result<()> {
    let tx = app.db.begin().await?;
    let released = delivery::Entity::give_back(&tx, owner, app.clock.now()).await?;
    let attempts = released
        .iter()
        .map(|row| delivery_attempt::Entity::unanswered(row, now, DeliveryErrorCode::Network, INTERRUPTED));
    let attempts = attempts.collect();
    bulk::insert_if_absent::<delivery_attempt::Entity>(&tx, attempts).await?;
    let heads = events::append(&tx, app.clock.now(), released.iter().map(delivery_event).collect()).await?;
    tx.commit().await?;
    app.hub.tell(&heads);
    if !released.is_empty() {
        tracing::warn!(
            deliveries = released.len(),
            "took over deliveries of a worker that has gone"
        );
        app.queue.doorbell.notify_one();
    }
    Ok(())
}
