//! A worker as a process of its own whose clock is ahead of the others'. The program takes no clock from outside, so this process is
//! the test program itself, which is started again with one of its tests, and has the worker in it.

use std::process::Command;

use chrono::TimeDelta;
use clap::Parser;
use leadmesh::server::{Role, Server};
use leadmesh_core::app::App;
use leadmesh_core::clock::Clock;
use leadmesh_core::config::{Config, Settings};
use leadmesh_core::database::server_lock::ServerLock;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::process::bare;
use super::stores::Stores;

/// The name of the role, beside `serve`, `api` and `worker`.
pub(super) const ROLE: &str = "ahead";
/// How much the clock is ahead.
const AHEAD: TimeDelta = TimeDelta::seconds(10);
/// Set in the environment of such a process.
const MARK: &str = "LEADMESH_TEST_AHEAD";
const TEST: &str = "faults::ahead::is_the_worker";

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    settings: Settings,
}

/// The command that starts one on those stores.
pub(super) fn command(stores: &Stores) -> Command {
    let mut command = bare(stores, std::env::current_exe().unwrap().as_os_str());
    command
        .args([TEST, "--exact", "--ignored", "--nocapture"])
        .env(MARK, "1");
    command
}

/// No test: a worker, until it is told to end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process that other tests start"]
async fn is_the_worker() {
    if std::env::var_os(MARK).is_none() {
        return;
    }
    leadmesh_core::tls::install_tls();
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    // Of this program's own arguments it takes none.
    let settings = CommandLine::parse_from(["leadmesh"]).settings;
    let listener = TcpListener::bind(settings.listen).await.unwrap();
    let clock = Clock::system_ahead_by(AHEAD);
    let config = Config::new(settings).unwrap();
    let only = ServerLock::of(&config.database_url).unwrap();
    let app = App::open_to_serve(config, clock, &only).await.unwrap();
    let server = Server::start(&app, Role::Worker, listener, only).await.unwrap();
    signal(SignalKind::terminate()).unwrap().recv().await;
    server.stop().await;
}
