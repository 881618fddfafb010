//! Deliveries that kill processes. One that exhausts the memory or overflows the stack takes the whole process with it, and would do so
//! again after every restart, whatever its retry policy, since no outcome is ever recorded.
//!
//! The deliveries under way when a process died are recorded as suspects when its lease is taken over. A process may die for many
//! reasons, and two hundred deliveries may be under way, so one death says little:
//!
//! - After one death, or a second with many suspects, nothing changes: all of them are attempted again.
//! - Suspects of three deaths in a row (of two, if the second leaves few suspects) without a finished attempt between are *isolated*: an
//!   eighth of them is attempted at a time, beside all other work. The next death leaves only that part suspect.
//! - Once few are suspect, each is attempted *alone*, while nothing else is under way in its process. Only then no other delivery can
//!   have killed it, and only then a delivery is set aside: when the process dies twice in a row without a finished attempt between. Once
//!   is not enough, since an operator who kills processes at random also hits deliveries that are alone.
//!
//! So a delivery that was alone from the beginning is set aside at the second death, one among two hundred at the seventh. Any attempt
//! that ends, well or not, clears a delivery.
//!
//! The death of a worker that was told to stop does not count, nor that of one that is found to live: it clears its deliveries.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus};
use entity::ids::DeliveryId;
use entity::suspect::{self, Model};
use sea_orm::DatabaseTransaction;
use serde_json::json;
use uuid::Uuid;

use super::claim;
use super::probes::{open_among, probe};
use super::tools::Tools;
use crate::finish::{Effects, Ending, finish};
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Actor, Entry};
use leadmesh_core::error::Result;
use leadmesh_core::queue::Claimed;
use leadmesh_core::queue::slots::Slot;

/// Deaths in a row after which a delivery may be set aside, or is isolated if the last death leaves few suspects.
const SUSPECTED_AFTER: i32 = 2;
/// Deaths in a row after which a delivery is isolated, however many suspects there are.
const ISOLATED_AFTER: i32 = 3;
/// Up to this many suspects are attempted alone.
const FEW: i32 = 8;
/// Of more suspects, one in this many is attempted at a time.
const PART: i32 = 8;
const MAX_READ: u64 = 256;

/// What a death means for the deliveries that were under way.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdicts {
    /// The suspects, as they are stored.
    known: Vec<Model>,
    pub(super) isolated: Vec<DeliveryId>,
    set_aside: Vec<DeliveryId>,
}

/// Judges the deliveries that were under way when the process that held `lease` died. An erased lead cannot kill.
pub(super) async fn judge(
    tx: &DatabaseTransaction,
    released: &[delivery::Model],
    lease: Uuid,
    now: DateTime<Utc>,
) -> Result<Verdicts> {
    let before = suspect::Entity::of(tx, released.iter().map(|row| row.id)).await?;
    let before = before.into_iter().map(|row| (row.delivery_id, row)).collect();
    Ok(verdicts(released, &before, lease, now))
}

