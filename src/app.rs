//! What every use case shares: settings, stores, clock, keys, and the ways to tell others that something happened.

use std::ops::Deref;
use std::sync::Arc;

use anyhow::{Context, bail};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::{Vault, master_key};
use crate::database::{Db, time};
use crate::identity::rights::Rights;
use crate::identity::throttle::Throttle;
use crate::identity::tokens::TokenKeys;
use crate::live::hub::Hub;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::tally::Tally;

/// How long a caller waits for Redis: it only wakes others, so it may never hold anybody up.
const REDIS_PATIENCE: std::time::Duration = std::time::Duration::from_millis(500);

/// A running Leadmesh, as its use cases see it. Cheap to clone: every open socket has some.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

/// What it is made of.
#[derive(Debug)]
pub struct Parts {
    /// Settings.
    pub config: Arc<Config>,
    /// The truth.
    pub db: Db,
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
    /// Rung when the instance has written a mail.
    pub mail_bell: Arc<Notify>,
    /// What this process counts.
    pub metrics: Metrics,
    /// What this process counts for accounts to read, before it is written.
    pub tally: Tally,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Connects to the stores and checks that they fit together. Embedded, the schema is brought up to date first.
    pub async fn open(config: Config, clock: Clock) -> anyhow::Result<Self> {
        let db = Db::connect(&config.database_url, config.settings.database_connections)
            .await
            .context("cannot connect to the database that DATABASE_URL names")?;
        if config.is_embedded() {
            db.migrate()
                .await
                .context("cannot bring the embedded database up to date")?;
        } else if db.pending_migrations().await? > 0 {
            bail!("the database's schema is not up to date: run `leadmesh migrate` first");
        }
        time::begin(&db, &clock)
            .await
            .context("cannot look at the database's clock")?;
        let vault = Vault::new(&config.master_key).opening_also(config.previous_master_key.as_ref());
        master_key::check(&db, &vault).await?;
        // Made now if need be: asked for within a transaction that fails later, they would be remembered but not kept.
        vault.keys(db.write(), &clock, None).await?;
        let redis = match &config.settings.redis_url {
            Some(url) => Some(connect_redis(url).await?),
            None => None,
        };
        let metrics = Metrics::default();
        Ok(Self(Arc::new(Parts {
            tokens: TokenKeys::new(&config.token_secret),
            throttle: Throttle::new(redis.clone(), &config.settings.redis_prefix, clock.clone()),
            rights: Rights::default(),
            hub: Hub::new(&config.settings, redis.clone()),
            queue: Queue::new(&config.settings, redis, metrics.wakes_failed.clone()),
            mail_bell: Arc::default(),
            metrics,
            tally: Tally::default(),
            config: Arc::new(config),
            db,
            clock,
            vault,
        })))
    }
}

/// A connection that is re-made when it is lost. Starting without Redis is refused: it is a mistake in the settings more
/// often than an outage.
pub async fn connect_redis(url: &str) -> anyhow::Result<ConnectionManager> {
    let client = redis::Client::open(url).context("REDIS_URL is not a Redis address")?;
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(REDIS_PATIENCE))
        .set_connection_timeout(Some(REDIS_PATIENCE));
    ConnectionManager::new_with_config(client, config)
        .await
        .context("cannot connect to the Redis that REDIS_URL names")
}
