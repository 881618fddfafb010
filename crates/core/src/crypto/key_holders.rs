//! Which processes run, and which master keys each opens, so that `leadmesh keys rewrap` takes no key away from under one.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::key_holder;
use sea_orm::{ConnectionTrait, DbErr};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Vault;
use crate::clock::Clock;
use crate::database::Db;

const EVERY: Duration = Duration::from_secs(5);
/// A process without a sign for this long does not run any more: it has missed six.
const GONE: TimeDelta = TimeDelta::seconds(30);

/// Announces every 5 seconds which master keys a process opens, until `stop`; then that it is gone.
pub async fn announce(id: Uuid, db: Db, clock: Clock, vault: Vault, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Err(error) = announce_once(db.write(), id, &vault, clock.now()).await {
            tracing::warn!(%error, "cannot announce which master keys this process opens; trying again in 5 seconds");
        }
    }
    // An entry that cannot be removed expires after half a minute.
    let _silent = key_holder::Entity::remove(id).exec(db.write()).await;
}

pub async fn announce_once(
    db: &impl ConnectionTrait,
    id: Uuid,
    vault: &Vault,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let row = key_holder::Model {
        id,
        master_keys: vault.fingerprints().join(" "),
        seen_at: now,
    };
    key_holder::Entity::put(db, row).await?;
    key_holder::Entity::remove_before(now - GONE).exec(db).await?;
    Ok(())
}

pub async fn count(db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<usize, DbErr> {
    Ok(key_holder::Entity::seen_since(db, now - GONE).await?.len())
}

/// Counts the running processes that could not open what is sealed under this vault's own master key.
pub async fn count_without(db: &impl ConnectionTrait, vault: &Vault, now: DateTime<Utc>) -> Result<usize, DbErr> {
    let own = vault.fingerprint();
    let running = key_holder::Entity::seen_since(db, now - GONE).await?;
    let opens = |holder: &key_holder::Model| holder.master_keys.split(' ').any(|key| key == own);
    Ok(running.iter().filter(|holder| !opens(holder)).count())
}
