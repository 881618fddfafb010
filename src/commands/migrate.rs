//! `leadmesh migrate`.

use std::io::Write;

use anyhow::Context;

use super::logs;
use crate::config::{self, ConfigError, Settings};
use crate::database::Db;

/// Brings the schema up to date. Of the settings it needs no more than the database.
pub(super) async fn migrate(settings: &Settings, out: &mut impl Write) -> anyhow::Result<()> {
    logs::start(&settings.log, settings.log_format)?;
    let url = config::database_url(settings)?;
    if settings.database_url.is_none() {
        std::fs::create_dir_all(&settings.data_dir).map_err(|source| ConfigError::DataDir {
            path: settings.data_dir.clone(),
            source,
        })?;
    }
    let db = Db::connect(&url, settings.database_connections)
        .await
        .context("cannot connect to the database that DATABASE_URL names")?;
    let made = db.migrate().await.context("cannot bring the schema up to date")?;
    match made {
        0 => writeln!(out, "the schema was up to date")?,
        1 => writeln!(out, "the schema is up to date: 1 change was made")?,
        count => writeln!(out, "the schema is up to date: {count} changes were made")?,
    }
    Ok(())
}