fn verdicts(
    released: &[delivery::Model],
    before: &HashMap<DeliveryId, Model>,
    lease: Uuid,
    now: DateTime<Utc>,
) -> Verdicts {
    // An attempt that has ended between the two deaths clears a delivery. One that was put back does not count.
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

fn is_isolated(known: &Model) -> bool {
    known.deaths >= ISOLATED_AFTER || (known.deaths >= SUSPECTED_AFTER && known.company <= FEW)
}

pub(super) struct Consequences {
    pub(super) set_aside: Vec<delivery::Model>,
    pub(super) effects: Effects,
}

/// Stores what is known of the deliveries that were under way, isolates them, and sets aside. Setting aside opens no lead and routes
/// it to no other partner, since that may be what kills.
pub(super) async fn carry_out(
    app: &App,
    tx: &DatabaseTransaction,
    released: &[delivery::Model],
    verdicts: &Verdicts,
    now: DateTime<Utc>,
) -> Result<Consequences> {
    suspect::Entity::keep(tx, verdicts.known.clone()).await?;
    if !verdicts.isolated.is_empty() {
        delivery::Entity::isolate(tx, verdicts.isolated.clone()).await?;
    }
    let ends = |row: &&delivery::Model| verdicts.set_aside.contains(&row.id);
    let endings = released.iter().filter(ends);
    let endings = endings
        .map(|row| Ending::new(row, DeliveryStatus::Failed, Some(DeliveryErrorCode::SetAside)))
        .collect();
    let mut effects = finish(app, tx, endings, now).await?;
    let waiting = released.iter().filter(|row| !ends(row));
    effects.extend(Effects::changed(waiting));
    let set_aside = set_aside(app, tx, verdicts, now).await?;
    Ok(Consequences { set_aside, effects })
}

async fn set_aside(
    app: &App,
    tx: &DatabaseTransaction,
    verdicts: &Verdicts,
    now: DateTime<Utc>,
) -> Result<Vec<delivery::Model>> {
    let Some(one) = verdicts.set_aside.first() else {
        return Ok(Vec::new());
    };
    let deaths = verdicts.known.iter().find(|known| known.delivery_id == *one);
    let message = format!(
        "set aside: processes of this server ended {} times in a row while they attempted it, the last time with nothing else under \
         way. Its template or its lead may need too much memory: correct it, then retry the delivery by hand",
        deaths.map_or(SUSPECTED_AFTER, |known| known.deaths)
    );
    let rows = delivery::Entity::set_aside(tx, verdicts.set_aside.clone(), &message, now).await?;
    for row in &rows {
        let entry = Entry {
            action: "delivery.set_aside",
            subject_type: "Delivery",
            subject_id: row.id.to_string(),
            label: None,
            changes: Some(json!({ "attempts": row.attempt_count })),
        };
        audit::record(tx, &app.clock, row.account_id, &Actor::system(), entry).await?;
    }
    Ok(rows)
}

/// Logs and counts deliveries that were set aside, after the commit.
pub(super) fn report(app: &App, set_aside: &[delivery::Model], now: DateTime<Utc>) {
    for row in set_aside {
        tracing::error!(
            delivery = %row.id, account = %row.account_id, lead = %row.lead_id,
            "set a delivery aside: processes died again and again while they attempted it"
        );
        app.metrics
            .ended(row.channel, DeliveryStatus::Failed, now - row.created_at);
    }
    app.metrics.set_aside(set_aside.len());
}

/// How many of the suspects of a death are attempted at a time; one is attempted alone.
fn part(company: i32) -> usize {
    let part = if company <= FEW {
        1
    } else {
        company.div_euclid(PART) + i32::from(company % PART > 0)
    };
    usize::try_from(part).unwrap_or(1)
}

struct NextPart {
    /// In order, more than may be attempted together.
    waiting: Vec<delivery::Model>,
    size: usize,
    /// Endpoints with an open circuit that one of them may probe.
    paused: HashSet<Uuid>,
}

impl NextPart {
    /// Large parts first, and single ones when there is no larger; none if nothing is isolated.
    async fn find(app: &App, now: DateTime<Utc>) -> Result<Option<Self>> {
        let waiting = delivery::Entity::isolated(now, MAX_READ).all(app.db.read()).await?;
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
        let open = open_among(app, &endpoints, now).await?;
        let mut tried = HashSet::new();
        waiting.retain(|row| {
            let paused = row.endpoint().filter(|id| open.contains_key(id));
            paused.is_none_or(|id| tried.insert(id))
        });
        Ok(Some(Self {
            waiting,
            size,
            paused: tried,
        }))
    }
}

/// Claims the next part of the isolated deliveries, once the last one has ended.
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
    let _claiming = app.queue.abandon_on_panic();
    let (mut ids, mut rows, mut taken) = (Vec::new(), Vec::new(), HashMap::new());
    for (row, slot) in found {
        match row.endpoint().filter(|id| next.paused.contains(id)) {
            Some(endpoint) => {
                let probe = probe(app, owner, endpoint, row.id).await;
                rows.extend(probe.inspect_err(|_error| app.queue.abandon_lease())?);
            }
            None => ids.push(row.id),
        }
        taken.insert(row.id, slot);
    }
    // If only the answer was lost, rows are claimed that this process does not know of. Under another lease they are taken over.
    let others = delivery::Entity::claim_isolated(app.db.write(), owner, ids, now).await;
    rows.extend(others.inspect_err(|_error| app.queue.abandon_lease())?);
    let opened = claim::open(tools, rows, taken).await;
    opened.inspect_err(|_error| app.queue.abandon_lease())
}

#[cfg(test)]
mod tests;
