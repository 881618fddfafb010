//! Whether addresses have to be proven, as all processes of an installation go by it.
//!
//! The setting is kept in the database, because it decides what is written there of addresses that nobody has proven. A process
//! with another setting would show strangers what the others keep back, so it does not start; the setting changes with the
//! first process that starts when no other runs.

use entity::instance;
use entity::proof::AddressProof;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QuerySelect, Set, Unchanged,
};
use uuid::Uuid;

use super::addresses;
use crate::app::App;
use crate::config::{Config, ConfigError};
use crate::crypto::key_holders;

/// The fact that keeps the setting.
const NAME: &str = "proof_of_address";

/// Makes this process one of the installation, before it serves; answers by which identifier it announces itself. Of an embedded
/// database it is the only server already.
///
/// # Errors
///
/// Another setting than the one that the running processes go by, and one that asks for less than before without being set.
pub async fn join(app: &App) -> anyhow::Result<Uuid> {
    let (own, now) = (app.config.address_proof(), app.clock.now());
    let tx = app.db.begin().await?;
    let before = kept(&tx).await?;
    let kept = keep_first(&tx, own).await?;
    if kept != own {
        // Processes that run share the kept setting: each has compared it before it announced itself, under the same lock.
        let others = if app.config.is_embedded() {
            0
        } else {
            key_holders::count(&tx, now).await?
        };
        check_change(&app.config, kept, others)?;
    }
    if before != Some(own) {
        addresses::apply_setting(&tx, own).await?;
        keep(&tx, own).await?;
    }
    let process = app.clock.id();
    key_holders::announce_once(&tx, process, &app.vault, now).await?;
    tx.commit().await?;
    Ok(process)
}

/// What the installation goes by; none before its first start.
pub async fn kept(db: &impl ConnectionTrait) -> Result<Option<AddressProof>, DbErr> {
    let fact = instance::Entity::named(NAME).one(db).await?;
    Ok(fact.map(|fact| read(&fact.value)))
}

/// Whether the installation goes by another setting than this one. A database that does not answer says nothing.
pub async fn differs(db: &impl ConnectionTrait, own: AddressProof) -> bool {
    matches!(kept(db).await, Ok(Some(kept)) if kept != own)
}

/// Whether a process with these settings may change the installation's from this one, with so many others running.
pub fn check_change(config: &Config, kept: AddressProof, others: usize) -> Result<(), ConfigError> {
    let own = config.address_proof();
    if own == kept {
        return Ok(());
    }
    if others > 0 {
        return Err(ConfigError::Set(format!(
            "LEADMESH_PROOF_OF_ADDRESS is {} for this process and {} for the {others} that run: give all the same mail settings and the \
             same LEADMESH_PROOF_OF_ADDRESS; to change it, stop all of them first (one that was killed counts for 30 seconds)",
            written(own),
            written(kept)
        )));
    }
    // Forgotten mail settings are more likely than the wish that addresses of strangers count.
    if own == AddressProof::NotRequired && config.settings.proof_of_address.is_none() {
        let text = "addresses have to be proven on this installation, and LEADMESH_SMTP_URL is not set: set it and LEADMESH_MAIL_FROM as \
                    before, or LEADMESH_PROOF_OF_ADDRESS=off if addresses are to count without proof from now on";
        return Err(ConfigError::Set(text.to_owned()));
    }
    Ok(())
}

/// Keeps the setting if none is kept yet; answers the one that is. No other process reads or changes it until the end of the
/// transaction.
async fn keep_first(tx: &DatabaseTransaction, own: AddressProof) -> Result<AddressProof, DbErr> {
    let row = instance::ActiveModel {
        name: Set(NAME.to_owned()),
        value: Set(written(own).to_owned()),
    };
    instance::Entity::insert(row)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(tx)
        .await?;
    let fact = instance::Entity::named(NAME).lock_exclusive().one(tx).await?;
    Ok(fact.map_or(own, |fact| read(&fact.value)))
}

async fn keep(tx: &DatabaseTransaction, own: AddressProof) -> Result<(), DbErr> {
    let fact = instance::ActiveModel {
        name: Unchanged(NAME.to_owned()),
        value: Set(written(own).to_owned()),
    };
    fact.update(tx).await?;
    Ok(())
}

/// As operators set it.
pub fn written(proof: AddressProof) -> &'static str {
    match proof {
        AddressProof::Required => "required",
        AddressProof::NotRequired => "off",
    }
}

/// What is kept and cannot be read asks for more, not for less.
fn read(value: &str) -> AddressProof {
    if value == "off" {
        AddressProof::NotRequired
    } else {
        AddressProof::Required
    }
}
