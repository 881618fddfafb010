//! How a partner gets its leads.

pub mod inputs;

use async_graphql::{ComplexObject, Context, Json, SimpleObject, Union};
use chrono::{DateTime, Utc};
use entity::delivery_config::{
    self, AccountConfig, DeliveryConfig, EmailConfig, EmailFormat, FieldMapping, FieldSelection, PayloadFormat,
    SealedHeader, WebhookConfig, WebhookMethod,
};
use entity::ids::SettingsId;
use entity::partner;
use serde_json::Value;

use super::account_link::AccountLink;
use super::context::ContextExt;
use super::field_mapping::{FieldMapping, FieldSelection, each};
use super::loaders::distribution::{EncryptedFieldsOf, MailServerOf, SettingsRow};
use super::loaders::load;
use super::scalars::{EmailAddress, UrlText};
use leadmesh_core::error::Result;
use leadmesh_distribution::settings::{email_warnings, encrypted_warnings, warnings};
use leadmesh_network::buyer_steps;

/// How a partner receives its leads. A delivery keeps the settings it was created with; changes apply to later
/// deliveries.
#[derive(Union)]
pub enum DeliverySettings {
    /// By mail.
    Email(EmailSettings),
    /// By HTTP request.
    Webhook(Box<WebhookSettings>),
    /// Into the portal.
    Portal(PortalSettings),
    /// Into a connected account.
    Account(Box<AccountSettings>),
}

/// Delivery by email through the account's own mail server.
#[derive(SimpleObject)]
pub struct EmailSettings {
    /// Recipients, all in one message.
    recipients: Vec<EmailAddress>,
    /// Template of the subject, such as `New lead: {{ lead.first_name }}`.
    subject: String,
    /// Template of the body. Empty means a table of the shared fields.
    body: String,
    /// Format of the body.
    format: EmailFormat,
    /// Fields that the recipients get.
    fields: FieldSelection,
    /// Names shown instead of the fields' labels.
    mapping: Vec<FieldMapping>,
    /// Warnings about valid but questionable settings, for people.
    warnings: Vec<String>,
}

/// Delivery by HTTP request.
#[derive(SimpleObject)]
pub struct WebhookSettings {
    /// URL of the request.
    url: UrlText,
    /// HTTP method of the request.
    method: WebhookMethod,
    /// Encoding of the body.
    payload: PayloadFormat,
    /// Headers added to every request, with hints instead of values.
    headers: Vec<HeaderView>,
    /// Template of the body: any JSON whose strings are templates, such as `{"contact": {"mail": "{{ lead.email }}"}}`.
    /// Null means one flat object of the shared fields.
    template: Option<Json<Value>>,
    /// Fields that the recipient gets.
    fields: FieldSelection,
    /// Names used instead of the flow's in a body without a template.
    mapping: Vec<FieldMapping>,
    /// Whether and how requests are signed.
    signing: SigningView,
    /// Milliseconds for the whole exchange: connecting, sending and reading the answer.
    timeout_ms: i32,
    /// When and how often a failed delivery is retried.
    retry: RetryPolicy,
    /// How to read a 2xx answer. Null means that every 2xx accepts the lead.
    response_rule: Option<ResponseRule>,
    /// Warnings about valid but questionable settings, for people.
    warnings: Vec<String>,
}

/// A header added to every request. Its value is stored encrypted and never shown.
#[derive(SimpleObject)]
pub struct HeaderView {
    /// Name of the header.
    name: String,
    /// Last four characters of the value; empty for a short value.
    value_hint: String,
}

/// Signatures of requests by the Standard Webhooks scheme, by which the recipient recognises the sender.
#[derive(SimpleObject)]
pub struct SigningView {
    /// Whether requests are signed.
    enabled: bool,
    /// Last four characters of the partner's signing secret; null while it has none.
    hint: Option<String>,
    /// When the current secret was created.
    rotated_at: Option<DateTime<Utc>>,
    /// Until when requests are signed with the previous secret too; null if they are not.
    previous_valid_until: Option<DateTime<Utc>>,
}

/// When and how often a failed request is retried. The delay grows with each attempt, with random variation.
/// `Retry-After` is honoured.
#[derive(SimpleObject)]
pub struct RetryPolicy {
    /// Total attempts, including the first.
    attempts: i32,
    /// Milliseconds between the first and the second attempt.
    initial_delay_ms: i32,
    /// The most milliseconds between two attempts.
    max_delay_ms: i32,
    /// Minutes after which no further attempt is made.
    max_age_minutes: i32,
    /// HTTP statuses that fail the delivery immediately.
    give_up_on: Vec<i32>,
}

/// Reads acceptance or refusal from a 2xx answer. Pointers are JSON pointers (RFC 6901) into the answer's body.
#[derive(SimpleObject)]
pub struct ResponseRule {
    /// Pointer to the value that says whether the lead was accepted.
    pointer: String,
    /// Values that mean accepted. Every other value means refused.
    accepted_values: Vec<String>,
    /// Pointer to the recipient's identifier for the lead.
    external_id_pointer: Option<String>,
    /// Pointer to the reason for a refusal.
    reason_pointer: Option<String>,
}

