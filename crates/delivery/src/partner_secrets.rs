//! The secrets of partners, as the worker uses them: values of custom headers, and keys that sign.

use chrono::{DateTime, Utc};
use entity::delivery_config::WebhookConfig;
use entity::ids::{AccountId, PartnerId, SettingsId};
use entity::partner;

use super::seal_context;
use super::signing::Secret;
use leadmesh_core::app::App;
use leadmesh_core::crypto::OpenError;
use leadmesh_core::error::{Error, Result};

/// A partner's signing secrets, the newest first, each with the time until which it signs.
pub(super) struct SigningSecrets(Vec<(Secret, Option<DateTime<Utc>>)>);

impl SigningSecrets {
    pub(super) async fn load(app: &App, partner: PartnerId) -> Result<Self> {
        let Some(row) = partner::Entity::for_worker([partner]).one(app.db.read()).await? else {
            return Ok(Self(Vec::new()));
        };
        let mut secrets = Vec::new();
        let current = row.sealed_secret.map(|sealed| (sealed, None));
        let previous = row.sealed_previous_secret.zip(row.previous_secret_until.map(Some));
        let context = seal_context::signing_secret(partner);
        for (sealed, until) in current.into_iter().chain(previous) {
            let text = open(app, row.account_id, &context, &sealed).await?;
            let secret = Secret::parse(&text).map_err(|error| Error::Internal(error.into()))?;
            secrets.push((secret, until));
        }
        Ok(Self(secrets))
    }

    /// Those that sign at that time.
    pub(super) fn valid_at(&self, now: DateTime<Utc>) -> Vec<Secret> {
        let valid = self.0.iter().filter(|(_, until)| until.is_none_or(|until| now < until));
        valid.map(|(secret, _)| secret.clone()).collect()
    }
}

/// The custom headers of a version of the settings, as they are sent.
pub(super) async fn open_headers(
    app: &App,
    account: AccountId,
    settings: SettingsId,
    config: &WebhookConfig,
) -> Result<Vec<(String, String)>> {
    let mut headers = Vec::with_capacity(config.headers.len());
    for header in &config.headers {
        let context = seal_context::header(settings, &header.name);
        let value = open(app, account, &context, &header.sealed_value).await?;
        headers.push((header.name.clone(), value));
    }
    Ok(headers)
}

/// Opens a sealed value of an account. The account's keys are reloaded if the value is newer than the cached ones.
async fn open(app: &App, account: AccountId, context: &str, sealed: &str) -> Result<String> {
    let keys = app.vault.keys(app.db.write(), &app.clock, Some(account)).await?;
    let plain = match keys.open(context, sealed) {
        Err(OpenError::UnknownKey) => app
            .vault
            .reload(app.db.write(), &app.clock, Some(account))
            .await?
            .open(context, sealed),
        opened => opened,
    };
    let plain = plain.map_err(|error| Error::Internal(error.into()))?;
    String::from_utf8(plain).map_err(|error| Error::Internal(error.into()))
}
