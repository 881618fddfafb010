//! How a partner shall get its leads.

use async_graphql::{InputObject, Json, OneofObject};
use entity::delivery_config::{EmailFormat, FieldMapping, PayloadFormat, WebhookMethod};
use entity::ids::ConnectionId;
use serde_json::Value;

use crate::field_mapping::{FieldSelectionInput, each};
use crate::scalars::{EmailAddress, UrlText};
use leadmesh_distribution::settings::{
    AccountInput, DeliveryInput, EmailInput, HeaderInput, PortalInput, ResponseRuleInput, RetryInput, WebhookInput,
};

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
    mapping: Option<Vec<FieldMapping>>,
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
    mapping: Option<Vec<FieldMapping>>,
    /// Whether requests are signed by the Standard Webhooks scheme. The partner's secret is created when first needed
    /// and shown once, in the payload of that mutation.
    #[graphql(default_with = "Some(true)")]
    sign: Option<bool>,
    /// Milliseconds for the whole exchange, 1,000 to 60,000. Defaults to 15,000.
    timeout_ms: Option<i32>,
    /// When and how often a failed delivery is retried.
    retry: Option<RetryInput>,
    /// How to read a 2xx answer. If omitted, every 2xx accepts the lead.
    response_rule: Option<ResponseRuleInput>,
    /// Allows `http`, which everybody on the network path can read and change.
    #[graphql(default_with = "Some(false)")]
    allow_insecure_http: Option<bool>,
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
    mapping: Option<Vec<FieldMapping>>,
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
                mapping: input.mapping.unwrap_or_default(),
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
            mapping: input.mapping.unwrap_or_default(),
        }
    }
}

impl From<WebhookSettingsInput> for WebhookInput {
    fn from(input: WebhookSettingsInput) -> Self {
        Self {
            url: input.url.0,
            method: input.method.unwrap_or_default(),
            payload: input.payload.unwrap_or_default(),
            headers: input.headers.unwrap_or_default(),
            template: input.template.map(|template| template.0),
            fields: input.fields.map(Into::into),
            mapping: input.mapping.unwrap_or_default(),
            sign: input.sign.unwrap_or(true),
            timeout_ms: input.timeout_ms,
            retry: input.retry,
            response_rule: input.response_rule,
            allow_insecure_http: input.allow_insecure_http.unwrap_or_default(),
        }
    }
}
