//! A whole Leadmesh of a test's own: its own database, its own prefix in Redis, a clock that stands until it is moved, a real
//! server on port 0 where the test wants one, and a client.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use clap::Parser;
use leadmesh::server::{Role, Server};
use leadmesh_core::app::App;
use leadmesh_core::clock::Clock;
use leadmesh_core::config::{Config, Settings};
use leadmesh_core::database::server_lock::ServerLock;
use leadmesh_delivery::guard::Guard;
use leadmesh_delivery::worker::Worker;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::database::{TestDatabase, copy_migrated};
use super::smtp_receiver::SmtpReceiver;
use super::stream::Stream;
use super::wait::until;

/// On what it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// SQLite, everything in process.
    Embedded,
    /// PostgreSQL and Redis. Tests fail where there are none: they never skip.
    Server,
}

/// Makes two tests of one: `name::embedded` and `name::server`.
///
/// `both!(name, |app| { … })` and `both!(name, ["--setting", "value"], |app| { … })` get a running [`TestApp`];
/// `both!(name, start, |app: T| { … })` gets what `async fn start(mode: Mode) -> T` returns;
/// `both!(name, |mode: Mode| { … })` starts what it needs by itself.
macro_rules! both {
    ($(#[$doc:meta])* $name:ident, |$mode:ident: Mode| $body:block) => {
        $crate::support::app::both!($(#[$doc])* $name, async |mode| mode, |$mode: $crate::support::app::Mode| $body);
    };
    ($(#[$doc:meta])* $name:ident, |$app:ident| $body:block) => {
        $crate::support::app::both!($(#[$doc])* $name, [], |$app| $body);
    };
    ($(#[$doc:meta])* $name:ident, [$($setting:expr),*], |$app:ident| $body:block) => {
        $crate::support::app::both!(
            $(#[$doc])* $name,
            async |mode| $crate::support::app::TestApp::start_with(mode, &[$($setting),*]).await,
            |$app: $crate::support::app::TestApp| $body
        );
    };
    ($(#[$doc:meta])* $name:ident, $start:expr, |$app:ident: $kind:ty| $body:block) => {
        mod $name {
            use super::*;

            async fn test($app: $kind) $body

            $(#[$doc])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn embedded() {
                test(($start)($crate::support::app::Mode::Embedded).await).await;
            }

            $(#[$doc])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn server() {
                test(($start)($crate::support::app::Mode::Server).await).await;
            }
        }
    };
}
pub(crate) use both;

/// [`both!`] with a mail server that the app sends by: `mailed!(name, |app, receiver| { … })`.
macro_rules! mailed {
    ($(#[$doc:meta])* $name:ident, |$app:ident, $receiver:ident| $body:block) => {
        $crate::support::app::both!(
            $(#[$doc])* $name,
            $crate::support::app::TestApp::with_mail,
            |mailed: ($crate::support::app::TestApp, $crate::support::smtp_receiver::SmtpReceiver)| {
                let ($app, $receiver) = mailed;
                $body
            }
        );
    };
}
pub(crate) use mailed;

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    settings: Settings,
}

/// A Leadmesh.
pub(crate) struct TestApp {
    pub(crate) app: App,
    pub(crate) mode: Mode,
    pub(crate) clock: Clock,
    pub(crate) address: std::net::SocketAddr,
    server: Option<Server>,
    client: reqwest::Client,
    arguments: Vec<String>,
    _stores: Stores,
}

impl std::ops::Deref for TestApp {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}

impl TestApp {
    /// Starts one with further settings, such as `--sign-up closed`.
    pub(crate) async fn start_with(mode: Mode, more: &[&str]) -> Self {
        let now: DateTime<Utc> =
            DateTime::<Utc>::from(std::time::UNIX_EPOCH + std::time::UNIX_EPOCH.elapsed().unwrap()).trunc_subsecs(6);
        Self::start_by(Clock::standing_at(now), mode, more).await
    }

    /// Starts one that sends its mails by a server of the test, and that server.
    pub(crate) async fn with_mail(mode: Mode) -> (Self, SmtpReceiver) {
        let receiver = SmtpReceiver::start().await;
        let url = format!("smtp+plain://{}", receiver.address);
        let app = Self::start_with(mode, &["--smtp-url", &url, "--mail-from", "leads@leadmesh.test"]).await;
        (app, receiver)
    }

    /// Starts one that goes by that clock.
    pub(crate) async fn start_by(clock: Clock, mode: Mode, more: &[&str]) -> Self {
        Self::start(Role::Both, clock, mode, more).await
    }

    /// One of which the test has the worker's part: nothing is claimed or sent.
    pub(crate) async fn start_api(clock: Clock, mode: Mode, more: &[&str]) -> Self {
        Self::start(Role::Api, clock, mode, more).await
    }

    async fn start(role: Role, clock: Clock, mode: Mode, more: &[&str]) -> Self {
        let stores = Stores::make(mode).await;
        let arguments = stores.serving(more);
        let (app, server) = run(&arguments, &clock, role).await;
        Self {
            address: server.address(),
            server: Some(server),
            app,
            mode,
            clock,
            client: client(),
            arguments,
            _stores: stores,
        }
    }

    /// Opens one that serves nobody, and has no Redis, for use cases that tests call directly.
    pub(crate) async fn without_server(clock: Clock, mode: Mode, more: &[&str]) -> Self {
        let stores = Stores::make(mode).await;
        let arguments = stores.arguments(&[], more);
        Self {
            app: open(&arguments, &clock).await,
            mode,
            clock,
            address: ([0, 0, 0, 0], 0).into(),
            server: None,
            client: client(),
            arguments,
            _stores: stores,
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

/// Settings of all tests, unless they say otherwise. Most have people whose mails nobody reads.
const ALWAYS: [(&str, &str); 4] = [
    ("--master-key", KEY),
    ("--token-secret", KEY),
    ("--public-url", "http://leadmesh.test"),
    ("--proof-of-address", "off"),
];
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// The same of those with a server. They ask in a loop until something is so.
const SERVING: [(&str, &str); 4] = [
    ("--allow-destinations", "127.0.0.0/8"),
    ("--rate-principal", "0"),
    ("--rate-account", "0"),
    ("--rate-address", "0"),
];

/// Where a test keeps its data.
struct Stores {
    database: Option<TestDatabase>,
    data_dir: tempfile::TempDir,
}

impl Stores {
    /// New ones, with the schema in them.
    async fn make(mode: Mode) -> Self {
        leadmesh_core::tls::install_tls();
        // RUST_LOG shows what the server says while a test runs.
        let shown = tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env());
        drop(shown.with_test_writer().try_init());
        let data_dir = tempfile::tempdir().unwrap();
        let database = match mode {
            Mode::Embedded => {
                copy_migrated(data_dir.path()).await;
                None
            }
            Mode::Server => Some(TestDatabase::migrated().await),
        };
        Self { database, data_dir }
    }

    /// The command line of a process on these stores: where they are, `more`, and of the defaults those that `more` does not name.
    fn arguments(&self, defaults: &[(&str, &str)], more: &[&str]) -> Vec<String> {
        let mut arguments = vec!["leadmesh", "--data-dir", self.data_dir.path().to_str().unwrap()];
        for (name, value) in ALWAYS.iter().chain(defaults) {
            if !more.contains(name) {
                arguments.extend([name, value]);
            }
        }
        arguments.extend(more);
        if let Some(database) = &self.database {
            arguments.extend(["--database-url", &database.url]);
        }
        arguments.into_iter().map(String::from).collect()
    }

    /// The same for a process that serves, which in server mode has a Redis, with a prefix of the test's own.
    fn serving(&self, more: &[&str]) -> Vec<String> {
        let mut arguments = self.arguments(&SERVING, more);
        if let Some(database) = &self.database {
            let redis = std::env::var("LEADMESH_TEST_REDIS_URL");
            let redis = redis.expect("LEADMESH_TEST_REDIS_URL is not set: run scripts/test");
            arguments.extend(["--redis-url", &redis, "--redis-prefix", &database.name].map(String::from));
        }
        arguments
    }
}

/// A client of plain HTTP. It reads no certificates, which takes most of the time of making one.
pub(crate) fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    builder.build().unwrap()
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
    let only = ServerLock::of(&config.database_url)?;
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
    if role != Role::Api {
        until("the worker has its lease", async || app.queue.owner().is_some()).await;
    }
}
