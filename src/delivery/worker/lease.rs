//! The worker's lease: one row, renewed for all that the worker holds. What a worker holds whose row has run out is taken over.
//! Leases follow the database's clock (with `SQLite` the machine's), not the app's, which a test may move by days.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use entity::bulk;
use entity::delivery::{self, DeliveryErrorCode};
use entity::delivery_attempt;
use entity::suspect;
use entity::worker::{self, Lapsed, Lease};
use sea_orm::DbErr;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::suspects::{self, Verdicts};
use crate::app::App;
use crate::clock::Clock;
use crate::leads::intake::delivery_event;
use crate::live::events;

const INTERRUPTED: &str = "the worker stopped before the outcome was known; the recipient may have it";
/// How long a worker that has vanished keeps what it held. Four renewals may fail before.
const LEASE: TimeDelta = TimeDelta::seconds(6);
/// Without a renewal nothing more is claimed for the last second: it could be somebody else's before it is sent.
const CLAIMS: Duration = Duration::from_secs(5);
/// How often the lease is renewed and others' are looked at.
const RENEWAL: Duration = Duration::from_millis(1_500);
/// How long rows of ended leases are kept for looking into, and what is known of deliveries that were under way then.
const KEPT: TimeDelta = TimeDelta::days(1);

/// This process as a holder of leases.
struct Holder {
    app: App,
    /// What leases are reckoned by where the database has no clock.
    wall: Clock,
    /// The same for all its leases: by it others see that it lives although a lease of its has run out.
    process: Uuid,
    holding: Option<Uuid>,
}

/// Holds a lease until stopped, and takes over what others have left.
pub(super) async fn keep(app: App, stop: CancellationToken) {
    let wall = Clock::system();
    let mut holder = Holder {
        app,
        process: wall.id(),
        wall,
        holding: None,
    };
    let mut tick = tokio::time::interval(RENEWAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if let Err(error) = holder.renew(stop.is_cancelled()).await {
            tracing::warn!(%error, "cannot renew the worker's lease");
        }
        if let Err(error) = holder.take_over().await {
            tracing::warn!(?error, "cannot look for deliveries that others have left");
        }
    }
}

impl Holder {
    /// Renews the lease, or takes a new one when it ran out or was abandoned. A stopping worker takes no new one.
    async fn renew(&mut self, stopping: bool) -> Result<(), DbErr> {
        let db = self.app.db.write();
        let until = self.app.db.is_postgres().then(|| Instant::now() + CLAIMS);
        let abandoned = !stopping && self.app.queue.owner() != self.holding;
        if let Some(id) = self.holding.filter(|_| !abandoned)
            && worker::Entity::renew(db, self.lease(id), self.wall.now()).await?
        {
            if !stopping {
                self.app.queue.set_owner(id, until);
            }
            return Ok(());
        }
        if stopping {
            return Ok(());
        }
        let id: Uuid = self.wall.id();
        worker::Entity::take(db, self.lease(id), self.wall.now()).await?;
        let lost = self.holding.replace(id);
        self.app.queue.set_owner(id, until);
        if let Some(lost) = lost {
            tracing::warn!("the worker's lease was lost; what it held will be repeated");
            // Others may have taken this process for dead. It is not, so that none of what it attempts has killed it.
            suspect::Entity::acquit(lost).exec(db).await?;
        }
        Ok(())
    }

    fn lease(&self, id: Uuid) -> Lease {
        Lease {
            id,
            process: self.process,
            lasts: LEASE,
        }
    }

    /// Makes due again what workers held whose lease has run out, with a note of the attempt that nobody saw the end of. Of what is
    /// under the lease that it holds, this one sees the end, even where renewing it took too long.
    async fn take_over(&self) -> crate::error::Result<()> {
        let (db, now) = (self.app.db.read(), self.wall.now());
        let alive = worker::Entity::alive(db, now).all(db).await?;
        let alive: Vec<Uuid> = alive.into_iter().map(|row| row.id).chain(self.holding).collect();
        let orphans = delivery::Entity::orphaned(alive).all(db).await?;
        let mut owners: Vec<Uuid> = orphans.iter().filter_map(|row| row.lease_owner).collect();
        owners.sort_unstable();
        owners.dedup();
        // A lease that was taken between the two readings looks lapsed, and what was claimed under it would be sent twice.
        let living = worker::Entity::living(db, &owners, now).await?;
        owners.retain(|owner| !living.contains(owner));
        for owner in owners {
            let died = self.has_died(owner).await?;
            release(&self.app, owner, died).await?;
        }
        let forgotten = worker::Entity::forget(self.app.db.write(), now, KEPT);
        forgotten.exec(self.app.db.write()).await?;
        let old = suspect::Entity::forget_before(self.app.clock.now() - KEPT);
        old.exec(self.app.db.write()).await?;
        Ok(())
    }

    /// Whether the process that had the lease has died while it worked, as far as can be known: not one that was told to stop, nor
    /// one that lost its lease and holds another by now. One that is slow or stopped for longer looks dead until it goes on.
    async fn has_died(&self, owner: Uuid) -> crate::error::Result<bool> {
        let db = self.app.db.read();
        let Some(row) = worker::Entity::by_id(owner).one(db).await? else {
            return Ok(false);
        };
        let Some(process) = row.process.filter(|_| !row.stopping) else {
            return Ok(false);
        };
        Ok(process != self.process && !worker::Entity::lives(db, process, self.wall.now()).await?)
    }
}

/// Lets others know that what this worker leaves behind says nothing about what it was doing.
pub(super) async fn note_stopping(app: &App, owner: Uuid) {
    if let Err(error) = worker::Entity::note_stopping(app.db.write(), owner).await {
        tracing::warn!(%error, "cannot note that the worker is stopping");
    }
}

/// Gives back what this worker still holds, and its lease.
pub(super) async fn give_back(app: &App, owner: Uuid) {
    let given = async {
        release(app, owner, false).await?;
        worker::Entity::remove(Lapsed::Id(owner)).exec(app.db.write()).await?;
        crate::error::Result::Ok(())
    };
    if let Err(error) = given.await {
        tracing::warn!(?error, "cannot give back the lease; it runs out by itself");
    }
}

async fn release(app: &App, owner: Uuid, died: bool) -> crate::error::Result<()> {
    let (tx, now) = (app.db.begin().await?, app.clock.now());
    let released = delivery::Entity::give_back(&tx, owner, now).await?;
    let attempts = released
        .iter()
        .map(|row| delivery_attempt::Entity::unanswered(row, now, DeliveryErrorCode::Network, INTERRUPTED));
    let attempts = attempts.collect();
    bulk::insert_if_absent::<delivery_attempt::Entity>(&tx, attempts).await?;
    let verdicts = if died {
        suspects::judge(&tx, &released, (owner, now)).await?
    } else {
        Verdicts::default()
    };
    let ended = suspects::carry_out(app, &tx, &verdicts, now).await?;
    let waiting = released
        .iter()
        .filter(|row| !ended.iter().any(|ended| ended.id == row.id));
    let all_events = waiting.chain(&ended).map(delivery_event).collect();
    let heads = events::append(&tx, now, all_events).await?;
    tx.commit().await?;
    app.hub.tell(&heads);
    suspects::tell(app, &ended, now);
    if !released.is_empty() {
        tracing::warn!(
            deliveries = released.len(),
            isolated = verdicts.isolated.len(),
            "took over deliveries of a worker that has gone"
        );
        app.queue.doorbell.notify_one();
    }
    Ok(())
}
