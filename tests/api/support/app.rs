//! A whole Leadmesh of a test's own: its own database, its own prefix in Redis, a clock that stands until it is moved, a real
//! server on port 0, and a client.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use clap::Parser;
use leadmesh::server::{Role, Server};
use leadmesh_core::app::App;
use leadmesh_core::clock::Clock;
use leadmesh_core::config::{Config, Settings};
use leadmesh_core::database::only_server::OnlyServer;
use leadmesh_delivery::guard::Guard;
use leadmesh_delivery::worker::Worker;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::database::TestDatabase;
use super::stream::Stream;

/// On what it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// SQLite, everything in process.
    Embedded,
    /// PostgreSQL and Redis. Tests fail where there are none: they never skip.
    Server,
}

/// Makes two tests of one: `name::embedded` and `name::server`.
macro_rules! both {
    ($(#[$doc:meta])* $name:ident, |$app:ident| $body:block) => {
        $crate::support::app::both!($(#[$doc])* $name, [], |$app| $body);
    };
    ($(#[$doc:meta])* $name:ident, [$($setting:expr),*], |$app:ident| $body:block) => {
        mod $name {
            use super::*;

            async fn test($app: $crate::support::app::TestApp) $body

            $(#[$doc])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn embedded() {
                let app = $crate::support::app::TestApp::start_with($crate::support::app::Mode::Embedded, &[$($setting),*]).await;
                test(app).await;
            }

            $(#[$doc])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn server() {
                let app = $crate::support::app::TestApp::start_with($crate::support::app::Mode::Server, &[$($setting),*]).await;
                test(app).await;
            }
        }
    };
}
pub(crate) use both;

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    settings: Settings,
}

/// A running Leadmesh.
pub(crate) struct TestApp {
    pub(crate) app: App,
    pub(crate) mode: Mode,
    pub(crate) clock: Clock,
    pub(crate) address: std::net::SocketAddr,
    server: Option<Server>,
    client: reqwest::Client,
    arguments: Vec<String>,
    _database: Option<TestDatabase>,
    _data_dir: tempfile::TempDir,
}

impl TestApp {
    /// Starts one with further settings, such as `--sign-up closed`.
    pub(crate) async fn start_with(mode: Mode, more: &[&str]) -> Self {
        let now: DateTime<Utc> =
            DateTime::<Utc>::from(std::time::UNIX_EPOCH + std::time::UNIX_EPOCH.elapsed().unwrap()).trunc_subsecs(6);
        Self::start_by(Clock::standing_at(now), mode, more).await
    }

    /// Starts one that goes by that clock.
    pub(crate) async fn start_by(clock: Clock, mode: Mode, more: &[&str]) -> Self {
        leadmesh_core::tls::install_tls();
        // RUST_LOG shows what the server says while a test runs.
        let shown = tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env());
        drop(shown.with_test_writer().try_init());
        let data_dir = tempfile::tempdir().unwrap();
        let database = match mode {
            Mode::Embedded => None,
            Mode::Server => Some(TestDatabase::migrated().await),
        };
        let arguments = arguments(data_dir.path(), database.as_ref(), more);
        let (app, server) = run(&arguments, &clock, Role::Both).await;
        Self {
            address: server.address(),
            app,
            mode,
            clock,
            server: Some(server),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            arguments,
            _database: database,
            _data_dir: data_dir,
        }
    }

    /// Another process on the same stores (server mode), or the same one again.
    pub(crate) async fn another(&self, role: Role) -> (App, Server) {
        run(&self.arguments, &self.clock, role).await
    }

    /// Another process on the same stores, on a machine whose clock is another.
    pub(crate) async fn another_by(&self, clock: &Clock, role: Role) -> (App, Server) {
        run(&self.arguments, clock, role).await
    }

    /// A process on the same stores that serves nobody, as commands are.
    pub(crate) async fn command(&self) -> App {
        open(&self.arguments, &self.clock).await
    }

    /// Another process on the same stores with that `--proof-of-address`, if it starts.
    pub(crate) async fn another_with_proof(&self, proof: &str, role: Role) -> anyhow::Result<(App, Server)> {
        try_run(&self.with_proof(proof), &self.clock, role).await
    }

    /// Starts it again on the same stores with that `--proof-of-address`.
    pub(crate) async fn restart_with_proof(&mut self, proof: &str) {
        self.arguments = self.with_proof(proof);
        self.restart().await;
    }

    fn with_proof(&self, proof: &str) -> Vec<String> {
        let mut arguments = self.arguments.clone();
        let place = arguments.iter().position(|text| text == "--proof-of-address");
        proof.clone_into(&mut arguments[place.unwrap() + 1]);
        arguments
    }

    /// Stops the server in order, as SIGTERM does.
    pub(crate) async fn stop(&mut self) {
        self.server.take().unwrap().stop().await;
    }

    /// Starts it again on the same stores.
    pub(crate) async fn restart(&mut self) {
        let (app, server) = run(&self.arguments, &self.clock, Role::Both).await;
        (self.app, self.address, self.server) = (app, server.address(), Some(server));
    }

    /// Starts it again with an API that lets settings lead into those networks, and a worker behind that guard, which ends with
    /// the test.
    pub(crate) async fn restart_behind(&mut self, guard: Guard, allowed: &str) -> Worker {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
        let place = self.arguments.iter().position(|text| text == "--allow-destinations");
        allowed.clone_into(&mut self.arguments[place.unwrap() + 1]);
        let (app, server) = run(&self.arguments, &self.clock, Role::Api).await;
        let worker = Worker::start_behind(&app, guard).unwrap();
        wait_for_lease(&app, Role::Worker).await;
        (self.app, self.address, self.server) = (app, server.address(), Some(server));
        worker
    }

    /// Moves the clock and lets the worker look.
    pub(crate) fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
        self.app.queue.doorbell.notify_one();
    }

    /// The whole answer to an operation.
    pub(crate) async fn ask(&self, token: Option<&str>, query: &str, variables: Value) -> Value {
        let answer = ask(&self.client, self.address, token, query, variables).await;
        // Its mail is written after the answer.
        if query.contains("PasswordReset") {
            self.app.writes.finish().await;
        }
        answer
    }

    /// The data of an answer without errors.
    pub(crate) async fn data(&self, token: &str, query: &str, variables: Value) -> Value {
        let mut answer = self.ask(Some(token), query, variables).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"].take()
    }

    /// The code of the first error of an answer.
    pub(crate) async fn error_code(&self, token: Option<&str>, query: &str, variables: Value) -> String {
        let answer = self.ask(token, query, variables).await;
        answer["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no error: {answer:#}"))
            .to_owned()
    }

    /// Opens a subscription.
    pub(crate) async fn subscribe(&self, token: &str, query: &str, variables: Value) -> Stream {
        Stream::open(self.address, token, query, variables).await
    }

    /// Plain HTTP.
    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.client
            .get(format!("http://{}{path}", self.address))
            .send()
            .await
            .unwrap()
    }

    /// Every text that the database holds, for looking for what must not be there.
    pub(crate) async fn dump(&self) -> String {
        super::dump::dump(&self.app).await
    }
}

