//! Locks the rows that leads share: counters of caps, then credits of profiles, each in one order, so that two transactions never wait
//! for each other. A transaction locks everything that it will need with one call.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use entity::ids::ProfileId;
use entity::profile_credit::Credits;
use entity::{bulk, cap_usage, profile_credit};
use sea_orm::{ActiveModelTrait, ConnectionTrait, DatabaseTransaction, Set};

use crate::allocate::{AllocationContext, Counter, Ledger, LockSet, RoundRobin};
use leadmesh_core::error::Result;

type CreditsByProfile = BTreeMap<ProfileId, Credits>;

/// Inserts the rows that are missing and locks all. `seen` are credits that are only read.
pub async fn lock(tx: &DatabaseTransaction, locks: LockSet, seen: CreditsByProfile) -> Result<(Ledger, RoundRobin)> {
    let ledger = lock_counters(tx, locks.counters).await?;
    let mut credits = lock_credits(tx, locks.profiles).await?;
    credits.extend(seen);
    Ok((ledger, RoundRobin::new(credits)))
}

/// Reads credits without locking them.
pub async fn read_credits(
    db: &impl ConnectionTrait,
    profiles: impl IntoIterator<Item = ProfileId>,
) -> Result<CreditsByProfile> {
    let profiles: Vec<ProfileId> = profiles.into_iter().collect();
    if profiles.is_empty() {
        return Ok(CreditsByProfile::new());
    }
    let rows = profile_credit::Entity::of_profiles(profiles).all(db).await?;
    Ok(rows.into_iter().map(|row| (row.profile_id, row.credits)).collect())
}

/// Writes the counters and credits that allocation has changed.
pub async fn write(tx: &DatabaseTransaction, allocation: &AllocationContext) -> Result<()> {
    write_counters(tx, &allocation.ledger).await?;
    for (profile, credits) in allocation.round_robin.changes() {
        let row = profile_credit::ActiveModel {
            profile_id: Set(profile),
            credits: Set(credits.clone()),
        };
        row.update(tx).await?;
    }
    Ok(())
}

/// Writes the counters that have changed.
pub async fn write_counters(tx: &DatabaseTransaction, ledger: &Ledger) -> Result<()> {
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

async fn lock_counters(tx: &DatabaseTransaction, wanted: BTreeSet<Counter>) -> Result<Ledger> {
    if wanted.is_empty() {
        return Ok(Ledger::default());
    }
    let rows = wanted.iter().map(|(cap, window)| cap_usage::ActiveModel {
        cap_id: Set(*cap),
        window_start: Set(*window),
        used: Set(0),
    });
    bulk::insert_if_absent::<cap_usage::Entity>(tx, rows.collect()).await?;
    let caps: HashSet<_> = wanted.iter().map(|(cap, _)| *cap).collect();
    let windows: BTreeSet<_> = wanted.iter().map(|(_, window)| *window).collect();
    let rows = cap_usage::Entity::locked(caps, windows).all(tx).await?.into_iter();
    let used = rows.map(|row| ((row.cap_id, row.window_start), row.used));
    Ok(Ledger::new(used.collect()))
}

async fn lock_credits(tx: &DatabaseTransaction, wanted: BTreeSet<ProfileId>) -> Result<CreditsByProfile> {
    if wanted.is_empty() {
        return Ok(CreditsByProfile::new());
    }
    let rows = wanted.iter().map(|profile| profile_credit::ActiveModel {
        profile_id: Set(*profile),
        credits: Set(Credits::default()),
    });
    bulk::insert_if_absent::<profile_credit::Entity>(tx, rows.collect()).await?;
    let rows = profile_credit::Entity::locked(wanted).all(tx).await?;
    Ok(rows.into_iter().map(|row| (row.profile_id, row.credits)).collect())
}
