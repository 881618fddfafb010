//! `leadmesh serve`, `api` and `worker`.

use anyhow::bail;
use tokio::net::TcpListener;

use super::logs;
use super::signals::Signals;
use crate::descriptors;
use crate::server::{Role, Server};
use leadmesh_core::app::App;
use leadmesh_core::clock::Clock;
use leadmesh_core::config::{Config, ConfigError, Settings, store_address};
use leadmesh_core::database::server_lock::ServerLock;

/// Serves until a signal, then stops in order; a second signal ends the process immediately.
pub(super) async fn serve(settings: Settings, role: Role) -> anyhow::Result<()> {
    let export = logs::start_serving(&settings)?;
    descriptors::raise();
    let mut signals = Signals::listen()?;
    let server = tokio::select! {
        server = start(settings, role) => server?,
        () = signals.next() => return Ok(()),
    };
    signals.next().await;
    tracing::info!("stopping: finishing running work; a second signal stops immediately");
    stop(server, &mut signals).await?;
    if let Some(export) = export {
        tokio::select! {
            () = export.finish() => {}
            () = signals.next() => {}
        }
    }
    Ok(())
}

/// Stops in order, unless a further signal comes.
pub(super) async fn stop(server: Server, signals: &mut Signals) -> anyhow::Result<()> {
    tokio::select! {
        () = server.stop() => {}
        () = signals.next() => bail!("stopped immediately: unfinished work will be done again"),
    }
    tracing::info!("stopped");
    Ok(())
}

async fn start(settings: Settings, role: Role) -> anyhow::Result<Server> {
    let (listener, settings) = listen(settings).await?;
    let config = Config::new(settings)?;
    // Before anything is changed: a refused start must not touch the running server's database.
    let only = ServerLock::of(&config.database_url)?;
    let app = App::open_to_serve(config, Clock::system(), &only).await?;
    let server = Server::start(&app, role, listener, only).await?;
    announce(&app.config, role, &server);
    Ok(server)
}

/// Takes the address. The settings then name the actual port where they asked for any.
pub(super) async fn listen(mut settings: Settings) -> Result<(TcpListener, Settings), ConfigError> {
    let refused = |error: std::io::Error| {
        let advice = "set LEADMESH_LISTEN (--listen) to an address of this machine and a free port";
        ConfigError::Set(format!("cannot listen on {}: {error}; {advice}", settings.listen))
    };
    let listener = TcpListener::bind(settings.listen).await.map_err(refused)?;
    settings.listen = listener.local_addr().map_err(refused)?;
    Ok((listener, settings))
}

fn announce(config: &Config, role: Role, server: &Server) {
    let redis = config.settings.redis_url.as_deref();
    let graphiql = (role != Role::Worker).then(|| format!("{}/", config.public_url));
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        mode = mode(config),
        database = store_address::display(&config.database_url),
        redis = redis.map_or_else(|| "none".to_owned(), store_address::display),
        listen = %server.address(),
        graphiql,
        "ready"
    );
    if redis.is_none() && !config.is_embedded() {
        tracing::warn!(
            "PostgreSQL without Redis: set REDIS_URL before a second process is started, or they will not notify each other of events"
        );
    }
}

pub(super) fn mode(config: &Config) -> &'static str {
    if config.is_embedded() { "embedded" } else { "server" }
}
