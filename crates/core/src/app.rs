//! What every use case shares: settings, stores, clock, keys, and the means to notify streams and workers.

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
use crate::database::server_lock::{NoServerLock, ServerLock};
use crate::database::{self, Db, Workload, time};
use crate::deferred_counters::DeferredCounters;
use crate::identity::rights::Rights;
use crate::identity::throttle::Throttle;
use crate::identity::tokens::TokenKeys;
use crate::live::hub::Hub;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::rendering::Rendering;
use crate::writes::Writes;

/// Redis only wakes others, so a call to it may never hold a request up for longer.
const REDIS_PATIENCE: std::time::Duration = std::time::Duration::from_millis(500);
/// A process that starts together with Redis waits about ten seconds for it; so does each use after a lost connection.
const REDIS_RETRIES: usize = 6;

/// A running Leadmesh, as its use cases see it. Cheap to clone: every open socket holds one.
#[derive(Clone, Debug)]
pub struct App {
    /// Uses the connections of one workload.
    pub db: Db,
    parts: Arc<Parts>,
}

#[derive(Debug)]
pub struct Parts {
    pub config: Arc<Config>,
    pub clock: Clock,
    pub vault: Vault,
    pub tokens: TokenKeys,
    pub throttle: Throttle,
    pub rights: Rights,
    pub hub: Hub,
    /// Slots of this process' delivery worker, and the way to wake any worker.
    pub queue: Queue,
    pub rendering: Rendering,
    /// Rung when an email of the instance is queued.
    pub mail_bell: Arc<Notify>,
    pub metrics: Metrics,
    /// Counts for accounts to read, not yet written to the database.
    pub counters: DeferredCounters,
    /// Writes that run to their end even when their requests are gone.
    pub writes: Writes,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl App {
    /// Connects to the stores and checks that they fit together, for a command that runs beside servers. An embedded schema is
    /// brought up to date first, which is refused while a server runs.
    pub async fn open(config: Config, clock: Clock) -> anyhow::Result<Self> {
        let db = connect(&config).await?;
        if db.pending_migrations().await? > 0 {
            let _no_server = NoServerLock::of(&config.database_url)?;
            prepare(&db, &config).await?;
        }
        Self::on(db, config, clock).await
    }

    /// The same for a process that serves. It changes an embedded database as the database's only server.
    pub async fn open_to_serve(config: Config, clock: Clock, _only: &ServerLock) -> anyhow::Result<Self> {
        let db = connect(&config).await?;
        prepare(&db, &config).await?;
        Self::on(db, config, clock).await
    }

    async fn on(db: Db, config: Config, clock: Clock) -> anyhow::Result<Self> {
        time::begin(&db, &clock)
            .await
            .context("cannot read the database's clock")?;
        let vault = Vault::new(&config.master_key).opening_also(config.previous_master_key.as_ref());
        master_key::check(&db, &vault).await?;
        // Made now: keys made within a transaction that is rolled back would stay in the cache but not in the database.
        vault.keys(db.write(), &clock, None).await?;
        let redis = match &config.settings.redis_url {
            Some(url) => Some(connect_redis(url, REDIS_RETRIES).await?),
            None => None,
        };
        let metrics = Metrics::of(db.transaction_times());
        let parts = Parts {
            tokens: TokenKeys::new(&config.token_secret),
            throttle: Throttle::new(redis.clone(), &config.settings.redis_prefix, clock.clone()),
            rights: Rights::new(db.for_workload(Workload::Requests), clock.clone()),
            hub: Hub::new(&config.settings, redis.clone()),
            queue: Queue::new(&config.settings, redis, metrics.wakes_failed.clone()),
            rendering: Rendering::new(config.settings.payload_bytes),
            mail_bell: Arc::default(),
            metrics,
            counters: DeferredCounters::default(),
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

    /// Uses the database connections of a workload.
    #[must_use]
    pub fn for_workload(&self, workload: Workload) -> Self {
        Self {
            db: self.db.for_workload(workload),
            parts: self.parts.clone(),
        }
    }

    /// Uses the database within the share of an account, or of an anonymous caller.
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
    db.map_err(|error| connection_error(&error))
}

/// Brings an embedded database up to date; refuses a PostgreSQL schema that is not.
async fn prepare(db: &Db, config: &Config) -> anyhow::Result<()> {
    if config.is_embedded() {
        db.migrate()
            .await
            .context("cannot bring the embedded database up to date")?;
        db.sample()
            .await
            .context("cannot sample the tables of the embedded database")?;
    } else if db.pending_migrations().await? > 0 {
        bail!("the database's schema is not up to date: run `leadmesh migrate` first");
    }
    Ok(())
}

/// Says why there is no connection to the database, and what to set.
pub fn connection_error(error: &DbErr) -> anyhow::Error {
    anyhow!(
        "cannot connect to the database that DATABASE_URL names: {}",
        database::explain(error)
    )
}

/// A connection that is re-made when it is lost. A start without Redis is refused: it is a mistake in the settings more often
/// than an outage.
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