/// Delivery into the partner's portal.
#[derive(SimpleObject)]
pub struct PortalSettings {
    /// Fields that the portal users get, in the portal and in its CSV.
    fields: FieldSelection,
    /// Warnings about valid but questionable settings, for people.
    warnings: Vec<String>,
}

/// Delivery into the receiving flow of a connected account.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct AccountSettings {
    /// The connection to the receiving account.
    connection: AccountLink,
    /// Fields that the receiving account gets.
    fields: FieldSelection,
    /// Names that the receiving account gets instead of the flow's.
    mapping: Vec<FieldMapping>,
    #[graphql(skip)]
    encrypted: Vec<String>,
    #[graphql(skip)]
    row: (partner::Model, AccountConfig),
}

#[ComplexObject]
impl AccountSettings {
    /// Warnings about valid but questionable settings, for people.
    async fn warnings(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        let (partner, config) = &self.row;
        let lost = buyer_steps::partner_warnings(ctx.app()?.db.read(), partner, config).await?;
        Ok(lost.into_iter().chain(self.encrypted.iter().cloned()).collect())
    }
}

impl DeliverySettings {
    /// A version of a partner's settings.
    pub(super) async fn load(ctx: &Context<'_>, partner: &partner::Model, id: SettingsId) -> Result<Self> {
        let row = load(ctx, SettingsRow(partner.account_id, id)).await?;
        let row = row.ok_or_else(|| anyhow::anyhow!("the delivery settings {id} are gone"))?;
        let known = load(ctx, EncryptedFieldsOf(partner.account_id))
            .await?
            .unwrap_or_default();
        let encrypted = encrypted_warnings(&known, row.config.fields());
        Ok(match row.config {
            DeliveryConfig::Email(config) => {
                let can_mail = load(ctx, MailServerOf(partner.account_id)).await?.is_some();
                let mut settings = EmailSettings::of(config, can_mail);
                settings.warnings.extend(encrypted);
                Self::Email(settings)
            }
            DeliveryConfig::Webhook(config) => {
                let signing = SigningView::of(partner, config.sign, ctx.app()?.clock.now());
                let mut settings = WebhookSettings::of(config, signing);
                settings.warnings.extend(encrypted);
                Self::Webhook(Box::new(settings))
            }
            DeliveryConfig::Portal(config) => Self::Portal(PortalSettings {
                fields: config.fields,
                warnings: encrypted,
            }),
            DeliveryConfig::Account(config) => {
                let link = match config.connection_id {
                    Some(id) => AccountLink::load(ctx, partner.account_id, id).await?,
                    None => None,
                };
                let connection = link.ok_or_else(|| anyhow::anyhow!("the connection of {} is gone", row.id))?;
                Self::Account(Box::new(AccountSettings {
                    connection,
                    row: (partner.clone(), config.clone()),
                    fields: config.fields,
                    mapping: config.mapping,
                    encrypted,
                }))
            }
        })
    }
}

impl SigningView {
    fn of(partner: &partner::Model, enabled: bool, now: DateTime<Utc>) -> Self {
        Self {
            enabled,
            hint: partner.secret_hint.as_ref().map(|hint| format!("…{hint}")),
            rotated_at: partner.secret_rotated_at,
            previous_valid_until: partner.previous_secret_until.filter(|until| now < *until),
        }
    }
}

impl WebhookSettings {
    fn of(config: WebhookConfig, signing: SigningView) -> Self {
        Self {
            warnings: warnings(&config),
            url: config.url.into(),
            method: config.method,
            payload: config.payload,
            headers: each(config.headers),
            template: config.template.map(Json),
            fields: config.fields,
            mapping: config.mapping,
            signing,
            timeout_ms: int(config.timeout_ms),
            retry: config.retry.into(),
            response_rule: config.response_rule.map(ResponseRule::from),
        }
    }
}

impl EmailSettings {
    fn of(config: EmailConfig, can_mail: bool) -> Self {
        Self {
            warnings: email_warnings(&config, can_mail),
            recipients: each(config.recipients),
            subject: config.subject,
            body: config.body,
            format: config.format,
            fields: config.fields,
            mapping: config.mapping,
        }
    }
}

impl From<SealedHeader> for HeaderView {
    fn from(header: SealedHeader) -> Self {
        Self {
            name: header.name,
            value_hint: header.value_hint,
        }
    }
}

impl From<delivery_config::RetryPolicy> for RetryPolicy {
    fn from(policy: delivery_config::RetryPolicy) -> Self {
        Self {
            attempts: int(policy.attempts),
            initial_delay_ms: int(policy.initial_delay_ms),
            max_delay_ms: int(policy.max_delay_ms),
            max_age_minutes: int(policy.max_age_minutes),
            give_up_on: each(policy.give_up_on),
        }
    }
}

impl From<delivery_config::ResponseRule> for ResponseRule {
    fn from(rule: delivery_config::ResponseRule) -> Self {
        Self {
            pointer: rule.pointer,
            accepted_values: rule.accepted_values,
            external_id_pointer: rule.external_id_pointer,
            reason_pointer: rule.reason_pointer,
        }
    }
}

/// Settings stay far below what an Int holds.
fn int(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
