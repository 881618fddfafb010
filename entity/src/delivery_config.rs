//! How a partner's leads are delivered, as stored in JSON with each version of its delivery settings.
//!
//! Header values are sealed before they get here; nothing in these types is readable secret material.

use crate::ids::ConnectionId;
use async_graphql::{Enum, InputObject, SimpleObject};
use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which fields of a lead a recipient gets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct FieldSelection {
    /// How `fields` is read.
    pub mode: FieldSelectionMode,
    /// Names of the flow's fields; empty if the mode is ALL.
    #[serde(default)]
    pub fields: Vec<String>,
}

impl FieldSelection {
    /// Whether the recipient may see the field of this name. Names are compared exactly.
    pub fn shares(&self, name: &str) -> bool {
        let listed = || self.fields.iter().any(|field| field == name);
        match self.mode {
            FieldSelectionMode::All => true,
            FieldSelectionMode::Only => listed(),
            FieldSelectionMode::Except => !listed(),
        }
    }
}

/// How a list of fields selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Enum)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FieldSelectionMode {
    /// Every field, including those added later.
    #[default]
    All,
    /// Only the listed fields.
    Only,
    /// Every field except the listed ones.
    Except,
}

/// Renames one field between sender and receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, SimpleObject, InputObject)]
#[serde(rename_all = "camelCase")]
#[graphql(input_name = "FieldMappingInput")]
pub struct FieldMapping {
    /// The sender's name of the field.
    pub from: String,
    /// The receiver's name of the field.
    pub to: String,
}

/// Delivery by mail through the account's own SMTP server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EmailConfig {
    /// Addresses, all named in one message.
    pub recipients: Vec<String>,
    /// Template of the subject line.
    pub subject: String,
    /// Template of the body; blank means a list of the selected fields.
    pub body: String,
    /// Kind of body.
    pub format: EmailFormat,
    /// What the recipients get to see.
    pub fields: FieldSelection,
    /// Names shown in place of the fields' labels.
    pub mapping: Vec<FieldMapping>,
}

/// Format of an email body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Enum)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EmailFormat {
    /// Plain text.
    #[default]
    Text,
    /// HTML, with a plain-text alternative.
    Html,
}

/// Delivery by an HTTP request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookConfig {
    /// Where the request goes.
    pub url: String,
    /// Method of the request.
    pub method: WebhookMethod,
    /// Encoding of the body.
    pub payload: PayloadFormat,
    /// Headers added to every request.
    pub headers: Vec<SealedHeader>,
    /// Custom shape of the body: any JSON whose strings are templates. Without it the body is one flat object.
    pub template: Option<Value>,
    /// What the recipient gets to see.
    pub fields: FieldSelection,
    /// Names used in place of the flow's field names in a body without custom shape.
    pub mapping: Vec<FieldMapping>,
    /// Whether requests are signed by the Standard Webhooks scheme.
    pub sign: bool,
    /// Milliseconds for the whole exchange: connecting, sending and reading the answer.
    pub timeout_ms: u32,
    /// When and how often a failed delivery is tried again.
    pub retry: RetryPolicy,
    /// How a 2xx answer is read; without it every 2xx means delivered.
    pub response_rule: Option<ResponseRule>,
    /// Whether `url` may begin with `http://`.
    pub allow_insecure_http: bool,
}

/// HTTP method of a webhook request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Enum)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WebhookMethod {
    /// Send by POST.
    #[default]
    Post,
    /// Send by PUT.
    Put,
    /// Send by PATCH.
    Patch,
}

/// Encoding of a webhook's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Enum)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PayloadFormat {
    /// `application/json`.
    #[default]
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// A request header whose value is kept encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SealedHeader {
    /// Name of the header.
    pub name: String,
    /// What people are shown of the value, for instance its last four characters.
    pub value_hint: String,
    /// The value, sealed with the instance's master key.
    pub sealed_value: String,
}

/// When and how often a failed webhook is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryPolicy {
    /// Attempts in all, the first one included.
    pub attempts: u32,
    /// Milliseconds between the first and the second attempt.
    pub initial_delay_ms: u32,
    /// Most milliseconds between two attempts.
    pub max_delay_ms: u32,
    /// Minutes after which no further attempt is made.
    pub max_age_minutes: u32,
    /// HTTP statuses that fail the delivery at once.
    pub give_up_on: Vec<u16>,
}

impl Default for RetryPolicy {
    /// Six attempts: at once, then after 10 s, 1 min, 5 min, 30 min and 2 h; 24 h at most; nothing is given up on.
    fn default() -> Self {
        Self {
            attempts: 6,
            initial_delay_ms: 10_000,
            max_delay_ms: 7_200_000,
            max_age_minutes: 1_440,
            give_up_on: Vec::new(),
        }
    }
}

