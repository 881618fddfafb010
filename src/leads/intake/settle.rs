//! Storing leads with all that follows from them, at the buyers too, within one transaction. Duplicates, caps and who gets what
//! are settled here, because only here they are exact. Whatever a transaction locks for its leads it locks at once and in one
//! order, so that leads that go from A to B never wait for those that go from B to A.

use std::collections::{BTreeSet, HashSet};

use entity::ids::AccountId;
use entity::{account, bulk, cap_usage, delivery, lead};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, Set};

use super::duplicates::Claims;
use super::rows::{Occasion, Rows, rows};
use crate::app::App;
use crate::error::Result;
use crate::leads::allocate::{Counter, Ledger, Settling, allocate, counters};
use crate::leads::branch::Entering;
use crate::leads::entrances::Versions;
use crate::leads::receipts::Receipt;
use crate::live::events::NewEvent;
use crate::queue::Claimed;

/// A decided lead, and the occasion on which it came.
pub struct ToStore<'a> {
    /// The lead.
    pub lead: &'a mut Entering,
    /// How it came.
    pub occasion: Occasion,
}

/// What was stored, and what follows from it after the commit.
#[derive(Default)]
pub struct Settled {
    /// One for each lead, in order.
    pub receipts: Vec<Receipt>,
    /// To be appended to the logs, as the last act.
    pub events: Vec<NewEvent>,
    /// Deliveries that this process' worker starts at once.
    pub claimed: Vec<Claimed>,
    /// Deliveries that wait for a worker.
    pub waiting: Vec<entity::ids::DeliveryId>,
}

/// Stores leads in the caller's transaction, and locks further counters that the caller will touch. On an error the transaction
/// must be given up.
pub async fn settle(
    app: &App,
    tx: &DatabaseTransaction,
    mut leads: Vec<ToStore<'_>>,
    further: BTreeSet<Counter>,
) -> Result<Settled> {
    let mut claims = Claims::default();
    for ToStore { lead, occasion } in leads.iter_mut().filter(|stored| !stored.occasion.test) {
        claims.add(lead, occasion.at);
    }
    claims.take(tx).await?;
    for ToStore { lead, occasion } in leads.iter_mut().filter(|stored| !stored.occasion.test) {
        claims.refuse(lead, occasion.at);
    }
    let mut settling = Settling::new(lock_caps(tx, &leads, further).await?, app.clock.now());
    let mut all = Rows::default();
    let mut receipts = Vec::with_capacity(leads.len());
    for ToStore { lead, occasion } in leads {
        (settling.now, settling.test) = (occasion.at, occasion.test);
        let chosen = allocate(lead, &mut settling);
        receipts.push(rows(app, lead, chosen, &occasion, &mut all)?);
    }
    claims.keep(tx, &settling.accepted).await?;
    write_caps(tx, &settling.ledger).await?;
    bulk::insert_both::<lead::Entity, delivery::Entity>(tx, all.leads, all.deliveries).await?;
    Ok(Settled {
        receipts,
        events: all.events,
        claimed: all.claimed,
        waiting: all.waiting,
    })
}

/// Whether every account that a lead rests on has the version that it was decided by.
pub fn versions_hold(lead: &Entering, newest: &Versions) -> bool {
    let mut rests_on: Vec<(AccountId, i64)> = Vec::new();
    lead.versions(&mut rests_on);
    rests_on
        .iter()
        .all(|(account, version)| newest.get(account) == Some(version))
}

/// Every account that leads rest on.
pub(super) fn accounts<'a>(leads: impl Iterator<Item = &'a Entering>) -> BTreeSet<AccountId> {
    let mut rests_on = Vec::new();
    leads.for_each(|lead| lead.versions(&mut rests_on));
    rests_on.into_iter().map(|(account, _)| account).collect()
}

/// The versions now of every account that a lead rests on.
pub async fn newest_versions(tx: &DatabaseTransaction, lead: &Entering) -> Result<Versions> {
    let accounts = accounts(std::iter::once(lead));
    Ok(account::Entity::versions(tx, accounts).await?.into_iter().collect())
}

/// Locks every counter that the leads may touch, and the further ones.
async fn lock_caps(tx: &DatabaseTransaction, leads: &[ToStore<'_>], mut wanted: BTreeSet<Counter>) -> Result<Ledger> {
    for stored in leads.iter().filter(|stored| !stored.occasion.test) {
        counters(stored.lead, stored.occasion.at, &mut wanted);
    }
    if wanted.is_empty() {
        return Ok(Ledger::default());
    }
    lock_counters(tx, wanted).await
}

/// Makes the counters that are missing and locks all.
pub async fn lock_counters(tx: &DatabaseTransaction, wanted: BTreeSet<Counter>) -> Result<Ledger> {
    let rows = wanted.iter().map(|(cap, window)| cap_usage::ActiveModel {
        cap_id: Set(*cap),
        window_start: Set(*window),
        used: Set(0),
    });
    bulk::insert_if_absent::<cap_usage::Entity>(tx, rows.collect()).await?;
    let caps: HashSet<_> = wanted.iter().map(|(cap, _)| *cap).collect();
    let windows: BTreeSet<_> = wanted.iter().map(|(_, window)| *window).collect();
    let kept = cap_usage::Entity::locked(caps, windows).all(tx).await?;
    let used = kept
        .into_iter()
        .map(|row| ((row.cap_id, row.window_start), row.used))
        .collect();
    Ok(Ledger::new(used))
}

/// Writes the counters back.
pub async fn write_caps(tx: &DatabaseTransaction, ledger: &Ledger) -> Result<()> {
    for ((cap, window), used) in ledger.changes() {
        let row = cap_usage::ActiveModel {
            cap_id: Set(cap),
            window_start: Set(window),
            used: Set(used),
        };
        row.update(tx).await?;
    }
    Ok(())
}
