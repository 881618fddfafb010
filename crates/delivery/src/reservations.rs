//! The ledger of places on caps. A counter of a cap stands at what its flow or source has accepted, or at the number of
//! deliveries that hold a place in its window. A delivery [holds](are_held) the places that its row names while it may still arrive and
//! when it has arrived; whatever ends it otherwise gives them back once, and a retry by hand takes new ones, within the caps and
//! in the windows of that moment.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use entity::cap_usage::{self, Cap};
use entity::delivery::{DeliveryStatus, Model, Reservations, ReviewStatus};
use entity::ids::{CapId, DeliveryId};
use sea_orm::DatabaseTransaction;

use leadmesh_core::error::Result;
use leadmesh_leads::allocate::{LockSet, cap_text};
use leadmesh_leads::intake::{lock, write_counters};

/// Whether a delivery counts on the caps that its reservations name.
pub(super) fn are_held(row: &Model) -> bool {
    match row.status {
        DeliveryStatus::Queued | DeliveryStatus::Sending | DeliveryStatus::Retrying => true,
        DeliveryStatus::Delivered => row.review != Some(ReviewStatus::Rejected),
        DeliveryStatus::Failed | DeliveryStatus::Refused | DeliveryStatus::Cancelled => false,
    }
}

/// Gives back what deliveries hold: leads that finally went nowhere do not count.
pub(super) async fn release(tx: &DatabaseTransaction, deliveries: impl IntoIterator<Item = &Model>) -> Result<()> {
    for (place, leads) in places(deliveries) {
        cap_usage::Entity::release_many(tx, place, leads).await?;
    }
    Ok(())
}

/// The places that deliveries name, with the number of deliveries, in the order in which every transaction locks them.
fn places<'a>(deliveries: impl IntoIterator<Item = &'a Model>) -> BTreeMap<(CapId, DateTime<Utc>), i32> {
    let mut places = BTreeMap::new();
    for reservation in deliveries.into_iter().flat_map(|row| &row.reservations.0) {
        *places.entry((reservation.cap, reservation.window)).or_default() += 1;
    }
    places
}

/// Takes the same places again, whatever the limits, for a delivery that had given them back: its recipient has the lead after
/// all, and that is a fact.
pub(super) async fn take_again(tx: &DatabaseTransaction, row: &Model) -> Result<()> {
    if are_held(row) {
        return Ok(());
    }
    for (place, leads) in places([row]) {
        cap_usage::Entity::count_again(tx, place, leads).await?;
    }
    Ok(())
}

/// What deliveries hold once they are attempted again.
pub(super) struct Reserved {
    /// Of those that may be attempted.
    pub(super) places: HashMap<DeliveryId, Reservations>,
    /// Why the others may not: the cap that is used up, in words.
    pub(super) full: HashMap<DeliveryId, String>,
}

/// Takes places for deliveries that are attempted again, in the order given. One that holds its places keeps them; one that has
/// given them back, or was made without, takes a place on every cap of its recipient that there is now, in the window of now, or
/// on none. The caller holds the deliveries locked.
pub(super) async fn reserve_again(
    tx: &DatabaseTransaction,
    rows: impl IntoIterator<Item = &Model>,
    caps_of: impl Fn(&Model) -> Vec<Cap>,
    now: DateTime<Utc>,
) -> Result<Reserved> {
    let mut reserved = Reserved {
        places: HashMap::new(),
        full: HashMap::new(),
    };
    let (mut wanted, mut locks) = (Vec::new(), LockSet::default());
    for row in rows {
        if are_held(row) {
            reserved.places.insert(row.id, row.reservations.clone());
            continue;
        }
        // A test counts nowhere.
        let caps = if row.test { Vec::new() } else { caps_of(row) };
        locks.add_caps(&caps, now);
        wanted.push((row.id, caps));
    }
    let (mut ledger, _) = lock(tx, locks, BTreeMap::new()).await?;
    for (id, caps) in wanted {
        match ledger.reserve(&caps, now) {
            Ok(places) => drop(reserved.places.insert(id, Reservations(places))),
            Err(full) => drop(reserved.full.insert(id, cap_text(full))),
        }
    }
    write_counters(tx, &ledger).await?;
    Ok(reserved)
}
