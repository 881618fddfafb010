//! Deliveries under which processes die. One that exhausts the memory or overflows the stack takes the whole process with it, and
//! would do so again after every restart, whatever its retry budget, for no outcome is ever recorded.
//!
//! What was under way when a process died is written down when its lease is taken over. A process may die for many reasons, and two
//! hundred deliveries may be under way, so that being there says little:
//!
//! - After one death nothing is changed, nor after a second if many were under way: all of them are attempted again as if nothing
//!   had been.
//! - What was under way at three deaths in a row (at two, if the second leaves few in doubt), with no attempt between that ended, is
//!   *isolated*: attempted in parts, an eighth of those that the last death left in doubt at once, beside all other work. Each
//!   death leaves only that part in doubt.
//! - Once few are in doubt, each is attempted *alone*: while nothing else at all is under way in its process. Only here can nobody
//!   else be to blame, and only here a delivery is set aside: when the process dies twice in a row, with no attempt between that
//!   ended. Once is not enough, for whoever kills a process again and again hits some delivery that is alone.
//!
//! So one that was alone from the beginning is set aside at the second death, one among two hundred at the seventh. Any attempt that
//! ends, well or not, clears a delivery. What an operator kills at random is hit alone, and then again before it ends, only if it
//! is nearly all that there is to do.
//!
//! No death is counted of a worker that was told to stop, nor of one that is found to live: it takes back what was held against its
//! deliveries. Setting aside opens no lead and looks for no other partner, for that may be what kills.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use entity::delivery::{self, DeliveryStatus};
use entity::ids::DeliveryId;
use entity::suspect::{self, Model};
use sea_orm::DatabaseTransaction;
use serde_json::json;
use uuid::Uuid;

use super::routes::Routes;
use super::{Tools, claim, holds, reroute};
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry, Who};
use leadmesh_core::error::Result;
use leadmesh_core::queue::Claimed;
use leadmesh_core::queue::slots::Slot;

/// Deaths in a row after which a delivery may be set aside, or is attempted apart from others where the last one leaves few in doubt.
const SUSPECTED_AFTER: i32 = 2;
/// Deaths in a row after which a delivery is attempted apart from others, however many there are.
const ISOLATED_AFTER: i32 = 3;
/// Of so many or fewer that a death leaves in doubt, each is attempted alone.
const FEW: i32 = 8;
/// Of more, this part is attempted at once.
const PART: i32 = 8;
/// Isolated deliveries looked at in one look.
const LOOKED_AT: u64 = 256;

/// What a death means for the deliveries that were under way.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdicts {
    /// What is known of each now.
    known: Vec<Model>,
    /// To be attempted apart from others.
    pub(super) isolated: Vec<DeliveryId>,
    /// To be failed.
    set_aside: Vec<DeliveryId>,
}

/// Judges what was under way when the process that held that lease died. An erased lead cannot kill: nothing is left of it.
pub(super) async fn judge(
    tx: &DatabaseTransaction,
    released: &[delivery::Model],
    lease_and_time: (Uuid, DateTime<Utc>),
) -> Result<Verdicts> {
    let before = suspect::Entity::of(tx, released.iter().map(|row| row.id)).await?;
    let before = before.into_iter().map(|row| (row.delivery_id, row)).collect();
    Ok(verdicts(released, &before, lease_and_time))
}

fn verdicts(
    released: &[delivery::Model],
    before: &HashMap<DeliveryId, Model>,
    (lease, now): (Uuid, DateTime<Utc>),
) -> Verdicts {
    // An attempt between the two deaths that has ended clears a delivery. An attempt that was put back counts as none.
    let of = |row: &delivery::Model| {
        let known = before.get(&row.id);
        known.filter(|known| row.attempt_count <= known.attempt.saturating_add(1))
    };
    let was_isolated = |row: &&delivery::Model| of(row).is_some_and(is_isolated);
    let all = i32::try_from(released.len()).unwrap_or(i32::MAX);
    let apart = i32::try_from(released.iter().filter(was_isolated).count()).unwrap_or(i32::MAX);
    let mut verdicts = Verdicts::default();
    for row in released.iter().filter(|row| row.erased_at.is_none()) {
        let known = of(row);
        let deaths = known.map_or(0, |known| known.deaths).saturating_add(1);
        let alone_again = all == 1 && known.is_some_and(|known| known.company == 1);
        let set_aside = deaths >= SUSPECTED_AFTER && alone_again;
        let now_known = Model {
            delivery_id: row.id,
            account_id: row.account_id,
            attempt: row.attempt_count,
            deaths,
            company: if was_isolated(&row) { apart } else { all },
            lease,
            seen_at: now,
            notified: set_aside.then_some(false),
        };
        if set_aside {
            verdicts.set_aside.push(row.id);
        } else if is_isolated(&now_known) {
            verdicts.isolated.push(row.id);
        }
        verdicts.known.push(now_known);
    }
    verdicts
}

/// Whether it is attempted apart from others.
fn is_isolated(known: &Model) -> bool {
    known.deaths >= ISOLATED_AFTER || (known.deaths >= SUSPECTED_AFTER && known.company <= FEW)
}

