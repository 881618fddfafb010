//! The worker's lease: one row, renewed for all deliveries that the worker holds. When it expires, other workers take these over.
//! Leases follow the database's clock (with `SQLite` the machine's), not the app's, which tests move by days.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use entity::bulk;
use entity::delivery::{self, DeliveryErrorCode};
use entity::delivery_attempt;
use entity::suspect;
use entity::worker::{self, Lease};
use sea_orm::DbErr;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::suspects::{self, Verdicts};
use crate::supervision::catch_panic;
use leadmesh_core::app::App;
use leadmesh_core::clock::Clock;

const INTERRUPTED: &str = "the worker stopped before the outcome was known; the recipient may have it";
/// How long a worker that has vanished keeps its deliveries. Four renewals may fail before.
const LEASE: TimeDelta = TimeDelta::seconds(6);
/// Nothing is claimed in the last second of a lease: another worker could take it over before it is sent.
const CLAIMS: Duration = Duration::from_secs(5);
/// How often the lease is renewed, and the leases of others are checked.
const RENEWAL: Duration = Duration::from_millis(1_500);
/// How long expired leases, and what is known of the deliveries that were under way then, are kept.
const RETENTION: TimeDelta = TimeDelta::days(1);

/// No lease ends later than this from now. One that does, and is not renewed, is from before the clock was set back, as when a database
/// fails over to one whose clock is behind.
const MAX_LEASE: TimeDelta = TimeDelta::seconds(7);

/// This process as a holder of leases.
struct Holder {
    app: App,
    /// The clock of leases where the database has none.
    wall: Clock,
    /// The same for all its leases: others see by it that the process lives although one of its leases has expired.
    process: Uuid,
    holding: Option<Uuid>,
    /// Leases that end too late: their end, and since when it has not changed.
    beyond: HashMap<Uuid, (DateTime<Utc>, Instant)>,
}

struct LapsedLeases {
    leases: Vec<Uuid>,
    left: Left,
}

/// What expired leases say about the deliveries that were under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// The process died while it worked.
    Died,
    /// Nothing: the process was told to stop, or it lives.
    Alive,
    /// Nothing: this process gives them back.
    Own,
}

/// Holds a lease until stopped, and takes over the deliveries of expired leases.
pub(super) async fn keep(app: App, process: Uuid, stop: CancellationToken) {
    let metrics = app.metrics.clone();
    let mut holder = Holder {
        app,
        process,
        wall: Clock::system(),
        holding: None,
        beyond: HashMap::new(),
    };
    let mut tick = tokio::time::interval(RENEWAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        catch_panic(
            &metrics,
            "renewing the worker's lease",
            holder.round(stop.is_cancelled()),
        )
        .await;
    }
}

impl Holder {
    async fn round(&mut self, stopping: bool) {
        if let Err(error) = self.renew(stopping).await {
            tracing::warn!(%error, "cannot renew the worker's lease");
        }
        if let Err(error) = self.take_over().await {
            tracing::warn!(?error, "cannot look for deliveries that others have left");
        }
    }

