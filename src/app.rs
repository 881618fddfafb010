//! What every use case shares: settings, stores, clock, keys, and the ways to tell others that something happened.

use std::sync::Arc;

use anyhow::{Context, bail};
use entity::instance;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait, Set};

use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::Vault;
use crate::database::Db;
use crate::identity::throttle::Throttle;
use crate::identity::tokens::TokenKeys;
use crate::live::hub::Hub;
use crate::queue::Queue;

/// The fact that tells a wrong master key.
const MASTER_KEY_CHECK: &str = "master_key_check";
/// How long a caller waits for Redis: it only wakes others, so it may never hold anybody up.
const REDIS_PATIENCE: std::time::Duration = std::time::Duration::from_millis(500);

/// A running Leadmesh, as its use cases see it.
#[derive(Clone, Debug)]
pub struct App {
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
    /// Who listens to which event log on this node.
    pub hub: Hub,
    /// Slots of this process' delivery worker, and the way to wake any.
    pub queue: Queue,
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
        let vault = Vault::new(&config.master_key);
        check_master_key(&db, &vault).await?;
        // Made now if need be: asked for within a transaction that fails later, they would be remembered but not kept.
        vault.keys(db.write(), &clock, None).await?;
        let redis = match &config.settings.redis_url {
            Some(url) => Some(connect_redis(url).await?),
            None => None,
        };
        Ok(Self {
            tokens: TokenKeys::new(&config.token_secret),
            throttle: Throttle::new(redis.clone(), &config.settings.redis_prefix, clock.clone()),
            hub: Hub::new(&config.settings, redis.clone()),
            queue: Queue::new(&config.settings, redis),
            config: Arc::new(config),
            db,
            clock,
            vault,
        })
    }
}

/// Two processes at their first start keep whichever value came first, and both compare with that.
async fn check_master_key(db: &Db, vault: &Vault) -> anyhow::Result<()> {
    let row = instance::ActiveModel {
        name: Set(MASTER_KEY_CHECK.into()),
        value: Set(vault.check_value()?),
    };
    instance::Entity::insert(row)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(db.write())
        .await?;
    let kept = instance::Entity::named(MASTER_KEY_CHECK).one(db.write()).await?;
    if !kept.is_some_and(|fact| vault.is_check_value(&fact.value)) {
        bail!(
            "LEADMESH_MASTER_KEY is not the key that this database was made with: set the right one, or every encrypted value stays closed"
        );
    }
    Ok(())
}

/// A connection that is re-made when it is lost. Starting without Redis is refused: it is a mistake in the settings more
/// often than an outage.
async fn connect_redis(url: &str) -> anyhow::Result<ConnectionManager> {
    let client = redis::Client::open(url).context("REDIS_URL is not a Redis address")?;
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(REDIS_PATIENCE))
        .set_connection_timeout(Some(REDIS_PATIENCE));
    ConnectionManager::new_with_config(client, config)
        .await
        .context("cannot connect to the Redis that REDIS_URL names")
}
