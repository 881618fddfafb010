//! What every use case shares: settings, stores, clock, keys, and the ways to tell others that something happened.

use std::ops::Deref;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use sea_orm::DbErr;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::{Vault, master_key};
use crate::database::only_server::{NoServer, OnlyServer};
use crate::database::{self, Db, Lane, time};
use crate::identity::rights::Rights;
use crate::identity::throttle::Throttle;
use crate::identity::tokens::TokenKeys;
use crate::live::hub::Hub;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::rendering::Rendering;
use crate::tally::Tally;
use crate::writes::Writes;

/// How long a caller waits for Redis: it only wakes others, so it may never hold anybody up.
const REDIS_PATIENCE: std::time::Duration = std::time::Duration::from_millis(500);
/// A process that starts together with Redis waits some ten seconds for it; one that has lost it tries for as long at each use.
const REDIS_RETRIES: usize = 6;

/// A running Leadmesh, as its use cases see it. Cheap to clone: every open socket has some.
#[derive(Clone, Debug)]
pub struct App {
    /// The truth, by the connections of one lane.
    pub db: Db,
    parts: Arc<Parts>,
}

/// What it is made of.
#[derive(Debug)]
pub struct Parts {
    /// Settings.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Clock,
    /// Keys of every account.
    pub vault: Vault,
    /// Keys of access tokens.
    pub tokens: TokenKeys,
    /// Limits of log-ins and other guesses.
    pub throttle: Throttle,
    /// Who asks at the moment what they still may.
    pub rights: Rights,
    /// Who listens to which event log on this node.
    pub hub: Hub,
    /// Slots of this process' delivery worker, and the way to wake any.
    pub queue: Queue,
    /// Threads on which payloads are rendered.
    pub rendering: Rendering,
    /// Rung when the instance has written a mail.
    pub mail_bell: Arc<Notify>,
    /// What this process counts.
    pub metrics: Metrics,
    /// What this process counts for accounts to read, before it is written.
    pub tally: Tally,
    /// Writes that go on to their end whatever becomes of their requests.
    pub writes: Writes,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl App {
    /// Connects to the stores and checks that they fit together, for a command beside servers. Embedded, the schema is brought up
    /// to date first; refused where that is due while a server runs.
    pub async fn open(config: Config, clock: Clock) -> anyhow::Result<Self> {
        let db = connect(&config).await?;
        if db.pending_migrations().await? > 0 {
            let _no_server = NoServer::of(&config.database_url)?;
            prepare(&db, &config).await?;
        }
        Self::on(db, config, clock).await
    }

    /// The same for a process that is to serve. What it changes of an embedded database, it changes as its only server.
    pub async fn open_to_serve(config: Config, clock: Clock, _only: &OnlyServer) -> anyhow::Result<Self> {
        let db = connect(&config).await?;
        prepare(&db, &config).await?;
        Self::on(db, config, clock).await
    }

    async fn on(db: Db, config: Config, clock: Clock) -> anyhow::Result<Self> {
        time::begin(&db, &clock)
            .await
            .context("cannot look at the database's clock")?;
        let vault = Vault::new(&config.master_key).opening_also(config.previous_master_key.as_ref());
        master_key::check(&db, &vault).await?;
        // Made now if need be: asked for within a transaction that fails later, they would be remembered but not kept.
        vault.keys(db.write(), &clock, None).await?;
        let redis = match &config.settings.redis_url {
            Some(url) => Some(connect_redis(url, REDIS_RETRIES).await?),
            None => None,
        };
        let metrics = Metrics::of(db.held());
        let parts = Parts {
            tokens: TokenKeys::new(&config.token_secret),
            throttle: Throttle::new(redis.clone(), &config.settings.redis_prefix, clock.clone()),
            rights: Rights::default(),
            hub: Hub::new(&config.settings, redis.clone()),
            queue: Queue::new(&config.settings, redis, metrics.wakes_failed.clone()),
            rendering: Rendering::new(config.settings.payload_bytes),
            mail_bell: Arc::default(),
            metrics,
            tally: Tally::default(),
            writes: Writes::default(),
            config: Arc::new(config),
            clock,
            vault,
        };
        Ok(Self {
            db,
            parts: Arc::new(parts),
        })
    }

    /// The same app, which uses the database by the connections of that lane.
    #[must_use]
    pub fn by_lane(&self, lane: Lane) -> Self {
        Self {
            db: self.db.by_lane(lane),
            parts: self.parts.clone(),
        }
    }

    /// The same app, which uses the database within the share of that account (or of whoever asks without one).
    #[must_use]
    pub fn for_account(&self, owner: Uuid) -> Self {
        Self {
            db: self.db.for_account(owner),
            parts: self.parts.clone(),
        }
    }
}

async fn connect(config: &Config) -> anyhow::Result<Db> {
    let db = Db::connect(&config.database_url, config.settings.database_connections).await;
    db.map_err(|error| not_connected(&error))
}

/// Brings an embedded database up to date; another has to be so already.
async fn prepare(db: &Db, config: &Config) -> anyhow::Result<()> {
    if config.is_embedded() {
        db.migrate()
            .await
            .context("cannot bring the embedded database up to date")?;
        db.sample()
            .await
            .context("cannot look at the tables of the embedded database")?;
    } else if db.pending_migrations().await? > 0 {
        bail!("the database's schema is not up to date: run `leadmesh migrate` first");
    }
    Ok(())
}

/// Why there is no connection to the database, with what to set.
pub fn not_connected(error: &DbErr) -> anyhow::Error {
    anyhow!(
        "cannot connect to the database that DATABASE_URL names: {}",
        database::explain(error)
    )
}

/// A connection that is re-made when it is lost. Starting without Redis is refused: it is a mistake in the settings more
/// often than an outage.
///
/// # Errors
///
/// The address is none, or Redis is not there after so many retries, each after a longer pause.
pub async fn connect_redis(url: &str, retries: usize) -> anyhow::Result<ConnectionManager> {
    let client = redis::Client::open(url).context("REDIS_URL is not a Redis address")?;
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(REDIS_PATIENCE))
        .set_connection_timeout(Some(REDIS_PATIENCE))
        .set_number_of_retries(retries);
    ConnectionManager::new_with_config(client, config)
        .await
        .context("cannot connect to the Redis that REDIS_URL names")
}