    /// Renews the lease. Takes a new one if it has expired or was abandoned, even while it was renewed; not while the worker stops.
    async fn renew(&mut self, stopping: bool) -> Result<(), DbErr> {
        let (db, queue) = (self.app.db.write(), &self.app.queue);
        let until = self.app.db.is_postgres().then(|| Instant::now() + CLAIMS);
        let abandoned = !stopping && queue.owner() != self.holding;
        if let Some(id) = self.holding.filter(|_| !abandoned)
            && worker::Entity::renew(db, self.lease(id), self.wall.now()).await?
            && (queue.renew_lease(id, until) || stopping)
        {
            return Ok(());
        }
        if stopping {
            return Ok(());
        }
        let id: Uuid = self.wall.id();
        worker::Entity::take(db, self.lease(id), self.wall.now()).await?;
        let lost = self.holding.replace(id);
        queue.take_lease(id, until);
        if lost.is_some() {
            tracing::warn!("the worker's lease was lost; what it held will be repeated");
            // Other workers may have taken this process for dead; none of its deliveries has killed it.
            suspect::Entity::acquit(self.process).exec(db).await?;
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

    /// Makes the deliveries of expired leases due again, and records their attempts, whose outcome is unknown. Not those under its own
    /// lease, even if renewing took too long: this process sees their outcomes.
    async fn take_over(&mut self) -> leadmesh_core::error::Result<()> {
        self.end_beyond().await?;
        let (db, now) = (self.app.db.read(), self.wall.now());
        let alive = worker::Entity::alive(db, now).all(db).await?;
        let alive = alive.into_iter().filter(|row| self.may_live(row.process));
        let alive: Vec<Uuid> = alive.map(|row| row.id).chain(self.holding).collect();
        let orphans = delivery::Entity::orphaned(alive).all(db).await?;
        let owners: BTreeSet<Uuid> = orphans.iter().filter_map(|row| row.lease_owner).collect();
        for lapsed in self.lapsed(owners).await? {
            // A failure for one process must not delay the deliveries of the others.
            if let Err(error) = release(&self.app, &lapsed).await {
                tracing::error!(?error, leases = ?lapsed.leases, "cannot take over what a worker has left; trying again");
            }
        }
        let forgotten = worker::Entity::forget(self.app.db.write(), now, RETENTION);
        forgotten.exec(self.app.db.write()).await?;
        let old = suspect::Entity::forget_before(self.app.clock.now() - RETENTION);
        old.exec(self.app.db.write()).await?;
        Ok(())
    }

    /// An embedded database has no other process than this one.
    fn may_live(&self, process: Option<Uuid>) -> bool {
        self.app.db.is_postgres() || process == Some(self.process)
    }

    /// Ends leases that end too late, if they were not renewed for the length of a lease. After a clock was set back, dead workers would
    /// hold their deliveries for as long as it was set back. A living worker renews its lease earlier.
    async fn end_beyond(&mut self) -> Result<(), DbErr> {
        let (db, now) = (self.app.db.write(), self.wall.now());
        let mut beyond = worker::Entity::beyond(self.app.db.read(), now, MAX_LEASE)
            .all(self.app.db.read())
            .await?;
        beyond.retain(|row| Some(row.id) != self.holding);
        let before = std::mem::take(&mut self.beyond);
        for row in beyond {
            let stood_so = before.get(&row.id).filter(|(until, _)| *until == row.lease_until);
            let since = stood_so.map_or_else(Instant::now, |(_, since)| *since);
            if since.elapsed() >= LEASE.to_std().unwrap_or_default() {
                tracing::warn!(lease = %row.id, "ended a lease from before the clock was set back");
                worker::Entity::end(db, &row, now).await?;
            } else {
                self.beyond.insert(row.id, (row.lease_until, since));
            }
        }
        Ok(())
    }

    /// Expired leases by process, since all that a process was doing when it died is judged together. Leases that a living process has
    /// abandoned are left out: if it dies before it takes them over, they are judged with the others.
    async fn lapsed(&self, leases: BTreeSet<Uuid>) -> Result<Vec<LapsedLeases>, DbErr> {
        let db = self.app.db.read();
        let known = worker::Entity::by_ids(leases.iter().copied()).all(db).await?;
        let process_of: HashMap<Uuid, Uuid> = known.iter().filter_map(|row| Some((row.id, row.process?))).collect();
        let mut by_process: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
        let mut all = Vec::new();
        for lease in leases {
            if let Some(process) = process_of.get(&lease) {
                by_process.entry(*process).or_default().push(lease);
            } else {
                // The lease is forgotten already.
                all.push(LapsedLeases {
                    leases: vec![lease],
                    left: Left::Alive,
                });
            }
        }
        for (process, leases) in by_process {
            if let Some(left) = self.left_by(process).await? {
                all.push(LapsedLeases { leases, left });
            }
        }
        Ok(all)
    }

    /// What the expired leases of a process say; none if another process lives. A process that is paused or very slow looks dead until it
    /// goes on.
    async fn left_by(&self, process: Uuid) -> Result<Option<Left>, DbErr> {
        if process == self.process {
            return Ok(Some(Left::Alive));
        }
        let db = self.app.db.read();
        if self.may_live(Some(process)) && worker::Entity::lives(db, process, self.wall.now()).await? {
            return Ok(None);
        }
        let leases = worker::Entity::of_process(process).all(db).await?;
        let told_to_stop = leases.iter().any(|row| row.stopping);
        Ok(Some(if told_to_stop { Left::Alive } else { Left::Died }))
    }
}

/// Records that this process was told to stop, so that its deliveries are not suspected of having killed it.
pub(super) async fn note_stopping(app: &App, process: Uuid) {
    if let Err(error) = worker::Entity::note_stopping(app.db.write(), process).await {
        tracing::warn!(%error, "cannot note that the worker is stopping");
    }
}

/// Gives back the deliveries that this process still holds, and its leases.
pub(super) async fn give_back(app: &App, process: Uuid) {
    let given = async {
        let own = worker::Entity::of_process(process).all(app.db.read()).await?;
        let own = LapsedLeases {
            leases: own.into_iter().map(|row| row.id).collect(),
            left: Left::Own,
        };
        release(app, &own).await
    };
    if let Err(error) = given.await {
        tracing::warn!(?error, "cannot give back the lease; it runs out by itself");
    }
}

/// Makes all deliveries under expired leases of one process due again.
async fn release(app: &App, lapsed: &LapsedLeases) -> leadmesh_core::error::Result<()> {
    let (tx, now) = (app.db.begin().await?, app.clock.now());
    let mut released = Vec::new();
    for lease in &lapsed.leases {
        if lapsed.left == Left::Own {
            worker::Entity::remove(*lease).exec(&tx).await?;
        }
        released.extend(delivery::Entity::give_back(&tx, *lease, now).await?);
    }
    let attempts = released
        .iter()
        .map(|row| delivery_attempt::Entity::unanswered(row, now, DeliveryErrorCode::Network, INTERRUPTED));
    let attempts = attempts.collect();
    bulk::insert_if_absent::<delivery_attempt::Entity>(&tx, attempts).await?;
    let verdicts = match lapsed.leases.first() {
        Some(lease) if lapsed.left == Left::Died => suspects::judge(&tx, &released, *lease, now).await?,
        _ => Verdicts::default(),
    };
    let consequences = suspects::carry_out(app, &tx, &released, &verdicts, now).await?;
    consequences.effects.commit(app, tx, now).await?;
    suspects::report(app, &consequences.set_aside, now);
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
