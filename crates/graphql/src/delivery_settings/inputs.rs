//! How a partner shall get its leads.

use async_graphql::{InputObject, Json, OneofObject};
use entity::delivery_config::{EmailFormat, PayloadFormat, WebhookMethod};
use entity::ids::ConnectionId;
use serde_json::Value;

use crate::field_mapping::{FieldMappingInput, FieldSelectionInput, each};
use crate::scalars::{EmailAddress, UrlText};
use leadmesh_distribution::settings::{self, AccountInput, DeliveryInput, EmailInput, PortalInput, WebhookInput};

/// How a partner receives its leads. Replaces all settings: an omitted field gets its default, not its previous value.
#[derive(Clone, Debug, OneofObject)]
pub enum DeliverySettingsInput {
    /// By email through the account's own mail server.
    Email(EmailSettingsInput),
    /// By HTTP request.
    Webhook(Box<WebhookSettingsInput>),
    /// Into the portal.
    Portal(PortalSettingsInput),
    /// Into the receiving flow of a connected account.
    Account(AccountSettingsInput),
}

/// Delivery by email.
#[derive(Clone, Debug, InputObject)]
pub struct EmailSettingsInput {
    /// 1 to 20 recipients, all in one message.
    recipients: Vec<EmailAddress>,
    /// Template of the subject, at most 500 characters, such as `New lead: {{ lead.first_name }}`.
    subject: String,
    /// Template of the body, at most 64 KiB. If omitted or blank, a table of the shared fields.
    body: Option<String>,
    /// Format of the body. In HTML, field values are escaped.
    #[graphql(default_with = "Some(EmailFormat::Text)")]
    format: Option<EmailFormat>,
    /// Fields that the recipients get. Defaults to all.
    fields: Option<FieldSelectionInput>,
    /// Names shown instead of the fields' labels, at most 500.
    mapping: Option<Vec<FieldMappingInput>>,
}

/// Delivery by HTTP request.
#[derive(Clone, Debug, InputObject)]
pub struct WebhookSettingsInput {
    /// URL of the request: `https`, or `http` with `allowInsecureHttp`; without user and password, at most 2,000 bytes.
    /// Private, loopback and other special addresses are refused unless the operator of the server allows them.
    url: UrlText,
    /// HTTP method of the request.
    #[graphql(default_with = "Some(WebhookMethod::Post)")]
    method: Option<WebhookMethod>,
    /// Encoding of the body.
    #[graphql(default_with = "Some(PayloadFormat::Json)")]
    payload: Option<PayloadFormat>,
    /// Headers added to every request, at most 30.
    headers: Option<Vec<HeaderInput>>,
    /// Template of the body, at most 64 KiB: any JSON whose strings are templates. A string that is a single
    /// placeholder keeps the type of the value. If omitted, one flat object of the shared fields.
    template: Option<Json<Value>>,
    /// Fields that the recipient gets. Defaults to all.
    fields: Option<FieldSelectionInput>,
    /// Names used instead of the flow's in a body without a template, at most 500.
    mapping: Option<Vec<FieldMappingInput>>,
    /// Whether requests are signed by the Standard Webhooks scheme. The partner's secret is created when first needed
    /// and shown once, in the payload of that mutation.
    #[graphql(default_with = "Some(true)")]
    sign: Option<bool>,
    /// Milliseconds for the whole exchange, 1,000 to 60,000. Defaults to 15,000.
    timeout_ms: Option<i32>,
    /// When and how often a failed delivery is retried.
    retry: Option<RetryPolicyInput>,
    /// How to read a 2xx answer. If omitted, every 2xx accepts the lead.
    response_rule: Option<ResponseRuleInput>,
    /// Allows `http`, which everybody on the network path can read and change.
    #[graphql(default_with = "Some(false)")]
    allow_insecure_http: Option<bool>,
}

/// A header added to every request.
#[derive(Clone, InputObject)]
pub struct HeaderInput {
    /// Name, at most 128 characters. Headers that HTTP or Leadmesh sets are refused.
    name: String,
    /// Value, at most 4,096 printable ASCII characters, stored encrypted and never shown again. Empty keeps the stored
    /// value of the header with this name, as long as scheme, host and port of the URL stay the same.
    #[graphql(secret)]
    value: String,
}

impl std::fmt::Debug for HeaderInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HeaderInput({}: …)", self.name)
    }
}

