//! Settings of delivery by webhook.

use entity::delivery_config::{FieldMapping, FieldSelection, PayloadFormat, WebhookConfig, WebhookMethod};
use serde_json::Value;
use url::Url;

use super::headers::{self, HeaderInput};
use super::retry::{self, ResponseRuleInput, RetryInput};
use super::shared;
use crate::check::{self, Checked};
use crate::known_fields::KnownFields;
use leadmesh_core::config::Config;
use leadmesh_core::error::{Error, Result, UserError, UserErrorCode};
use leadmesh_delivery::guard::Guard;
use leadmesh_delivery::payload::PreparedWebhook;
use leadmesh_forms::templates::FieldNames;

/// In bytes.
const MAX_URL: usize = 2_000;
/// Milliseconds: a second, and a minute.
const TIMEOUT: std::ops::RangeInclusive<i32> = 1_000..=60_000;
const DEFAULT_TIMEOUT: i32 = 15_000;

/// Delivery by HTTP request.
#[derive(Clone, Debug)]
pub struct WebhookInput {
    /// Where the request goes: `https`, or `http` with consent; without user and password, at most 2,000 bytes.
    pub url: String,
    /// Method of the request.
    pub method: WebhookMethod,
    /// Encoding of the body.
    pub payload: PayloadFormat,
    /// Headers added to every request, at most 30.
    pub headers: Vec<HeaderInput>,
    /// Custom shape of the body, at most 64 KiB.
    pub template: Option<Value>,
    /// What the recipient gets to see; none means all.
    pub fields: Option<FieldSelection>,
    /// Names used in place of the flow's.
    pub mapping: Vec<FieldMapping>,
    /// Whether requests are signed; by default yes.
    pub sign: bool,
    /// Milliseconds for the whole exchange, 1,000 to 60,000; by default 15,000.
    pub timeout_ms: Option<i32>,
    /// When and how often a failed delivery is tried again.
    pub retry: Option<RetryInput>,
    /// How a 2xx answer is read.
    pub response_rule: Option<ResponseRuleInput>,
    /// Consent to `http`.
    pub allow_insecure_http: bool,
}

impl WebhookInput {
    /// Signed JSON by POST to this URL, and every other default.
    pub fn to(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            method: WebhookMethod::Post,
            payload: PayloadFormat::Json,
            headers: Vec::new(),
            template: None,
            fields: None,
            mapping: Vec::new(),
            sign: true,
            timeout_ms: None,
            retry: None,
            response_rule: None,
            allow_insecure_http: false,
        }
    }
}

/// Checks everything; the headers come back to be sealed.
pub(super) fn check(
    input: WebhookInput,
    settings: &Config,
    known: KnownFields,
    path: &str,
) -> Result<(WebhookConfig, Vec<HeaderInput>)> {
    let at = |setting: &str| format!("{path}.{setting}");
    let url = checked_url(&input.url, input.allow_insecure_http, settings, &at("url"))?;
    let headers = headers::check(input.headers, &at("headers"))?;
    let timeout = input.timeout_ms.unwrap_or(DEFAULT_TIMEOUT);
    let fields = shared::selection(input.fields, &known, &at("fields"))?;
    let response_rule = input
        .response_rule
        .map(|rule| retry::response_rule(rule, &at("responseRule")));
    let config = WebhookConfig {
        url,
        method: input.method,
        payload: input.payload,
        headers: Vec::new(),
        template: input.template.filter(|shape| !shape.is_null()),
        fields,
        mapping: input.mapping,
        sign: input.sign,
        timeout_ms: check::number(timeout, TIMEOUT, &at("timeoutMs"))?.unsigned_abs(),
        retry: retry::policy(input.retry, &at("retry"))?,
        response_rule: response_rule.transpose()?,
        allow_insecure_http: input.allow_insecure_http,
    };
    let checked = WebhookConfig {
        fields: known.checked_by(&config.fields),
        ..config.clone()
    };
    let known = known.under(&config.fields);
    let names = FieldNames::new(&known);
    shared::mapping(&checked.mapping, &checked.fields, &names, &at("mapping")).map_err(Error::User)?;
    // The mapping is valid, so a remaining problem is in the custom shape.
    shared::none(PreparedWebhook::check(&checked, &known), &at("template")).map_err(Error::User)?;
    Ok((config, headers))
}

fn checked_url(text: &str, insecure: bool, settings: &Config, path: &str) -> Checked<String> {
    let text = text.trim();
    let invalid = |message: &str| UserError::new(UserErrorCode::Invalid, path, message);
    if text.len() > MAX_URL {
        let message = "this is longer than 2,000 bytes: use a shorter address";
        return Err(UserError::new(UserErrorCode::TooLong, path, message));
    }
    let url = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or_else(|| {
        invalid("give an address that begins with https:// (or http://), such as https://crm.example.com/leads")
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(
            "put user and password into a header, Authorization, not into the address",
        ));
    }
    if url.scheme() == "http" && !insecure {
        let message = "plain http reveals leads to everybody on the way: use https, or set allowInsecureHttp";
        return Err(UserError::new(UserErrorCode::InsecureUrl, path, message));
    }
    let guard = Guard::new(settings.settings.allow_destinations.clone());
    let allowed = guard.check_host(url.host_str().unwrap_or_default());
    allowed.map_err(|blocked| UserError::new(UserErrorCode::DestinationBlocked, path, blocked.to_string()))?;
    Ok(url.into())
}

#[cfg(test)]
mod tests;
