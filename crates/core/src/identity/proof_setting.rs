//! Whether addresses have to be proven, agreed by all processes of an installation.
//!
//! The setting is stored in the database, because it decides which unproven addresses others may see. A process with another
//! setting does not start while others run; the setting changes with the first process that starts alone.

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

const NAME: &str = "proof_of_address";

/// Makes this process one of the installation, before it serves; answers the identifier by which it announces itself. Refuses a
/// setting that differs from the running processes', and one that requires less than before without being set explicitly.
pub async fn join(app: &App) -> anyhow::Result<Uuid> {
    let (own, now) = (app.config.address_proof(), app.clock.now());
    let tx = app.db.begin().await?;
    let before = stored(&tx).await?;
    let stored = keep_first(&tx, own).await?;
    if stored != own {
        // Running processes agree with the stored setting: each compared it under this lock before it announced itself.
        let others = if app.config.is_embedded() {
            0
        } else {
            key_holders::count(&tx, now).await?
        };
        check_change(&app.config, stored, others)?;
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

/// The installation's setting; none before its first start.
pub async fn stored(db: &impl ConnectionTrait) -> Result<Option<AddressProof>, DbErr> {
    let fact = instance::Entity::named(NAME).one(db).await?;
    Ok(fact.map(|fact| read(&fact.value)))
}

/// Whether the installation's setting differs. An unreachable database counts as no.
pub async fn differs(db: &impl ConnectionTrait, own: AddressProof) -> bool {
    matches!(stored(db).await, Ok(Some(stored)) if stored != own)
}

/// Whether a process may change the installation's setting while `others` run.
pub fn check_change(config: &Config, stored: AddressProof, others: usize) -> Result<(), ConfigError> {
    let own = config.address_proof();
    if own == stored {
        return Ok(());
    }
    if others > 0 {
        return Err(ConfigError::Set(format!(
            "LEADMESH_PROOF_OF_ADDRESS is {} for this process and {} for the {others} that run: give all the same mail settings and the \
             same LEADMESH_PROOF_OF_ADDRESS; to change it, stop all of them first (one that was killed counts for 30 seconds)",
            display(own),
            display(stored)
        )));
    }
    // Missing mail settings are more likely an oversight than the wish to count unproven addresses.
    if own == AddressProof::NotRequired && config.settings.proof_of_address.is_none() {
        let text = "addresses have to be proven on this installation, and LEADMESH_SMTP_URL is not set: set it and LEADMESH_MAIL_FROM as \
                    before, or LEADMESH_PROOF_OF_ADDRESS=off if addresses are to count without proof from now on";
        return Err(ConfigError::Set(text.to_owned()));
    }
    Ok(())
}

/// Stores the setting if none is stored yet; answers the stored one, locked until the end of the transaction.
async fn keep_first(tx: &DatabaseTransaction, own: AddressProof) -> Result<AddressProof, DbErr> {
    let row = instance::ActiveModel {
        name: Set(NAME.to_owned()),
        value: Set(display(own).to_owned()),
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
        value: Set(display(own).to_owned()),
    };
    fact.update(tx).await?;
    Ok(())
}

pub fn display(proof: AddressProof) -> &'static str {
    match proof {
        AddressProof::Required => "required",
        AddressProof::NotRequired => "off",
    }
}

/// An unreadable value requires more, not less.
fn read(value: &str) -> AddressProof {
    if value == "off" {
        AddressProof::NotRequired
    } else {
        AddressProof::Required
    }
}
