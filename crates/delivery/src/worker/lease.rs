//! The worker's lease: one row, renewed for all that the worker holds. What a worker holds whose row has run out is taken over.
//! Leases follow the database's clock (with `SQLite` the machine's), not the app's, which a test may move by days.

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
use crate::supervision::caught;
use leadmesh_core::app::App;
use leadmesh_core::clock::Clock;
use leadmesh_core::live::events;
use leadmesh_leads::intake::delivery_event;

const INTERRUPTED: &str = "the worker stopped before the outcome was known; the recipient may have it";
/// How long a worker that has vanished keeps what it held. Four renewals may fail before.
const LEASE: TimeDelta = TimeDelta::seconds(6);
/// Without a renewal nothing more is claimed for the last second: it could be somebody else's before it is sent.
const CLAIMS: Duration = Duration::from_secs(5);
/// How often the lease is renewed and others' are looked at.
const RENEWAL: Duration = Duration::from_millis(1_500);
/// How long rows of ended leases are kept for looking into, and what is known of deliveries that were under way then.
const KEPT: TimeDelta = TimeDelta::days(1);

/// No lease lasts longer from now than this. One that seems to, while nobody renews it, is from before the clock was set back (the
/// database's, when it failed over to one that is behind).
const LONGEST: TimeDelta = TimeDelta::seconds(7);

/// This process as a holder of leases.
struct Holder {
    app: App,
    /// What leases are reckoned by where the database has no clock.
    wall: Clock,
    /// The same for all its leases: by it others see that it lives although a lease of its has run out.
    process: Uuid,
    holding: Option<Uuid>,
    /// Leases that last too long, until when, and since when they have stood so.
    beyond: HashMap<Uuid, (DateTime<Utc>, Instant)>,
}

/// Leases of one process that have run out.
struct LapsedLeases {
    leases: Vec<Uuid>,
    left: Left,
}

/// What the end of leases says of what was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// The process has died while it worked.
    Died,
    /// Nothing: the process was told to stop, or it lives.
    Alive,
    /// Nothing: this process gives them back.
    Own,
}

/// Holds a lease until stopped, and takes over what others have left. `process` is the same for all leases of this process.
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
        caught(
            &metrics,
            "renewing the worker's lease",
            holder.look(stop.is_cancelled()),
        )
        .await;
    }
}

impl Holder {
    async fn look(&mut self, stopping: bool) {
        if let Err(error) = self.renew(stopping).await {
            tracing::warn!(%error, "cannot renew the worker's lease");
        }
        if let Err(error) = self.take_over().await {
            tracing::warn!(?error, "cannot look for deliveries that others have left");
        }
    }

    /// Renews the lease, or takes a new one when it ran out or was abandoned, be it while it was renewed. A stopping worker takes no
    /// new one.
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
            // Others may have taken this process for dead. It is not, so that none of what it attempts has killed it.
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

    /// Makes due again what workers held whose lease has run out, with a note of the attempt that nobody saw the end of. Of what is
    /// under the lease that it holds, this one sees the end, even where renewing it took too long.
    async fn take_over(&mut self) -> leadmesh_core::error::Result<()> {
        self.end_beyond().await?;
        let (db, now) = (self.app.db.read(), self.wall.now());
        let alive = worker::Entity::alive(db, now).all(db).await?;
        let alive = alive.into_iter().filter(|row| self.may_live(row.process));
        let alive: Vec<Uuid> = alive.map(|row| row.id).chain(self.holding).collect();
        let orphans = delivery::Entity::orphaned(alive).all(db).await?;
        let owners: BTreeSet<Uuid> = orphans.iter().filter_map(|row| row.lease_owner).collect();
        for lapsed in self.lapsed(owners).await? {
            // What cannot be taken over of one process holds up nothing of the others.
            if let Err(error) = release(&self.app, &lapsed).await {
                tracing::error!(?error, leases = ?lapsed.leases, "cannot take over what a worker has left; trying again");
            }
        }
        let forgotten = worker::Entity::forget(self.app.db.write(), now, KEPT);
        forgotten.exec(self.app.db.write()).await?;
        let old = suspect::Entity::forget_before(self.app.clock.now() - KEPT);
        old.exec(self.app.db.write()).await?;
        Ok(())
    }

    /// Embedded there is no other process than this one.
    fn may_live(&self, process: Option<Uuid>) -> bool {
        self.app.db.is_postgres() || process == Some(self.process)
    }

    /// Ends leases that last longer than any is taken for, if nobody has renewed them for the time of a lease: after a clock was set
    /// back they would hold for ever so long what dead workers had. A living holder renews its lease before.
    async fn end_beyond(&mut self) -> Result<(), DbErr> {
        let (db, now) = (self.app.db.write(), self.wall.now());
        let mut beyond = worker::Entity::beyond(self.app.db.read(), now, LONGEST)
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

    /// Leases that have run out, those of each process together: what it was doing when it died is judged as a whole. What a living
    /// process has abandoned is left to itself, for should it die before, that is part of what it was doing.
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
                // Nothing is known of it any more.
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

    /// Whether a process some of whose leases have run out has died while it worked, as far as can be known: not one that was told to
    /// stop. One that is slow or stopped for longer looks dead until it goes on. None of another one that lives.
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

/// Lets others know that what this process leaves behind says nothing about what it was doing.
pub(super) async fn note_stopping(app: &App, process: Uuid) {
    if let Err(error) = worker::Entity::note_stopping(app.db.write(), process).await {
        tracing::warn!(%error, "cannot note that the worker is stopping");
    }
}

/// Gives back what this process still holds, and its leases.
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

/// Makes due again all that is under leases of one process that have run out.
async fn release(app: &App, lapsed: &LapsedLeases) -> leadmesh_core::error::Result<()> {
    let (tx, now) = (app.db.begin().await?, app.clock.now());
    let mut released = Vec::new();
    for lease in &lapsed.leases {
        if lapsed.left == Left::Own {
            worker::Entity::remove(worker::Lapsed::Id(*lease)).exec(&tx).await?;
        }
        released.extend(delivery::Entity::give_back(&tx, *lease, now).await?);
    }
    let attempts = released
        .iter()
        .map(|row| delivery_attempt::Entity::unanswered(row, now, DeliveryErrorCode::Network, INTERRUPTED));
    let attempts = attempts.collect();
    bulk::insert_if_absent::<delivery_attempt::Entity>(&tx, attempts).await?;
    let verdicts = match lapsed.leases.first() {
        Some(lease) if lapsed.left == Left::Died => suspects::judge(&tx, &released, (*lease, now)).await?,
        _ => Verdicts::default(),
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
