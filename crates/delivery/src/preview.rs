//! Previews what a delivery would send, by the code that sends it.
//!
//! Secrets are not opened for it: values of custom headers come as their hints. What is only known when it is sent (the
//! identifiers, the time, the signature) stands as a note in angle brackets.

use std::time::Duration;

use chrono::DateTime;
use entity::delivery_config::{Channel, DeliveryConfig, EmailConfig, WebhookConfig, WebhookMethod};
use entity::field::FieldDef;
use serde_json::{Map, Value};

use super::payload::{self, Budget, Envelope, PayloadError, PreparedEmail, PreparedWebhook};
use super::signing::Secret;
use super::webhook::{self, Bytes, Method, Request};

/// Placeholders for what is only known when a delivery is sent.
const DELIVERY_ID: &str = "<identifier of the delivery, the same on every attempt>";
const LEAD_ID: &str = "<identifier of the lead>";
const SENT_AT: &str = "<time of the attempt, in seconds since 1970>";
const SIGNATURE: &str =
    "<v1, and the signature of webhook-id, webhook-timestamp and body by the partner's signing secret>";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    pub channel: Channel,
    pub method: Option<Method>,
    pub url: Option<String>,
    /// Of a webhook: all but those that only frame the message. Names in lower case, as they are sent.
    pub headers: Option<Vec<(String, String)>>,
    pub subject: Option<String>,
    pub recipients: Option<Vec<String>>,
    /// What the body is; a hint if a custom header says so.
    pub content_type: Option<String>,
    /// The body: of a mail in HTML that of its better part; in portal and account the shared fields as JSON.
    pub body: String,
}

impl Preview {
    /// One that has nothing but a body.
    pub fn of(channel: Channel, body: String) -> Self {
        Self {
            channel,
            method: None,
            url: None,
            headers: None,
            subject: None,
            recipients: None,
            content_type: None,
            body,
        }
    }
}

/// What these settings would send for a lead with these values, of a flow with these fields.
///
/// # Errors
/// If the payload cannot be rendered, or exceeds the limits of a delivery.
pub fn preview(
    config: &DeliveryConfig,
    definitions: &[FieldDef],
    lead: &Map<String, Value>,
    budget: &Budget,
) -> Result<Preview, PayloadError> {
    match config {
        DeliveryConfig::Webhook(config) => webhook(config, definitions, lead, budget),
        DeliveryConfig::Email(config) => mail(config, definitions, lead, budget),
        DeliveryConfig::Portal(_) | DeliveryConfig::Account(_) => values(config, definitions, lead, budget),
    }
}

fn webhook(
    config: &WebhookConfig,
    definitions: &[FieldDef],
    lead: &Map<String, Value>,
    budget: &Budget,
) -> Result<Preview, PayloadError> {
    let body = PreparedWebhook::new(config, definitions)?.render(lead, budget)?;
    let text = String::from_utf8_lossy(&body.bytes).into_owned();
    let headers = headers(config, body.content_type);
    let content_type = headers.iter().find(|(name, _)| name == "content-type");
    Ok(Preview {
        method: Some(match config.method {
            WebhookMethod::Post => Method::POST,
            WebhookMethod::Put => Method::PUT,
            WebhookMethod::Patch => Method::PATCH,
        }),
        url: Some(config.url.clone()),
        content_type: content_type.map(|(_, value)| value.clone()),
        headers: Some(headers),
        ..Preview::of(Channel::Webhook, text)
    })
}

/// The headers that the sender makes of a request, with what may be shown of their values.
fn headers(config: &WebhookConfig, content_type: &'static str) -> Vec<(String, String)> {
    let Some(request) = stand_in(config, content_type) else {
        return Vec::new();
    };
    let map = webhook::header_map(&request).unwrap_or_default();
    let sent = map.iter().map(|(name, value)| {
        let name = name.as_str();
        let own = config.headers.iter().find(|own| own.name.eq_ignore_ascii_case(name));
        let shown = match (own, name) {
            (Some(own), _) => own.value_hint.clone(),
            (None, "webhook-id" | "idempotency-key") => DELIVERY_ID.to_owned(),
            (None, "leadmesh-lead-id") => LEAD_ID.to_owned(),
            (None, "webhook-timestamp") => SENT_AT.to_owned(),
            (None, "webhook-signature") => SIGNATURE.to_owned(),
            (None, _) => String::from_utf8_lossy(value.as_bytes()).into_owned(),
        };
        (name.to_owned(), shown)
    });
    let agent = ("user-agent".to_owned(), webhook::USER_AGENT.to_owned());
    sent.chain([agent]).collect()
}

/// A request whose headers are those of a real one; their values stand for nothing.
fn stand_in(config: &WebhookConfig, content_type: &'static str) -> Option<Request> {
    let own = config.headers.iter().map(|header| header.name.clone());
    Some(Request {
        method: Method::POST,
        url: config.url.parse().ok()?,
        headers: own.map(|name| (name, "x".to_owned())).collect(),
        content_type,
        body: Bytes::new(),
        id: "x".to_owned(),
        lead: "x".to_owned(),
        sent_at: DateTime::UNIX_EPOCH,
        secrets: config.sign.then(|| Secret::from_random([0; 32])).into_iter().collect(),
        test: false,
        timeout: Duration::ZERO,
    })
}

fn mail(
    config: &EmailConfig,
    definitions: &[FieldDef],
    lead: &Map<String, Value>,
    budget: &Budget,
) -> Result<Preview, PayloadError> {
    let envelope = Envelope {
        delivery_id: DELIVERY_ID.to_owned(),
        lead_id: LEAD_ID.to_owned(),
        test: false,
    };
    let mail = PreparedEmail::new(config, definitions)?.render(lead, &envelope, budget)?;
    let (content_type, body) = match mail.html {
        Some(html) => ("text/html; charset=utf-8", html),
        None => ("text/plain; charset=utf-8", mail.text),
    };
    Ok(Preview {
        subject: Some(mail.subject),
        recipients: Some(config.recipients.clone()),
        content_type: Some(content_type.to_owned()),
        ..Preview::of(Channel::Email, body)
    })
}

fn values(
    config: &DeliveryConfig,
    definitions: &[FieldDef],
    lead: &Map<String, Value>,
    budget: &Budget,
) -> Result<Preview, PayloadError> {
    let shared = payload::select(lead, config.fields(), config.mapping(), definitions);
    let shared: Map<String, Value> = shared.into_iter().map(|(name, _, value)| (name, value)).collect();
    let json = payload::json_text(&shared, budget)?;
    Ok(Preview {
        content_type: Some("application/json".to_owned()),
        ..Preview::of(config.channel(), String::from_utf8_lossy(&json).into_owned())
    })
}

#[cfg(test)]
mod tests;
