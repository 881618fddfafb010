//! Custom headers. Their values are given in plain text, stored sealed, and shown as a hint only.

use std::collections::HashSet;

use anyhow::Context;
use async_graphql::InputObject;
use entity::delivery_config::{DeliveryConfig, SealedHeader, WebhookConfig};
use entity::delivery_settings;
use entity::ids::SettingsId;
use url::Url;

use crate::check::Checked;
use leadmesh_core::crypto::Sealed;
use leadmesh_core::error::{Error, Result, UserError, UserErrorCode};
use leadmesh_core::identity::change::Change;
use leadmesh_delivery::seal_context;
use leadmesh_delivery::webhook::{HeaderRefused, check_header};

const MAX_HEADERS: usize = 30;
/// Values up to this length get no hint: four characters would be half of them.
const UNHINTED: usize = 8;

/// A header added to every request.
#[derive(Clone, InputObject)]
pub struct HeaderInput {
    /// Name, at most 128 characters. Headers that HTTP or Leadmesh sets are refused.
    pub name: String,
    /// Value, at most 4,096 printable ASCII characters, stored encrypted and never shown again. Empty keeps the stored
    /// value of the header with this name, as long as scheme, host and port of the URL stay the same.
    #[graphql(secret)]
    pub value: String,
}

impl std::fmt::Debug for HeaderInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HeaderInput({}: …)", self.name)
    }
}

pub(super) fn check(headers: Vec<HeaderInput>, path: &str) -> Checked<Vec<HeaderInput>> {
    if headers.len() > MAX_HEADERS {
        let message = "give 30 headers at most";
        return Err(UserError::new(UserErrorCode::LimitReached, path, message));
    }
    let mut names = HashSet::new();
    for (index, header) in headers.iter().enumerate() {
        let refused = |field: &str, message: String| {
            UserError::new(UserErrorCode::Invalid, &format!("{path}.{index}.{field}"), message)
        };
        check_header(&header.name, &header.value).map_err(|error| match error {
            HeaderRefused::BadValue(_) => refused("value", error.to_string()),
            HeaderRefused::BadName | HeaderRefused::Reserved(_) => refused("name", error.to_string()),
        })?;
        if !names.insert(header.name.to_ascii_lowercase()) {
            return Err(refused("name", "this header is named twice: keep one".to_owned()));
        }
    }
    Ok(headers)
}

/// Seals the headers of one version of settings.
pub(super) struct Sealing<'a> {
    pub(super) change: &'a Change<'a>,
    pub(super) id: SettingsId,
    pub(super) url: &'a str,
    /// The version that this one replaces.
    pub(super) before: Option<&'a delivery_settings::Model>,
    /// Where the headers stand in the input.
    pub(super) path: &'a str,
}

impl Sealing<'_> {
    /// Seals checked headers; empty values are taken from the previous version.
    pub(super) async fn seal(&self, headers: Vec<HeaderInput>) -> Result<Vec<SealedHeader>> {
        let keys = self.change.keys().await?;
        let mut sealed = Vec::with_capacity(headers.len());
        for (index, header) in headers.into_iter().enumerate() {
            let value = if header.value.is_empty() {
                let stored_value = self.stored_value(&header.name).await?;
                stored_value.ok_or_else(|| self.missing(index))?
            } else {
                header.value
            };
            let place = seal_context::header(self.id, &header.name);
            sealed.push(SealedHeader {
                name: header.name,
                value_hint: hint(&value),
                sealed_value: keys.seal(&place, value.as_bytes())?,
            });
        }
        Ok(sealed)
    }

    fn missing(&self, index: usize) -> Error {
        let message = "give a value: none is stored under this name for this destination";
        let path = format!("{}.{index}.value", self.path);
        Error::user(UserErrorCode::Required, &path, message)
    }

    /// The stored value of a header, if the destination is the one that it was entered for.
    async fn stored_value(&self, name: &str) -> Result<Option<String>> {
        let Some((row, config)) = self.before.and_then(|row| Some((row, webhook(&row.config)?))) else {
            return Ok(None);
        };
        let header = config
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name));
        let Some(header) = header.filter(|_| same_origin(self.url, &config.url)) else {
            return Ok(None);
        };
        let place = seal_context::header(row.id, &header.name);
        let (app, account) = (self.change.app, Some(self.change.account.id));
        let sealed = Sealed {
            owner: account,
            place: &place,
            text: &header.sealed_value,
        };
        let opened = app.vault.open(&self.change.tx, &app.clock, sealed).await;
        let opened = opened.with_context(|| format!("a header of the settings {} does not open", row.id))?;
        Ok(Some(String::from_utf8(opened).context("a stored header is not text")?))
    }
}

fn webhook(config: &DeliveryConfig) -> Option<&WebhookConfig> {
    match config {
        DeliveryConfig::Webhook(config) => Some(config),
        DeliveryConfig::Email(_) | DeliveryConfig::Portal(_) | DeliveryConfig::Account(_) => None,
    }
}

fn same_origin(one: &str, other: &str) -> bool {
    let origin = |url: &str| Url::parse(url).ok().map(|url| url.origin());
    origin(one).is_some() && origin(one) == origin(other)
}

/// The last four characters of a long value, else nothing of it.
fn hint(value: &str) -> String {
    if value.chars().count() <= UNHINTED {
        return "…".to_owned();
    }
    let start = value.char_indices().rev().nth(3).map_or(0, |(start, _)| start);
    format!("…{}", value.get(start..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> HeaderInput {
        HeaderInput {
            name: name.into(),
            value: value.into(),
        }
    }

    #[test]
    fn headers_that_cannot_be_sent_are_refused_where_they_stand() {
        let cases = [
            (vec![header("X-Key", "a"), header("Host", "a")], "headers.1.name"),
            (vec![header("webhook-id", "a")], "headers.0.name"),
            (vec![header("X Key", "a")], "headers.0.name"),
            (vec![header("X-Key", "a\r\nX-Other: b")], "headers.0.value"),
            (vec![header("X-Key", "a"), header("x-key", "b")], "headers.1.name"),
            (vec![header("X-Key", "a"); 31], "headers"),
        ];
        for (headers, path) in cases {
            assert_eq!(check(headers, "headers").unwrap_err().path.join("."), path);
        }
        assert!(
            check(
                vec![header("X-Key", ""), header("Authorization", "Bearer x")],
                "headers"
            )
            .is_ok()
        );
    }

    #[test]
    fn a_hint_tells_little_of_a_long_value_and_nothing_of_a_short_one() {
        assert_eq!(hint("abcdefghi"), "…fghi");
        assert_eq!(hint("abcdefgh"), "…");
        assert_eq!(hint(""), "…");
    }

    #[test]
    fn a_destination_is_the_same_while_scheme_host_and_port_are() {
        let before = "https://crm.example.com/in?a=1";
        assert!(same_origin("https://crm.example.com:443/other", before));
        for other in [
            "http://crm.example.com/in",
            "https://crm.example.com:8443/in",
            "https://crm.example.org/in",
            "nonsense",
        ] {
            assert!(!same_origin(other, before), "{other}");
        }
    }

    #[test]
    fn values_stay_out_of_debug_output() {
        assert!(!format!("{:?}", header("X-Key", "hidden")).contains("hidden"));
    }
}