/// When and how often a failed request is retried. Omitted fields get their defaults.
#[derive(Clone, Debug, InputObject)]
pub struct RetryPolicyInput {
    /// Total attempts, including the first, 1 to 20. Defaults to 6.
    attempts: Option<i32>,
    /// Milliseconds between the first and the second attempt, 100 to 3,600,000. Defaults to 10,000.
    initial_delay_ms: Option<i32>,
    /// The most milliseconds between two attempts, from `initialDelayMs` to 86,400,000. Defaults to 7,200,000.
    max_delay_ms: Option<i32>,
    /// Minutes after which no further attempt is made, 1 to 10,080. Defaults to 1,440.
    max_age_minutes: Option<i32>,
    /// HTTP statuses from 400 to 599 that fail the delivery immediately. Defaults to none.
    give_up_on: Option<Vec<i32>>,
}

/// Reads acceptance or refusal from a 2xx answer. Pointers are JSON pointers (RFC 6901) into the answer's body, at most
/// 500 bytes each.
#[derive(Clone, Debug, InputObject)]
pub struct ResponseRuleInput {
    /// Pointer to the value that says whether the lead was accepted, such as `/result/status`.
    pointer: String,
    /// Values that mean accepted, 1 to 100. Every other value means refused.
    accepted_values: Vec<String>,
    /// Pointer to the recipient's identifier for the lead.
    external_id_pointer: Option<String>,
    /// Pointer to the reason for a refusal.
    reason_pointer: Option<String>,
}

/// Delivery into the portal.
#[derive(Clone, Debug, InputObject)]
pub struct PortalSettingsInput {
    /// Fields that the portal users get, in the portal and in its CSV. Defaults to all.
    fields: Option<FieldSelectionInput>,
}

/// Delivery into the receiving flow of a connected account.
#[derive(Clone, Debug, InputObject)]
pub struct AccountSettingsInput {
    /// The connection to the receiving account.
    connection_id: ConnectionId,
    /// Fields that the receiving account gets. Defaults to all.
    fields: Option<FieldSelectionInput>,
    /// Names that the receiving account gets instead of the flow's, at most 500.
    mapping: Option<Vec<FieldMappingInput>>,
}

impl From<DeliverySettingsInput> for DeliveryInput {
    fn from(input: DeliverySettingsInput) -> Self {
        match input {
            DeliverySettingsInput::Email(input) => Self::Email(input.into()),
            DeliverySettingsInput::Webhook(input) => Self::Webhook(Box::new((*input).into())),
            DeliverySettingsInput::Portal(input) => Self::Portal(PortalInput {
                fields: input.fields.map(Into::into),
            }),
            DeliverySettingsInput::Account(input) => Self::Account(AccountInput {
                connection: input.connection_id,
                fields: input.fields.map(Into::into),
                mapping: each(input.mapping.unwrap_or_default()),
            }),
        }
    }
}

impl From<EmailSettingsInput> for EmailInput {
    fn from(input: EmailSettingsInput) -> Self {
        Self {
            recipients: input.recipients.into_iter().map(|address| address.0).collect(),
            subject: input.subject,
            body: input.body,
            format: input.format.unwrap_or_default(),
            fields: input.fields.map(Into::into),
            mapping: each(input.mapping.unwrap_or_default()),
        }
    }
}

impl From<WebhookSettingsInput> for WebhookInput {
    fn from(input: WebhookSettingsInput) -> Self {
        Self {
            url: input.url.0,
            method: input.method.unwrap_or_default(),
            payload: input.payload.unwrap_or_default(),
            headers: each(input.headers.unwrap_or_default()),
            template: input.template.map(|template| template.0),
            fields: input.fields.map(Into::into),
            mapping: each(input.mapping.unwrap_or_default()),
            sign: input.sign.unwrap_or(true),
            timeout_ms: input.timeout_ms,
            retry: input.retry.map(Into::into),
            response_rule: input.response_rule.map(Into::into),
            allow_insecure_http: input.allow_insecure_http.unwrap_or_default(),
        }
    }
}

impl From<HeaderInput> for settings::HeaderInput {
    fn from(input: HeaderInput) -> Self {
        Self {
            name: input.name,
            value: input.value,
        }
    }
}

impl From<RetryPolicyInput> for settings::RetryInput {
    fn from(input: RetryPolicyInput) -> Self {
        Self {
            attempts: input.attempts,
            initial_delay_ms: input.initial_delay_ms,
            max_delay_ms: input.max_delay_ms,
            max_age_minutes: input.max_age_minutes,
            give_up_on: input.give_up_on,
        }
    }
}

impl From<ResponseRuleInput> for settings::ResponseRuleInput {
    fn from(input: ResponseRuleInput) -> Self {
        Self {
            pointer: input.pointer,
            accepted_values: input.accepted_values,
            external_id_pointer: input.external_id_pointer,
            reason_pointer: input.reason_pointer,
        }
    }
}
