//! The quota of an account's stored settings, in bytes. Each change measures before and after, in its own transaction; a change
//! that stores less is always allowed.

use entity::ids::AccountId;
use entity::settings_usage;
use sea_orm::DatabaseTransaction;

use crate::app::App;
use crate::error::{Error, Result, UserErrorCode};

/// What an account had stored when a change began.
#[derive(Clone, Copy, Debug)]
pub struct StoredBytes {
    account: AccountId,
    bytes: u64,
}

impl StoredBytes {
    /// The account's row is locked, so that its changes follow one another.
    pub async fn before(tx: &DatabaseTransaction, account: AccountId) -> Result<Self> {
        let bytes = settings_usage::Entity::of(tx, account).await?;
        Ok(Self { account, bytes })
    }

    /// Refuses a change that has exceeded the quota; `path` names the input.
    pub async fn check(self, app: &App, tx: &DatabaseTransaction, path: &str) -> Result<()> {
        let (limit, now) = (
            u64::from(app.config.settings.account_settings_bytes),
            settings_usage::Entity::of(tx, self.account).await?,
        );
        if now <= limit || now <= self.bytes {
            return Ok(());
        }
        let text = format!(
            "the settings of this account (flows with their history, partners, profiles, deliveries) may take {} MiB together, and are \
             full: make rules, lists and templates smaller, delete flows, or ask the operator of this server for more",
            limit >> 20
        );
        Err(Error::user(UserErrorCode::LimitReached, path, text))
    }

    /// Whether half of the quota is used, and history should be shortened.
    pub fn is_much(self, app: &App) -> bool {
        self.bytes > u64::from(app.config.settings.account_settings_bytes) / 2
    }
}
