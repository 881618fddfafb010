//! Stores of a test's own, so that they can be killed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::process;
use crate::support::app::Mode;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const PREFIX: &str = "faults";

/// A data directory, and in server mode a PostgreSQL and a Redis. They end when this is dropped.
pub(super) struct Stores {
    data: tempfile::TempDir,
    services: Option<Services>,
    concurrency: usize,
    /// A file of certificates that processes trust, and no others.
    trusted: Option<PathBuf>,
    /// How many files processes may have open, if fewer than the test itself.
    files: Option<u64>,
    /// Settings that replace others.
    changed: Vec<(String, String)>,
}

struct Services {
    directory: PathBuf,
    /// `DATABASE_URL` and `REDIS_URL`.
    urls: Vec<(String, String)>,
}

/// One of the two.
#[derive(Clone, Copy)]
pub(super) enum Service {
    Postgres,
    Redis,
}

impl Service {
    /// The setting that names its address.
    fn setting(self) -> &'static str {
        match self {
            Self::Postgres => "DATABASE_URL",
            Self::Redis => "REDIS_URL",
        }
    }
}

impl Stores {
    /// Starts what the mode needs, with the schema in it. Processes on it deliver so many at once.
    pub(super) async fn start(mode: Mode, concurrency: usize) -> Self {
        let data = tempfile::tempdir().unwrap();
        let services = match mode {
            Mode::Embedded => None,
            Mode::Server => Some(Services::start().await),
        };
        let stores = Self {
            data,
            services,
            concurrency,
            trusted: None,
            files: None,
            changed: Vec::new(),
        };
        if mode == Mode::Server {
            let migrated = process::command(&stores, "migrate")
                .stderr(Stdio::inherit())
                .status()
                .unwrap();
            assert!(migrated.success());
        }
        stores
    }

    /// Lets processes that start from now on trust these certificates (PEM) and no others.
    pub(super) fn trust(&mut self, certificates: &str) {
        let file = self.directory().join("trusted.pem");
        std::fs::write(&file, certificates).unwrap();
        self.trusted = Some(file);
    }

    /// Changes a setting of processes that start from now on.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.changed.push((name.to_owned(), value.to_owned()));
    }

    /// Lets processes that start from now on have only so many files open.
    pub(super) fn limit_files(&mut self, files: u64) {
        self.files = Some(files);
    }

    /// How many files processes may have open, if limited.
    pub(super) fn files(&self) -> Option<u64> {
        self.files
    }

    /// Where a server listens.
    pub(super) fn address(&self, service: Service) -> SocketAddr {
        let url = url::Url::parse(self.services().url(service.setting())).unwrap();
        let port = url.port().unwrap();
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// Lets processes that start from now on reach a server at another address, where a proxy stands before it.
    pub(super) fn reach_at(&mut self, service: Service, address: SocketAddr) {
        let mut url = url::Url::parse(self.services().url(service.setting())).unwrap();
        url.set_port(Some(address.port())).unwrap();
        self.set(service.setting(), url.as_str());
    }

    /// Where the processes run and write their logs.
    pub(super) fn directory(&self) -> &Path {
        self.data.path()
    }

    /// Settings of a process on these stores.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut all = vec![
            set("LEADMESH_DATA_DIR", self.directory().to_str().unwrap()),
            set("LEADMESH_MASTER_KEY", KEY),
            set("LEADMESH_TOKEN_SECRET", KEY),
            set("LEADMESH_REDIS_PREFIX", PREFIX),
            set("LEADMESH_ALLOW_DESTINATIONS", "127.0.0.0/8"),
            // What waits for something asks in a loop.
            set("LEADMESH_RATE_PRINCIPAL", "0"),
            set("LEADMESH_RATE_ACCOUNT", "0"),
            set("LEADMESH_CONCURRENCY", &self.concurrency.to_string()),
            set("LEADMESH_DESTINATION_CONCURRENCY", &self.concurrency.to_string()),
        ];
        let trusted = self.trusted.iter();
        all.extend(trusted.map(|file| set("SSL_CERT_FILE", file.to_str().unwrap())));
        all.extend(self.services.iter().flat_map(|services| services.urls.clone()));
        // The later of two goes.
        all.extend(self.changed.iter().cloned());
        all
    }

    /// The process of a server.
    pub(super) fn pid(&self, service: Service) -> u32 {
        self.services().pid(service)
    }

    /// A single connection to the database, or to its file.
    pub(super) async fn database(&self) -> sea_orm::DatabaseConnection {
        let file = self.directory().join("leadmesh.db");
        let url = match &self.services {
            Some(services) => services.url("DATABASE_URL").to_owned(),
            None => format!("sqlite://{}", file.display()),
        };
        let mut options = sea_orm::ConnectOptions::new(url);
        options.max_connections(1);
        sea_orm::Database::connect(options).await.unwrap()
    }

    /// Starts a server that was ended, on its old port with its old data (Redis: with none).
    pub(super) async fn restart(&self, service: Service) {
        self.services().run("start", service).await;
    }

    /// A connection to the Redis.
    pub(super) async fn redis(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.services().url("REDIS_URL")).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// Workers that listen on the stream in Redis now.
    pub(super) async fn listeners(&self) -> usize {
        let mut redis = self.redis().await;
        let groups: redis::RedisResult<redis::streams::StreamInfoGroupsReply> = redis::cmd("XINFO")
            .arg("GROUPS")
            .arg(format!("{PREFIX}:wake"))
            .query_async(&mut redis)
            .await;
        groups.map_or(0, |reply| reply.groups.iter().map(|group| group.consumers).sum())
    }

    fn services(&self) -> &Services {
        self.services.as_ref().expect("embedded there are no services")
    }
}

impl Services {
    async fn start() -> Self {
        let parent = std::env::var("LEADMESH_TEST_SERVICES_DIR")
            .expect("LEADMESH_TEST_SERVICES_DIR is not set: run scripts/test");
        let directory = Path::new(&parent).join(format!("f{:x}", rand::random::<u32>()));
        let mut services = Self {
            directory,
            urls: Vec::new(),
        };
        services.run("start", Service::Postgres).await;
        services.run("start", Service::Redis).await;
        let env = std::fs::read_to_string(services.directory.join("env")).unwrap();
        let pair = |line: &str| {
            line.split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        services.urls = env.lines().filter_map(pair).collect();
        services
    }

    async fn run(&self, command: &str, service: Service) {
        let only = match service {
            Service::Postgres => "postgres",
            Service::Redis => "redis",
        };
        let mut script = self.script(command);
        script.args(["--only", only]);
        let status = tokio::task::spawn_blocking(move || script.status())
            .await
            .unwrap()
            .unwrap();
        assert!(status.success(), "scripts/services {command} has failed");
    }

    fn script(&self, command: &str) -> Command {
        let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/services"));
        script
            .arg(command)
            .arg(&self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        script
    }

    fn url(&self, name: &str) -> &str {
        let named = |pair: &&(String, String)| pair.0 == name;
        &self.urls.iter().find(named).unwrap().1
    }

    fn pid(&self, service: Service) -> u32 {
        let file = match service {
            Service::Postgres => "postgres/data/postmaster.pid",
            Service::Redis => "redis/pid",
        };
        let text = std::fs::read_to_string(self.directory.join(file)).unwrap();
        text.lines().next().unwrap().trim().parse().unwrap()
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        drop(self.script("stop").status());
        drop(std::fs::remove_dir_all(&self.directory));
    }
}
