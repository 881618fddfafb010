use entity::delivery_config::FieldSelectionMode;
use entity::delivery_config::{
    EmailFormat, FieldMapping, FieldSelection, PayloadFormat, PortalConfig, RetryPolicy, SealedHeader,
};
use entity::field::FieldType;
use serde_json::json;

use super::*;

fn fields() -> Vec<FieldDef> {
    let text = |name: &str, label: &str| FieldDef {
        name: name.into(),
        label: label.into(),
        field_type: FieldType::Text,
        required: false,
        encrypted: false,
        choices: None,
        example: None,
        description: None,
    };
    vec![text("email", "Email"), text("ssn", "SSN")]
}

fn lead() -> Map<String, Value> {
    let Value::Object(lead) = json!({"email": "a@b.co", "ssn": "123"}) else {
        unreachable!()
    };
    lead
}

fn all_but_ssn() -> FieldSelection {
    FieldSelection {
        mode: FieldSelectionMode::Except,
        fields: vec!["ssn".into()],
    }
}

fn webhook_settings() -> WebhookConfig {
    WebhookConfig {
        url: "https://crm.example/in".into(),
        method: WebhookMethod::Put,
        payload: PayloadFormat::Json,
        headers: vec![SealedHeader {
            name: "X-Api-Key".into(),
            value_hint: "…1234".into(),
            sealed_value: "sealed".into(),
        }],
        template: None,
        fields: all_but_ssn(),
        mapping: vec![FieldMapping {
            from: "email".into(),
            to: "mail".into(),
        }],
        sign: true,
        timeout_ms: 1_000,
        retry: RetryPolicy::default(),
        response_rule: None,
        allow_insecure_http: false,
    }
}

fn shown(preview: &Preview, name: &str) -> Option<String> {
    let headers = preview.headers.as_ref().unwrap();
    headers
        .iter()
        .find(|(header, _)| header == name)
        .map(|(_, value)| value.clone())
}

#[test]
fn a_webhook_is_shown_with_the_headers_that_are_sent_and_none_of_its_secrets() {
    let shown_webhook = preview(
        &DeliveryConfig::Webhook(webhook_settings()),
        &fields(),
        &lead(),
        &Budget::default(),
    )
    .unwrap();
    assert_eq!(shown_webhook.method, Some(Method::PUT));
    assert_eq!(shown_webhook.url.as_deref(), Some("https://crm.example/in"));
    assert_eq!(shown_webhook.body, r#"{"mail":"a@b.co"}"#);
    assert_eq!(shown_webhook.content_type.as_deref(), Some("application/json"));
    let header = |name| shown(&shown_webhook, name).unwrap_or_default();
    assert_eq!(header("x-api-key"), "…1234");
    assert_eq!(header("webhook-id"), DELIVERY_ID);
    assert_eq!(header("idempotency-key"), DELIVERY_ID);
    assert_eq!(header("webhook-timestamp"), SENT_AT);
    assert_eq!(header("webhook-signature"), SIGNATURE);
    assert!(header("user-agent").starts_with("Leadmesh/"));
}

#[test]
fn an_unsigned_webhook_has_no_signature_and_a_custom_type_is_the_one_that_is_sent() {
    let mut settings = webhook_settings();
    settings.sign = false;
    settings.headers = vec![SealedHeader {
        name: "Content-Type".into(),
        value_hint: "…json".into(),
        sealed_value: "sealed".into(),
    }];
    let shown_webhook = preview(
        &DeliveryConfig::Webhook(settings),
        &fields(),
        &lead(),
        &Budget::default(),
    )
    .unwrap();
    assert_eq!(shown(&shown_webhook, "webhook-signature"), None);
    assert_eq!(shown_webhook.content_type.as_deref(), Some("…json"));
}

#[test]
fn a_mail_is_shown_as_it_is_composed() {
    let config = EmailConfig {
        recipients: vec!["buyer@example.com".into()],
        subject: "Lead {{ lead.email }}".into(),
        body: String::new(),
        format: EmailFormat::Text,
        fields: all_but_ssn(),
        mapping: vec![],
    };
    let mail = preview(&DeliveryConfig::Email(config), &fields(), &lead(), &Budget::default()).unwrap();
    assert_eq!(mail.subject.as_deref(), Some("Lead a@b.co"));
    assert_eq!(mail.recipients, Some(vec!["buyer@example.com".to_owned()]));
    assert_eq!(mail.content_type.as_deref(), Some("text/plain; charset=utf-8"));
    assert_eq!(mail.body, "Email: a@b.co\n");
    assert_eq!(mail.headers, None);
}

#[test]
fn the_portal_shows_the_shared_fields() {
    let config = PortalConfig { fields: all_but_ssn() };
    let portal = preview(&DeliveryConfig::Portal(config), &fields(), &lead(), &Budget::default()).unwrap();
    assert_eq!(portal.body, r#"{"email":"a@b.co"}"#);
}
