//! What is allowed and still worth a word.

use entity::delivery_config::WebhookConfig;

/// Words in the names of headers that carry credentials.
const CREDENTIALS: [&str; 5] = ["auth", "key", "token", "secret", "password"];

/// What people should know about a webhook's settings, in words.
pub fn warnings(config: &WebhookConfig) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.url.starts_with("http:") {
        warnings.push("Leads go out over plain http: everybody on the way can read and change them.".to_owned());
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
        warnings.push("Failed deliveries are not tried again: a short outage of the recipient loses its leads until somebody retries by hand.".to_owned());
    }
    warnings
}
