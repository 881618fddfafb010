//! `leadmesh keys`.

use std::io::Write;

use anyhow::Context;

use super::account::{open, require_data};
use super::{explained, logs};
use leadmesh_core::app::connection_error;
use leadmesh_core::clock::Clock;
use leadmesh_core::config::{Config, ConfigError, Settings};
use leadmesh_core::crypto::{Vault, master_key};
use leadmesh_core::database::{Db, time};
use leadmesh_core::identity::data_keys;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Makes a new data key for every account and the instance; what is encrypted stays readable
    Rotate(Box<Settings>),
    /// Moves all data keys from LEADMESH_PREVIOUS_MASTER_KEY to LEADMESH_MASTER_KEY
    Rewrap(Box<Settings>),
}

pub(super) async fn keys(command: Command, out: &mut impl Write) -> anyhow::Result<()> {
    match command {
        Command::Rotate(settings) => {
            let app = open(*settings).await?;
            let accounts = data_keys::rotate_all(&app).await.map_err(explained)?;
            writeln!(
                out,
                "new data keys for {accounts} accounts and the instance; running servers use them within 30 seconds"
            )?;
        }
        Command::Rewrap(settings) => rewrap(*settings, out).await?,
    }
    Ok(())
}

/// Works on the database alone: the app would not open while the keys are under another master key.
async fn rewrap(settings: Settings, out: &mut impl Write) -> anyhow::Result<()> {
    logs::start(&settings.log, settings.log_format)?;
    require_data(&settings)?;
    if settings.master_key.is_none() {
        return Err(wanted("LEADMESH_MASTER_KEY to the new key"));
    }
    let config = Config::new(settings)?;
    let Some(previous) = &config.previous_master_key else {
        return Err(wanted(
            "LEADMESH_PREVIOUS_MASTER_KEY to the key that the servers use now (generated ones are in master.key of the data directory)",
        ));
    };
    let db = Db::connect(&config.database_url, config.settings.database_connections)
        .await
        .map_err(|error| connection_error(&error))?;
    let (vault, previous) = (Vault::new(&config.master_key), Vault::new(previous));
    // Servers announce themselves by the database's clock.
    let clock = Clock::system();
    time::begin(&db, &clock)
        .await
        .context("cannot read the database's clock")?;
    let count = master_key::rewrap(&db, &clock, &vault, &previous).await?;
    writeln!(
        out,
        "{count} data keys are under LEADMESH_MASTER_KEY now, and new ones will be: restart every server with it, and unset LEADMESH_PREVIOUS_MASTER_KEY"
    )?;
    Ok(())
}

fn wanted(what: &str) -> anyhow::Error {
    ConfigError::Set(format!("set {what}")).into()
}
