//! What deliveries by the same settings share: parsed templates, opened headers, signing secrets. Settings never change once
//! written, so they are kept until pushed out; secrets are looked at again every few seconds.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::delivery_config::{DeliveryConfig, EmailConfig, WebhookConfig, WebhookMethod};
use entity::ids::{AccountId, FlowId, PartnerId, SettingsId};
use entity::{delivery, delivery_settings, partner};
use http::Method;
use url::Url;

use crate::payload::{PayloadError, PreparedEmail, PreparedWebhook};
use crate::places;
use crate::signing::Secret;
use leadmesh_core::app::App;
use leadmesh_core::crypto::OpenError;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::queue::LeadContent;

/// How long a signing secret is kept: a new one signs after this at the latest. The one before is valid far longer.
const FRESH: Duration = Duration::from_secs(5);

/// Settings, ready for one flow's fields.
pub(super) enum Prepared {
    /// Ready.
    Webhook(Box<Webhook>),
    /// Ready.
    Email(Box<Email>),
    /// Nothing to send: the lead is where its recipient finds it.
    Nothing,
    /// Cannot be rendered.
    Unusable(PayloadError),
}

pub(super) struct Webhook {
    pub(super) config: WebhookConfig,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(String, String)>,
    pub(super) payload: Arc<PreparedWebhook>,
}

pub(super) struct Email {
    pub(super) config: EmailConfig,
    pub(super) mail: Arc<PreparedEmail>,
}

type Key = (SettingsId, FlowId, i32);
/// The newest first, each with the time until which it signs.
type Secrets = Arc<Vec<(Secret, Option<DateTime<Utc>>)>>;

/// What is kept.
#[derive(Clone)]
pub(super) struct Kept {
    settings: moka::future::Cache<Key, Arc<Prepared>>,
    secrets: moka::future::Cache<PartnerId, Secrets>,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            settings: moka::future::Cache::new(10_000),
            secrets: moka::future::Cache::builder()
                .max_capacity(10_000)
                .time_to_live(FRESH)
                .build(),
        }
    }
}

impl Kept {
    /// A delivery's settings, ready for its lead's flow.
    pub(super) async fn get(&self, app: &App, delivery: &delivery::Model, lead: &LeadContent) -> Result<Arc<Prepared>> {
        let key = (delivery.settings_id, lead.flow.0, lead.flow.1);
        if let Some(kept) = self.settings.get(&key).await {
            return Ok(kept);
        }
        let row = delivery_settings::Entity::for_worker([delivery.settings_id])
            .one(app.db.read())
            .await?;
        let row = row.ok_or_else(|| Error::Internal(anyhow::anyhow!("a delivery without its settings")))?;
        let prepared = Arc::new(prepare(app, row, lead).await?);
        self.settings.insert(key, prepared.clone()).await;
        Ok(prepared)
    }

    /// The secrets that sign for a partner now.
    pub(super) async fn secrets(&self, app: &App, partner: PartnerId) -> Result<Vec<Secret>> {
        let kept = if let Some(kept) = self.secrets.get(&partner).await {
            kept
        } else {
            let secrets = Arc::new(load_secrets(app, partner).await?);
            self.secrets.insert(partner, secrets.clone()).await;
            secrets
        };
        let now = app.clock.now();
        Ok(kept
            .iter()
            .filter(|(_, until)| until.is_none_or(|until| now < until))
            .map(|(secret, _)| secret.clone())
            .collect())
    }
}

async fn prepare(app: &App, row: delivery_settings::Model, lead: &LeadContent) -> Result<Prepared> {
    Ok(match row.config {
        DeliveryConfig::Webhook(config) => {
            let headers = open_headers(app, row.account_id, row.id, &config).await?;
            let url = config
                .url
                .parse()
                .map_err(|error: url::ParseError| Error::Internal(error.into()))?;
            match PreparedWebhook::new(&config, &lead.definitions) {
                Ok(payload) => Prepared::Webhook(Box::new(Webhook {
                    method: method(config.method),
                    config,
                    url,
                    headers,
                    payload: Arc::new(payload),
                })),
                Err(error) => Prepared::Unusable(error),
            }
        }
        DeliveryConfig::Email(config) => match PreparedEmail::new(&config, &lead.definitions) {
            Ok(mail) => Prepared::Email(Box::new(Email {
                config,
                mail: Arc::new(mail),
            })),
            Err(error) => Prepared::Unusable(error),
        },
        DeliveryConfig::Portal(_) | DeliveryConfig::Account(_) => Prepared::Nothing,
    })
}

fn method(method: WebhookMethod) -> Method {
    match method {
        WebhookMethod::Post => Method::POST,
        WebhookMethod::Put => Method::PUT,
        WebhookMethod::Patch => Method::PATCH,
    }
}

pub(crate) async fn open_headers(
    app: &App,
    account: AccountId,
    settings: SettingsId,
    config: &WebhookConfig,
) -> Result<Vec<(String, String)>> {
    let mut headers = Vec::with_capacity(config.headers.len());
    for header in &config.headers {
        let place = places::header(settings, &header.name);
        headers.push((
            header.name.clone(),
            open(app, account, &place, &header.sealed_value).await?,
        ));
    }
    Ok(headers)
}

pub(super) async fn load_secrets(app: &App, partner: PartnerId) -> Result<Vec<(Secret, Option<DateTime<Utc>>)>> {
    let Some(row) = partner::Entity::for_worker([partner]).one(app.db.read()).await? else {
        return Ok(Vec::new());
    };
    let mut secrets = Vec::new();
    let current = row.sealed_secret.map(|sealed| (sealed, None));
    let previous = row.sealed_previous_secret.zip(row.previous_secret_until.map(Some));
    let place = places::signing_secret(partner);
    for (sealed, until) in current.into_iter().chain(previous) {
        let text = open(app, row.account_id, &place, &sealed).await?;
        secrets.push((
            Secret::parse(&text).map_err(|error| Error::Internal(error.into()))?,
            until,
        ));
    }
    Ok(secrets)
}

/// Opens a value of an account, with its keys as they are now if those kept are older than it.
async fn open(app: &App, account: AccountId, place: &str, sealed: &str) -> Result<String> {
    let keys = app.vault.keys(app.db.write(), &app.clock, Some(account)).await?;
    let plain = match keys.open(place, sealed) {
        Err(OpenError::UnknownKey) => app
            .vault
            .reload(app.db.write(), &app.clock, Some(account))
            .await?
            .open(place, sealed),
        opened => opened,
    };
    let plain = plain.map_err(|error| Error::Internal(error.into()))?;
    String::from_utf8(plain).map_err(|error| Error::Internal(error.into()))
}