fn arguments(data_dir: &std::path::Path, database: Option<&TestDatabase>, more: &[&str]) -> Vec<String> {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let mut arguments = vec!["leadmesh", "--master-key", key, "--token-secret", key, "--data-dir"];
    arguments.push(data_dir.to_str().unwrap());
    arguments.extend([
        "--allow-destinations",
        "127.0.0.0/8",
        "--public-url",
        "http://leadmesh.test",
    ]);
    // Tests ask in a loop without a pause until something is so.
    for rate in ["--rate-principal", "--rate-account", "--rate-address"] {
        if !more.contains(&rate) {
            arguments.extend([rate, "0"]);
        }
    }
    arguments.extend(more);
    // Most tests have people whose mails nobody reads. Those of proof say so.
    if !more.contains(&"--proof-of-address") {
        arguments.extend(["--proof-of-address", "off"]);
    }
    let mut arguments: Vec<String> = arguments.into_iter().map(String::from).collect();
    if let Some(database) = database {
        let redis =
            std::env::var("LEADMESH_TEST_REDIS_URL").expect("LEADMESH_TEST_REDIS_URL is not set: run scripts/test");
        let stores = [
            "--database-url",
            &database.url,
            "--redis-url",
            &redis,
            "--redis-prefix",
            &database.name,
        ];
        arguments.extend(stores.map(String::from));
    }
    arguments
}

/// Asks any server.
pub(crate) async fn ask(
    client: &reqwest::Client,
    address: std::net::SocketAddr,
    token: Option<&str>,
    query: &str,
    variables: Value,
) -> Value {
    let mut request = client
        .post(format!("http://{address}/graphql"))
        .json(&json!({ "query": query, "variables": variables }));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.unwrap().json().await.unwrap()
}

async fn run(arguments: &[String], clock: &Clock, role: Role) -> (App, Server) {
    try_run(arguments, clock, role).await.unwrap()
}

async fn try_run(arguments: &[String], clock: &Clock, role: Role) -> anyhow::Result<(App, Server)> {
    let config = Config::new(CommandLine::parse_from(arguments).settings)?;
    let only = OnlyServer::of(&config.database_url)?;
    let app = App::open_to_serve(config, clock.clone(), &only).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = Server::start(&app, role, listener, only).await?;
    wait_for_lease(&app, role).await;
    Ok((app, server))
}

async fn open(arguments: &[String], clock: &Clock) -> App {
    let config = Config::new(CommandLine::parse_from(arguments).settings).unwrap();
    App::open(config, clock.clone()).await.unwrap()
}

/// A worker takes its lease in the background; tests begin with it taken.
async fn wait_for_lease(app: &App, role: Role) {
    while role != Role::Api && app.queue.owner().is_none() {
        tokio::task::yield_now().await;
    }
}