/// Writes down what is known, isolates, and sets aside; answers what has ended.
pub(super) async fn carry_out(
    app: &App,
    tx: &DatabaseTransaction,
    verdicts: &Verdicts,
    now: DateTime<Utc>,
) -> Result<Vec<delivery::Model>> {
    suspect::Entity::keep(tx, verdicts.known.clone()).await?;
    if !verdicts.isolated.is_empty() {
        delivery::Entity::isolate(tx, verdicts.isolated.clone()).await?;
    }
    let Some(one) = verdicts.set_aside.first() else {
        return Ok(Vec::new());
    };
    let deaths = verdicts.known.iter().find(|known| known.delivery_id == *one);
    let why = format!(
        "set aside: processes of this server ended {} times in a row while they attempted it, the last time with nothing else under \
         way. Its template or its lead may need too much memory: correct it, then retry the delivery by hand",
        deaths.map_or(SUSPECTED_AFTER, |known| known.deaths)
    );
    let ended = delivery::Entity::set_aside(tx, verdicts.set_aside.clone(), (&why, now)).await?;
    let without_leads: Vec<_> = ended.iter().map(|row| (row, None)).collect();
    reroute::follow(app, tx, &without_leads, &Routes::default(), now).await?;
    for row in &ended {
        let entry = Entry {
            action: "delivery.set_aside",
            subject_type: "Delivery",
            subject_id: row.id.to_string(),
            label: None,
            changes: Some(json!({ "attempts": row.attempt_count })),
        };
        audit::record(tx, &app.clock, row.account_id, &Who::system(), entry).await?;
    }
    Ok(ended)
}

/// Tells the operator, once it is committed.
pub(super) fn tell(app: &App, ended: &[delivery::Model], now: DateTime<Utc>) {
    for row in ended {
        tracing::error!(
            delivery = %row.id, account = %row.account_id, lead = %row.lead_id,
            "set a delivery aside: processes died again and again while they attempted it"
        );
        app.metrics
            .ended(row.channel, DeliveryStatus::Failed, now - row.created_at);
    }
    app.metrics.set_aside(ended.len());
}

/// How many are attempted at once, where a death has left so many in doubt; one is attempted alone.
fn part(company: i32) -> usize {
    let part = if company <= FEW {
        1
    } else {
        company.div_euclid(PART) + i32::from(company % PART > 0)
    };
    usize::try_from(part).unwrap_or(1)
}

/// What is isolated and may be attempted next.
struct NextPart {
    /// The first first, more than can be had at once.
    waiting: Vec<delivery::Model>,
    /// How many of them.
    size: usize,
    /// Endpoints that are paused and may be tried by one of them.
    paused: HashSet<Uuid>,
}

impl NextPart {
    /// Large parts first, and alone ones when there is no other; none where nothing waits.
    async fn find(app: &App, now: DateTime<Utc>) -> Result<Option<Self>> {
        let waiting = delivery::Entity::isolated(now, LOOKED_AT).all(app.db.read()).await?;
        app.queue.set_isolating(!waiting.is_empty());
        if waiting.is_empty() {
            return Ok(None);
        }
        let known = suspect::Entity::of(app.db.read(), waiting.iter().map(|row| row.id)).await?;
        let known: HashMap<DeliveryId, usize> = known
            .into_iter()
            .map(|row| (row.delivery_id, part(row.company)))
            .collect();
        let part_of = |row: &delivery::Model| known.get(&row.id).copied().unwrap_or(1);
        let size = waiting.iter().map(part_of).max().unwrap_or(1);
        let mut waiting: Vec<_> = waiting
            .into_iter()
            .filter(|row| (part_of(row) == 1) == (size == 1))
            .collect();
        waiting.sort_by_key(|row| Reverse(part_of(row)));
        let endpoints: Vec<Uuid> = waiting.iter().filter_map(delivery::Model::endpoint).collect();
        let closed = holds::closed_among(app, &endpoints, now).await?;
        let mut tried = HashSet::new();
        waiting.retain(|row| {
            let paused = row.endpoint().filter(|id| closed.contains_key(id));
            paused.is_none_or(|id| tried.insert(id))
        });
        Ok(Some(Self {
            waiting,
            size,
            paused: tried,
        }))
    }
}

/// Claims the next part of what is isolated, once the last one is over. Nothing waits for being alone longer than a part of one is
/// the next.
pub(super) async fn claim(tools: &Tools, owner: Uuid, now: DateTime<Utc>) -> Result<Vec<Claimed>> {
    let (app, slots) = (&tools.app, &tools.app.queue.slots);
    if slots.isolated() > 0 {
        return Ok(Vec::new());
    }
    let next = NextPart::find(app, now).await;
    let Some(next) = next.inspect_err(|_error| slots.give_up_alone())? else {
        slots.give_up_alone();
        return Ok(Vec::new());
    };
    if next.size > 1 {
        slots.give_up_alone();
    }
    let slot_for = |row: &delivery::Model| {
        if next.size > 1 {
            slots.try_take_isolated(row.account_id, row.destination())
        } else {
            slots.try_take_alone(row.account_id, row.destination())
        }
    };
    let found = next.waiting.iter().filter_map(|row| Some((row, slot_for(row)?)));
    let found: Vec<(&delivery::Model, Slot)> = found.take(next.size).collect();
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let _claiming = app.queue.unless_panicking();
    let (mut ids, mut rows, mut taken) = (Vec::new(), Vec::new(), HashMap::new());
    for (row, slot) in found {
        match row.endpoint().filter(|id| next.paused.contains(id)) {
            Some(endpoint) => {
                let probe = holds::probe(app, owner, endpoint, row.id).await;
                rows.extend(probe.inspect_err(|_error| app.queue.abandon_lease())?);
            }
            None => ids.push(row.id),
        }
        taken.insert(row.id, slot);
    }
    // Rows may be ours, if only the answer was lost, that nobody here will attempt: with another lease, they are taken over.
    let others = delivery::Entity::claim_isolated(app.db.write(), owner, ids, now).await;
    rows.extend(others.inspect_err(|_error| app.queue.abandon_lease())?);
    let opened = claim::open(app, &tools.contents, rows, taken).await;
    opened.inspect_err(|_error| app.queue.abandon_lease())
}

#[cfg(test)]
mod tests;
