//! `leadmesh demo`: a server with two companies, a stream of leads and recipients for them. Everything runs in this process and
//! is stored in one directory.

mod board;
mod company;
mod guide;
mod people;
mod portal;
mod receivers;
mod settings;
mod state;
mod stream;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use url::Url;

use super::api::Api;
use super::serve::{listen, stop};
use super::signals::Signals;
use super::{explained, logs};
use crate::server::{Role, Server};
use board::Board;
use company::Company;
use leadmesh_core::app::App;
use leadmesh_core::clock::Clock;
use leadmesh_core::config::{Config, ConfigError};
use leadmesh_core::database::server_lock::ServerLock;
use receivers::Receivers;
use state::DemoState;

/// How the demo runs. The settings of a real server do not concern it.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Leads submitted a second, 1 to 1,000
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rate: u32,
    /// Leads submitted before the demo only serves
    #[arg(long, default_value_t = 200)]
    leads: u32,
    /// Where everything is stored; must be empty or absent
    #[arg(long, default_value = "./leadmesh-demo")]
    data_dir: PathBuf,
    /// Goes on with the demo that the directory holds
    #[arg(long)]
    keep: bool,
    /// Address of HTTP and WebSocket
    #[arg(long, env = "LEADMESH_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// What is logged beside the demo's own lines
    #[arg(long, env = "RUST_LOG", default_value = "warn")]
    log: String,
}

struct Running {
    server: Server,
    board: Board,
    company: Company,
    api: Api,
}

/// Sets everything up, submits leads, and serves until a signal.
pub(super) async fn demo(arguments: Arguments, out: &mut (impl Write + Send)) -> anyhow::Result<()> {
    let settings = settings::settings(&arguments);
    logs::start(&settings.log, settings.log_format)?;
    let mut signals = Signals::listen()?;
    let running = tokio::select! {
        running = start(&arguments, out) => running?,
        () = signals.next() => return Ok(()),
    };
    let Running {
        server,
        mut board,
        company,
        api,
    } = running;
    tokio::select! {
        done = stream::submit_and_show(&arguments, &api, &company, &mut board, out) => done?,
        () = signals.next() => {}
    }
    board.close(out)?;
    writeln!(out, "Stopping …")?;
    stop(server, &mut signals).await?;
    writeln!(
        out,
        "Stopped. Everything is in {}: --keep goes on with it.",
        arguments.data_dir.display()
    )?;
    Ok(())
}

async fn start(arguments: &Arguments, out: &mut (impl Write + Send)) -> anyhow::Result<Running> {
    let state = prepare(&arguments.data_dir, arguments.keep)?;
    let (listener, mut settings) = listen(settings::settings(arguments)).await?;
    let (news, heard) = tokio::sync::mpsc::unbounded_channel();
    let receivers = Receivers::start(state.as_ref().map(DemoState::ports), news.clone()).await?;
    settings::receive_mail_at(&mut settings, receivers.smtp);
    let config = Config::new(settings)?;
    let only = ServerLock::of(&config.database_url)?;
    let app = App::open_to_serve(config, Clock::system(), &only).await?;
    let company = match state {
        None => company::found(&app, &receivers).await.map_err(explained)?,
        Some(state) => company::find(&app, &receivers, state).await.map_err(explained)?,
    };
    receivers.expect_signatures(&company.state.signing_secret);
    company.state.write(&arguments.data_dir)?;
    portal::watch(&app, &company, news.clone()).await.map_err(explained)?;
    let server = Server::start(&app, Role::Both, listener, only).await?;
    let url = Url::parse(&format!("http://{}/graphql", server.address()))?;
    let api = Api::new(url, company.state.api_key.clone())?;
    let mut board = Board::new(arguments, news, heard)?;
    let first = stream::first_lead(&api, &company, &mut board).await?;
    guide::write(out, server.address(), &company, &first)?;
    Ok(Running {
        server,
        board,
        company,
        api,
    })
}

/// The state of an earlier demo in the directory, if `keep`; otherwise the directory must be empty.
fn prepare(data_dir: &Path, keep: bool) -> anyhow::Result<Option<DemoState>> {
    let failed = |source| ConfigError::DataDir {
        path: data_dir.to_owned(),
        source,
    };
    let is_empty = match std::fs::read_dir(data_dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(failed(error).into()),
    };
    std::fs::create_dir_all(data_dir).map_err(failed)?;
    match (is_empty, keep) {
        (true, _) => Ok(None),
        (false, true) => DemoState::read(data_dir).map(Some),
        (false, false) => Err(ConfigError::Set(format!(
            "{} is not empty: add --keep to go on with the demo in it, name another directory with --data-dir, or delete it",
            data_dir.display()
        ))
        .into()),
    }
}
