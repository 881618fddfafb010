//! Warnings about settings that are allowed.

use entity::delivery_config::{EmailConfig, FieldSelection, WebhookConfig};
use entity::field::FieldDef;
use serde_json::Value;

use leadmesh_leads::sharing::encrypted_unnamed;

/// Words in the names of headers that carry credentials.
const CREDENTIALS: [&str; 5] = ["auth", "key", "token", "secret", "password"];

/// What users should know about a webhook's settings.
pub fn warnings(config: &WebhookConfig) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.url.starts_with("http:") {
        warnings.push("Leads are sent over plain http: everybody on the way can read and change them.".to_owned());
    }
    if !config.sign {
        warnings.push(
            "Requests are not signed: the recipient cannot tell whether a lead was changed on the way.".to_owned(),
        );
    }
    let named = |name: &str| CREDENTIALS.iter().any(|word| name.to_ascii_lowercase().contains(word));
    if !config.sign && !config.headers.iter().any(|header| named(&header.name)) {
        warnings.push(
            "Neither a signature nor a header such as Authorization proves who sends: anybody who knows the address can send leads to it."
                .to_owned(),
        );
    }
    if config.retry.attempts == 1 {
        warnings.push("Failed deliveries are not tried again: a short outage of the recipient loses its leads until you retry them.".to_owned());
    }
    if config.template.as_ref().is_some_and(|shape| !names_a_field(shape)) {
        warnings.push("The custom shape names no field: every lead is sent with the same body.".to_owned());
    }
    warnings
}

/// What users should know about email settings.
pub fn email_warnings(config: &EmailConfig, can_mail: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if !can_mail {
        warnings
            .push("The account has no mail server: set one with setSmtpSettings, or these deliveries fail.".to_owned());
    }
    if !config.body.is_empty() && !is_template(&config.body) {
        warnings.push(
            "The body names no field: every lead is sent with the same text. Leave it empty for a table of the shared fields."
                .to_owned(),
        );
    }
    warnings
}

/// What users should know about encrypted fields under a selection.
pub fn encrypted_warnings(fields: &[FieldDef], selection: &FieldSelection) -> Vec<String> {
    let unnamed = encrypted_unnamed(fields, selection);
    if unnamed.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "Encrypted fields go to the partner without being named: {}. Name what the partner gets with mode ONLY, or leave them out with \
         EXCEPT.",
        unnamed.join(", ")
    )]
}

fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

fn names_a_field(shape: &Value) -> bool {
    match shape {
        Value::String(text) => is_template(text),
        Value::Array(items) => items.iter().any(names_a_field),
        Value::Object(entries) => entries.values().any(names_a_field),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_shape_without_a_field_is_noticed_however_deep() {
        assert!(names_a_field(&json!({ "a": [1, { "b": "x {{ lead.email }}" }] })));
        assert!(!names_a_field(&json!({ "{{ lead.email }}": ["x", 1, null] })));
    }
}
