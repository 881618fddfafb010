//! What leads are settled over, held locked: counters of caps, then turns of profiles, each in one order, so that two
//! transactions never wait for each other. Whoever locks any of it locks all that it will need at once.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use entity::ids::ProfileId;
use entity::profile_turn::Owed;
use entity::{bulk, cap_usage, profile_turn};
use sea_orm::{ActiveModelTrait, ConnectionTrait, DatabaseTransaction, Set};

use crate::allocate::{Counter, Ledger, Settling, Touched, Turns};
use leadmesh_core::error::Result;

/// What the partners of profiles are owed.
type Standings = BTreeMap<ProfileId, Owed>;

/// Makes the rows that are missing and locks all; `seen` are turns that are only looked at.
pub async fn lock(tx: &DatabaseTransaction, touched: Touched, seen: Standings) -> Result<(Ledger, Turns)> {
    let ledger = lock_counters(tx, touched.counters).await?;
    let mut standings = lock_turns(tx, touched.turns).await?;
    standings.extend(seen);
    Ok((ledger, Turns::new(standings)))
}

/// Whose turn it is, as it stands.
pub async fn look_at_turns(
    db: &impl ConnectionTrait,
    profiles: impl IntoIterator<Item = ProfileId>,
) -> Result<Standings> {
    let profiles: Vec<ProfileId> = profiles.into_iter().collect();
    if profiles.is_empty() {
        return Ok(Standings::new());
    }
    let rows = profile_turn::Entity::of_profiles(profiles).all(db).await?;
    Ok(rows.into_iter().map(|row| (row.profile_id, row.owed)).collect())
}

/// Writes back what was settled.
pub async fn write(tx: &DatabaseTransaction, settling: &Settling) -> Result<()> {
    write_counters(tx, &settling.ledger).await?;
    for (profile, owed) in settling.turns.changes() {
        let row = profile_turn::ActiveModel {
            profile_id: Set(profile),
            owed: Set(owed.clone()),
        };
        row.update(tx).await?;
    }
    Ok(())
}

/// Writes back what was counted.
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
    let kept = cap_usage::Entity::locked(caps, windows).all(tx).await?;
    let used = kept
        .into_iter()
        .map(|row| ((row.cap_id, row.window_start), row.used))
        .collect();
    Ok(Ledger::new(used))
}

async fn lock_turns(tx: &DatabaseTransaction, wanted: BTreeSet<ProfileId>) -> Result<Standings> {
    if wanted.is_empty() {
        return Ok(Standings::new());
    }
    let rows = wanted.iter().map(|profile| profile_turn::ActiveModel {
        profile_id: Set(*profile),
        owed: Set(Owed::default()),
    });
    bulk::insert_if_absent::<profile_turn::Entity>(tx, rows.collect()).await?;
    let kept = profile_turn::Entity::locked(wanted).all(tx).await?;
    Ok(kept.into_iter().map(|row| (row.profile_id, row.owed)).collect())
}
