//! The ledger of places on caps. A counter of a cap stands at what its flow or source has accepted, or at the number of
//! deliveries that hold a place in its window. A delivery [`holds`] the places that its row names while it may still arrive and
//! when it has arrived; whatever ends it otherwise gives them back once, and a retry by hand takes new ones, within the caps and
//! in the windows of that moment.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use entity::cap_usage::{self, Cap};
use entity::delivery::{DeliveryStatus, Model, Reservations, ReviewStatus};
use entity::ids::{CapId, DeliveryId};
use sea_orm::DatabaseTransaction;

use leadmesh_core::error::Result;
use leadmesh_leads::allocate::{Touched, cap_text};
use leadmesh_leads::intake::{lock, write_counters};

/// Whether a delivery counts on the caps that its reservations name.
pub(super) fn holds(row: &Model) -> bool {
    match row.status {
        DeliveryStatus::Queued | DeliveryStatus::Sending | DeliveryStatus::Retrying => true,
        DeliveryStatus::Delivered => row.review != Some(ReviewStatus::Rejected),
        DeliveryStatus::Failed | DeliveryStatus::Refused | DeliveryStatus::Cancelled => false,
    }
}

/// Gives back what a delivery holds: a lead that finally went nowhere does not count.
pub(crate) async fn release(tx: &DatabaseTransaction, delivery: &Model) -> Result<()> {
    // In the order in which everybody locks them.
    let mut reservations: Vec<_> = delivery.reservations.0.iter().collect();
    reservations.sort_unstable_by_key(|reservation| (reservation.cap, reservation.window));
    for reservation in reservations {
        cap_usage::Entity::release(tx, reservation.cap, reservation.window).await?;
    }
    Ok(())
}

/// Takes the same places again, whatever the limits, for a delivery that had given them back: its recipient has the lead after
/// all, and that is a fact.
pub(super) async fn take_again(tx: &DatabaseTransaction, row: &Model) -> Result<()> {
    if holds(row) {
        return Ok(());
    }
    let mut places: BTreeMap<(CapId, DateTime<Utc>), i32> = BTreeMap::new();
    for reservation in &row.reservations.0 {
        *places.entry((reservation.cap, reservation.window)).or_default() += 1;
    }
    for (place, leads) in places {
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
    rows: &[Model],
    caps_of: impl Fn(&Model) -> Vec<Cap>,
    now: DateTime<Utc>,
) -> Result<Reserved> {
    let mut reserved = Reserved {
        places: HashMap::new(),
        full: HashMap::new(),
    };
    let (mut wanted, mut touched) = (Vec::new(), Touched::default());
    for row in rows {
        if holds(row) {
            reserved.places.insert(row.id, row.reservations.clone());
            continue;
        }
        // A test counts nowhere.
        let caps = if row.test { Vec::new() } else { caps_of(row) };
        touched.add_caps(&caps, now);
        wanted.push((row.id, caps));
    }
    let (mut ledger, _) = lock(tx, touched, BTreeMap::new()).await?;
    for (id, caps) in wanted {
        match ledger.reserve(&caps, now) {
            Ok(places) => drop(reserved.places.insert(id, Reservations(places))),
            Err(full) => drop(reserved.full.insert(id, cap_text(full))),
        }
    }
    write_counters(tx, &ledger).await?;
    Ok(reserved)
}
