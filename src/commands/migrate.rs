//! `leadmesh migrate`.

use std::io::Write;

use anyhow::Context;

use super::logs;
use leadmesh_core::app::not_connected;
use leadmesh_core::config::{self, Settings};
use leadmesh_core::database::Db;
use leadmesh_core::database::only_server::NoServer;

/// Brings the schema up to date. Of the settings it needs no more than the database.
pub(super) async fn migrate(settings: &Settings, out: &mut impl Write) -> anyhow::Result<()> {
    logs::start(&settings.log, settings.log_format)?;
    let url = config::database_url(settings)?;
    if settings.database_url.is_none() {
        config::make_data_dir(&settings.data_dir)?;
    }
    let db = Db::connect(&url, settings.database_connections)
        .await
        .map_err(|error| not_connected(&error))?;
    // Others that bring it up to date at this moment are waited for, and then there is nothing to do.
    let _no_server = match db.pending_migrations().await? {
        0 => None,
        _ => Some(NoServer::of(&url)?),
    };
    let made = db.migrate().await.context("cannot bring the schema up to date")?;
    match made {
        0 => writeln!(out, "the schema was up to date")?,
        1 => writeln!(out, "the schema is up to date: 1 change was made")?,
        count => writeln!(out, "the schema is up to date: {count} changes were made")?,
    }
    Ok(())
}