/// How a partner refuses a lead inside a 2xx answer. Pointers are JSON pointers (RFC 6901) into the answer's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResponseRule {
    /// Where the answer says whether the lead was taken.
    pub pointer: String,
    /// Values there that mean accepted; every other value means refused.
    pub accepted_values: Vec<String>,
    /// Where the recipient's own id of the lead is found.
    pub external_id_pointer: Option<String>,
    /// Where the reason for a refusal is found.
    pub reason_pointer: Option<String>,
}

/// Delivery into the partner's portal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortalConfig {
    /// What the partner's people get to see, in the portal and in its CSV.
    pub fields: FieldSelection,
}

/// Delivery into the flow of a connected account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountConfig {
    /// The connection that leads there; none in the settings of a BUYER step, which names it itself.
    pub connection_id: Option<ConnectionId>,
    /// What the account gets to see.
    pub fields: FieldSelection,
    /// Names that the account gets in place of the flow's field names.
    pub mapping: Vec<FieldMapping>,
}

/// A partner's delivery settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, FromJsonQueryResult)]
#[serde(tag = "channel", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeliveryConfig {
    /// By mail.
    Email(EmailConfig),
    /// By HTTP request.
    Webhook(WebhookConfig),
    /// Into the portal.
    Portal(PortalConfig),
    /// Into a connected account.
    Account(AccountConfig),
}

impl DeliveryConfig {
    /// The channel that the settings are for.
    pub fn channel(&self) -> Channel {
        match self {
            Self::Email(_) => Channel::Email,
            Self::Webhook(_) => Channel::Webhook,
            Self::Portal(_) => Channel::Portal,
            Self::Account(_) => Channel::Account,
        }
    }

    /// What the recipient gets to see.
    pub fn fields(&self) -> &FieldSelection {
        match self {
            Self::Email(config) => &config.fields,
            Self::Webhook(config) => &config.fields,
            Self::Portal(config) => &config.fields,
            Self::Account(config) => &config.fields,
        }
    }

    /// Names that the recipient gets in place of the flow's; none in the portal.
    pub fn mapping(&self) -> &[FieldMapping] {
        match self {
            Self::Email(config) => &config.mapping,
            Self::Webhook(config) => &config.mapping,
            Self::Portal(_) => &[],
            Self::Account(config) => &config.mapping,
        }
    }
}

/// How leads reach a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Enum, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[graphql(name = "DeliveryChannel")]
pub enum Channel {
    /// By email to the partner's addresses.
    Email,
    /// By an HTTP request to the partner's server.
    Webhook,
    /// In the partner's portal.
    Portal,
    /// Into a flow of a connected account.
    Account,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn selection(mode: FieldSelectionMode, fields: &[&str]) -> FieldSelection {
        let fields = fields.iter().map(ToString::to_string).collect();
        FieldSelection { mode, fields }
    }

    #[test]
    fn a_selection_shares_all_only_the_listed_or_all_but_the_listed() {
        let shared = |mode| ["email", "ssn"].map(|name| selection(mode, &["ssn"]).shares(name));
        assert_eq!(shared(FieldSelectionMode::All), [true, true]);
        assert_eq!(shared(FieldSelectionMode::Only), [false, true]);
        assert_eq!(shared(FieldSelectionMode::Except), [true, false]);
    }

    #[test]
    fn settings_are_stored_under_their_channel_in_camel_case_and_come_back_unchanged() {
        let stored = json!({
            "channel": "WEBHOOK", "url": "https://crm.test/in", "method": "PUT", "payload": "FORM",
            "headers": [{"name": "x-api-key", "valueHint": "…1234", "sealedValue": "AAAA"}],
            "template": {"mail": "{{ lead.email }}"}, "fields": {"mode": "ONLY", "fields": ["email"]},
            "mapping": [{"from": "email", "to": "mail"}], "sign": true, "timeoutMs": 15000,
            "retry": {"attempts": 6, "initialDelayMs": 10000, "maxDelayMs": 7_200_000, "maxAgeMinutes": 1440, "giveUpOn": [410]},
            "responseRule": {"pointer": "/ok", "acceptedValues": ["true"], "externalIdPointer": null, "reasonPointer": "/why"},
            "allowInsecureHttp": false
        });
        let config: DeliveryConfig = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(config.channel(), Channel::Webhook);
        assert!(!config.fields().shares("ssn"));
        assert_eq!(serde_json::to_value(config).unwrap(), stored);
    }

    #[test]
    fn portal_and_account_settings_are_told_apart_by_their_channel() {
        let id = Uuid::from_u128(7);
        let account = AccountConfig {
            connection_id: Some(ConnectionId(id)),
            fields: FieldSelection::default(),
            mapping: vec![],
        };
        let stored = serde_json::to_value(DeliveryConfig::Account(account)).unwrap();
        assert_eq!(stored["channel"], "ACCOUNT");
        let portal = json!({"channel": "PORTAL", "fields": {"mode": "ALL"}});
        assert_eq!(
            serde_json::from_value::<DeliveryConfig>(portal).unwrap().channel(),
            Channel::Portal
        );
    }
}
