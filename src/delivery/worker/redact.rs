//! What strangers answer may repeat what was sent to them. Values of encrypted fields and of custom headers are taken out of it
//! before anything is stored or logged.

use serde_json::Value;
use url::form_urlencoded::byte_serialize;

use crate::delivery::templates::value_text;
use crate::queue::LeadContent;

/// Bytes of the shortest value that is looked for: shorter ones are in every text by chance.
const SHORTEST: usize = 3;
const REDACTED: &str = "[redacted]";

/// What must not be kept, in every spelling that answers may have.
#[derive(Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// The values of a lead's encrypted fields.
    pub(super) fn of_lead(lead: &LeadContent) -> Self {
        let encrypted = lead.definitions.iter().filter(|field| field.encrypted);
        let values = encrypted.filter_map(|field| lead.fields.get(&field.name));
        Self::new(values.map(|value| value_text(value).into_owned()))
    }

    /// Those values.
    pub(super) fn new(values: impl Iterator<Item = String>) -> Self {
        let mut all: Vec<String> = values
            .filter(|value| value.len() >= SHORTEST)
            .flat_map(spellings)
            .collect();
        // A value that holds another one goes whole.
        all.sort_by_key(|value| std::cmp::Reverse(value.len()));
        all.dedup();
        Self(all)
    }

    /// A text without them.
    pub(super) fn redact(&self, text: String) -> String {
        self.0.iter().fold(text, |text, secret| {
            if text.contains(secret) {
                text.replace(secret, REDACTED)
            } else {
                text
            }
        })
    }
}

/// As it is, as in JSON, as in a form.
fn spellings(value: String) -> [String; 3] {
    let json = Value::String(value.clone()).to_string();
    let inner = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
    let json = inner.unwrap_or_default().to_owned();
    let form = byte_serialize(value.as_bytes()).collect();
    [json, form, value]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_spelling_and_the_longer_one_first() {
        let secrets = Secrets::new(["Kx81", "Kx81 \"ü\"", "7", ""].map(String::from).into_iter());
        let answer = r#"{"a":"Kx81 \"ü\"","n":7} Kx81+%22%C3%BC%22 Kx81 "ü" Kx81!"#;
        let left = r#"{"a":"[redacted]","n":7} [redacted] [redacted] [redacted]!"#;
        assert_eq!(secrets.redact(answer.into()), left);
    }
}
