//! `leadmesh migrate`.

use std::io::Write;

use anyhow::Context;

use super::logs;
use leadmesh_core::app::connection_error;
use leadmesh_core::config::{self, Settings};
use leadmesh_core::database::Db;
use leadmesh_core::database::server_lock::NoServerLock;

/// Brings the schema up to date. Reads no setting but the database's.
pub(super) async fn migrate(settings: &Settings, out: &mut impl Write) -> anyhow::Result<()> {
    logs::start(&settings.log, settings.log_format)?;
    let url = config::database_url(settings)?;
    if settings.database_url.is_none() {
        config::make_data_dir(&settings.data_dir)?;
    }
    let db = Db::connect(&url, settings.database_connections)
        .await
        .map_err(|error| connection_error(&error))?;
    // Waits for a concurrent migration; then nothing is left to do.
    let _no_server = match db.pending_migrations().await? {
        0 => None,
        _ => Some(NoServerLock::of(&url)?),
    };
    let made = db.migrate().await.context("cannot bring the schema up to date")?;
    match made {
        0 => writeln!(out, "the schema was up to date")?,
        1 => writeln!(out, "the schema is up to date: 1 change was made")?,
        count => writeln!(out, "the schema is up to date: {count} changes were made")?,
    }
    Ok(())
}
