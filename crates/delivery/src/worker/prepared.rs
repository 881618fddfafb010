//! Caches what deliveries by the same settings share: parsed templates, opened headers, signing secrets. A version of the settings never
//! changes, so it is cached until it is evicted; secrets are read again every few seconds.

use std::sync::Arc;
use std::time::Duration;

use entity::delivery_config::{DeliveryConfig, EmailConfig, WebhookConfig, WebhookMethod};
use entity::ids::{FlowId, PartnerId, SettingsId};
use entity::{delivery, delivery_settings};
use http::Method;
use url::Url;

use crate::partner_secrets::{self, SigningSecrets};
use crate::payload::{PayloadError, PreparedEmail, PreparedWebhook};
use crate::signing::Secret;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::queue::LeadContent;

/// A new signing secret is used after this at the latest. The previous one is valid far longer.
const SECRETS_TTL: Duration = Duration::from_secs(5);

pub(super) enum Prepared {
    Webhook(Box<Webhook>),
    Email(Box<Email>),
    Nothing,
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

#[derive(Clone)]
pub(super) struct PreparedCache {
    settings: moka::future::Cache<Key, Arc<Prepared>>,
    secrets: moka::future::Cache<PartnerId, Arc<SigningSecrets>>,
}

impl Default for PreparedCache {
    fn default() -> Self {
        Self {
            settings: moka::future::Cache::new(10_000),
            secrets: moka::future::Cache::builder()
                .max_capacity(10_000)
                .time_to_live(SECRETS_TTL)
                .build(),
        }
    }
}

impl PreparedCache {
    /// A delivery's settings, prepared for its lead's flow.
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

    pub(super) async fn secrets(&self, app: &App, partner: PartnerId) -> Result<Vec<Secret>> {
        let kept = if let Some(kept) = self.secrets.get(&partner).await {
            kept
        } else {
            let secrets = Arc::new(SigningSecrets::load(app, partner).await?);
            self.secrets.insert(partner, secrets.clone()).await;
            secrets
        };
        Ok(kept.valid_at(app.clock.now()))
    }
}

async fn prepare(app: &App, row: delivery_settings::Model, lead: &LeadContent) -> Result<Prepared> {
    Ok(match row.config {
        DeliveryConfig::Webhook(config) => {
            let headers = partner_secrets::open_headers(app, row.account_id, row.id, &config).await?;
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
