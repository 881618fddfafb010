//! The server that is measured: a process of its own, on an empty database.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use leadmesh::server::{Role, Server};
use leadmesh_core::app::App;
use leadmesh_core::clock::Clock;
use leadmesh_core::config::{Config, Settings};
use leadmesh_core::database::Db;
use leadmesh_core::database::server_lock::ServerLock;
use sea_orm::ConnectionTrait;
use serde::Serialize;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

use crate::wire::Wire;

/// How long a server may take until it is ready.
const START: Duration = Duration::from_secs(20);

/// What the server keeps its data in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// `SQLite`, in process.
    Embedded,
    /// PostgreSQL and Redis.
    Server,
}

/// Settings of one server.
pub(crate) struct Place {
    settings: Vec<String>,
    address: SocketAddr,
    _data: TempDir,
}

#[derive(Parser)]
struct Given {
    #[command(flatten)]
    settings: Settings,
}

impl Place {
    /// An empty database, and a port that was free.
    pub(crate) async fn new(mode: Mode, postgres: Option<&str>, redis: Option<&str>) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        let folder = data.path().display();
        let mut settings = vec![
            format!("--listen={address}"),
            format!("--data-dir={folder}"),
            "--allow-destinations=127.0.0.0/8".into(),
        ];
        if mode == Mode::Server {
            let url = new_database(postgres.context("no PostgreSQL")?).await?;
            settings.push(format!("--database-url={url}"));
            settings.push(format!("--redis-url={}", redis.context("no Redis")?));
            for name in ["master-key", "token-secret"] {
                settings.push(format!("--{name}={}", STANDARD.encode(rand::random::<[u8; 32]>())));
            }
        } else {
            settings.push(format!("--database-url=sqlite://{folder}/leadmesh.db"));
        }
        Ok(Self {
            settings,
            address,
            _data: data,
        })
    }

    pub(crate) fn config(&self) -> anyhow::Result<Config> {
        let name = std::iter::once("leadmesh".to_owned());
        let given = Given::try_parse_from(name.chain(self.settings.iter().cloned()))?;
        Ok(Config::new(given.settings)?)
    }
}

async fn new_database(server: &str) -> anyhow::Result<String> {
    let name = format!("bench_{}", Clock::system().id::<uuid::Uuid>().simple());
    let db = Db::connect(server, 2).await?;
    db.write()
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await?;
    let mut url = url::Url::parse(server)?;
    url.set_path(&name);
    Db::connect(url.as_str(), 2).await?.migrate().await?;
    Ok(url.into())
}

/// A server that has started; ended when dropped.
pub(crate) struct Running {
    child: Child,
    address: SocketAddr,
}

impl Running {
    /// Starts `binary`, or this program as a server, and waits until it is ready.
    pub(crate) async fn start(place: &Place, binary: Option<&Path>) -> anyhow::Result<Self> {
        let this = std::env::current_exe()?;
        let mut command = Command::new(binary.unwrap_or(&this));
        for (name, _) in std::env::vars_os() {
            if let Some("DATABASE_URL" | "REDIS_URL") = name.to_str() {
                command.env_remove(&name);
            }
        }
        let child = command
            .arg("serve")
            .args(&place.settings)
            .stdin(Stdio::piped())
            .spawn()
            .context("the server cannot be started")?;
        let mut running = Self {
            child,
            address: place.address,
        };
        let begin = Instant::now();
        while !is_ready(place.address).await {
            if begin.elapsed() > START {
                bail!("the server is not ready after {} s", START.as_secs());
            }
            if let Some(status) = running.child.try_wait()? {
                bail!("the server has ended: {status}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(running)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Running {
    /// By force: nothing that it has yet to do is measured any more.
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

async fn is_ready(address: SocketAddr) -> bool {
    let asked = async {
        let mut wire = Wire::new(TcpStream::connect(address).await?)?;
        wire.write(format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes())
            .await?;
        let answer = wire.read().await?.context("no answer")?;
        anyhow::Ok(answer.second_word() == "200")
    };
    asked.await.unwrap_or(false)
}

/// Is the server, until standard input ends: with the process that holds its other end.
pub(crate) async fn serve(settings: Settings) -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(std::io::stderr)
        .init();
    let listener = TcpListener::bind(settings.listen).await?;
    let config = Config::new(settings)?;
    let only = ServerLock::of(&config.database_url)?;
    let app = App::open_to_serve(config, Clock::system(), &only).await?;
    let server = Server::start(&app, Role::Both, listener, only).await?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    server.stop().await;
    Ok(())
}
