//! The operator's master key: telling a wrong one, and moving to a new one.

use anyhow::bail;
use entity::{account_key, instance};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, QuerySelect, Set, Unchanged};

use super::{Vault, key_holders};
use crate::clock::Clock;
use crate::config::ConfigError;
use crate::database::Db;

/// Name of the stored constant.
const CHECK: &str = "master_key_check";

/// Refuses a master key that is not the database's. Of two first starts one value is kept, and both compare with it.
pub async fn check(db: &Db, vault: &Vault) -> anyhow::Result<()> {
    let row = instance::ActiveModel {
        name: Set(CHECK.into()),
        value: Set(vault.check_value()?),
    };
    instance::Entity::insert(row)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(db.write())
        .await?;
    if is_known(db.write(), vault).await? != Some(true) {
        let text = "LEADMESH_MASTER_KEY is not the key that this database was made with: set the right one, or every encrypted value stays closed";
        return Err(ConfigError::Set(text.to_owned()).into());
    }
    let closed = count_closed(db.write(), vault).await?;
    if closed > 0 {
        return Err(ConfigError::Set(closed_advice(closed)).into());
    }
    Ok(())
}

/// Counts the data keys that this vault does not open: the values of their accounts would stay closed, and their leads be
/// refused.
pub async fn count_closed(db: &impl ConnectionTrait, vault: &Vault) -> Result<usize, DbErr> {
    let keys = account_key::Entity::for_operator().all(db).await?;
    Ok(keys.iter().filter(|key| !vault.opens(key)).count())
}

pub fn closed_advice(count: usize) -> String {
    format!(
        "{count} data keys are not under LEADMESH_MASTER_KEY, though the others are: set LEADMESH_PREVIOUS_MASTER_KEY to the master key before and run `leadmesh keys rewrap`"
    )
}

/// Reads under which master key the data keys are. Shares a lock that `rewrap` takes alone, so that no key is made under the
/// previous master key.
pub(super) async fn shared_check_value(db: &impl ConnectionTrait) -> Result<Option<String>, DbErr> {
    let stored = instance::Entity::named(CHECK).lock_shared().one(db).await?;
    Ok(stored.map(|fact| fact.value))
}

/// Whether the database is under this master key; none before its first start.
pub async fn is_known(db: &impl ConnectionTrait, vault: &Vault) -> anyhow::Result<Option<bool>> {
    let stored = instance::Entity::named(CHECK).one(db).await?;
    Ok(stored.map(|fact| vault.is_check_value(&fact.value)))
}

/// Moves every data key from the previous master key to this one, in one transaction; answers how many there are. Repeating it
/// changes nothing. Refused while a process runs that does not open the new master key: its submissions would fail from then
/// on.
pub async fn rewrap(db: &Db, clock: &Clock, vault: &Vault, previous: &Vault) -> anyhow::Result<usize> {
    let tx = db.begin().await?;
    let under = (is_known(&tx, previous).await?, is_known(&tx, vault).await?);
    match under {
        (None, _) => bail!("there are no keys to move yet: start the server first, with the new master key alone"),
        (Some(false), Some(false)) => {
            let text = "LEADMESH_PREVIOUS_MASTER_KEY is not the key that this database was made with: set it to the one that the servers use now";
            return Err(ConfigError::Set(text.to_owned()).into());
        }
        _ => {}
    }
    let without = key_holders::count_without(&tx, vault, clock.now()).await?;
    if without > 0 {
        let text = format!(
            "{without} running server processes do not know the new master key and could not open anything afterwards: restart each with its present LEADMESH_MASTER_KEY and the new key as LEADMESH_PREVIOUS_MASTER_KEY, or stop them, then run this again; a process that was killed counts for 30 seconds"
        );
        return Err(ConfigError::Set(text).into());
    }
    // First: it waits for concurrent makers of keys, and later ones see the new value.
    let fact = instance::ActiveModel {
        name: Unchanged(CHECK.into()),
        value: Set(vault.check_value()?),
    };
    fact.update(&tx).await?;
    let keys = account_key::Entity::for_operator().all(&tx).await?;
    let count = keys.len();
    for key in keys {
        vault.rewrap(&tx, previous, key).await?;
    }
    tx.commit().await?;
    Ok(count)
}
