//! Which headers a partner's settings may add.

use reqwest::header::{HeaderName, HeaderValue};

/// In bytes; common servers refuse a request whose headers exceed 8 KiB together.
const LONGEST_NAME: usize = 128;
const LONGEST_VALUE: usize = 4 * 1024;

/// Headers that frame the message, belong to the connection, or are Leadmesh's own. `accept-encoding` is among them
/// because a compressed answer would be unreadable to a response rule.
const RESERVED: [&str; 15] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "idempotency-key",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];
const RESERVED_PREFIXES: [&str; 3] = ["webhook-", "leadmesh-", "proxy-"];

/// Why a custom header is not accepted. The texts never contain the value, which may be a credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderRefused {
    /// Leadmesh or HTTP itself sets it.
    #[error("the header {0} is set by Leadmesh and cannot be replaced")]
    Reserved(String),
    /// Not a header name.
    #[error("a header name consists of 1 to 128 letters, digits and the characters !#$%&'*+-.^_`|~")]
    BadName,
    /// Not a header value.
    #[error("the value of the header {0} must be at most 4,096 printable ASCII characters, without line breaks")]
    BadValue(String),
}

/// Whether a header may be saved with a partner's settings.
pub fn check_header(name: &str, value: &str) -> Result<(), HeaderRefused> {
    parse(name, value).map(|_| ())
}

/// The header as it is sent. Values count as sensitive: they are not indexed by HTTP/2 and not shown by `Debug`.
pub(super) fn parse(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), HeaderRefused> {
    if name.len() > LONGEST_NAME {
        return Err(HeaderRefused::BadName);
    }
    let name = HeaderName::from_bytes(name.as_bytes())
        .ok()
        .ok_or(HeaderRefused::BadName)?;
    if is_reserved(name.as_str()) {
        return Err(HeaderRefused::Reserved(name.to_string()));
    }
    let fits = value.is_ascii() && value.len() <= LONGEST_VALUE;
    let parsed = HeaderValue::from_str(value).ok().filter(|_| fits);
    let mut value = parsed.ok_or_else(|| HeaderRefused::BadValue(name.to_string()))?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_headers_may_be_set() {
        for (name, value) in [
            ("X-API-Key", "s3cret"),
            ("Authorization", "Bearer abc"),
            ("Content-Type", "text/json"),
            ("Cookie", "a=b"),
            ("x-empty", ""),
        ] {
            assert_eq!(check_header(name, value), Ok(()), "{name}");
        }
    }

    #[test]
    fn reserved_headers_are_refused_in_any_case() {
        for name in [
            "Host",
            "content-LENGTH",
            "Connection",
            "Transfer-Encoding",
            "Webhook-Id",
            "webhook-signature",
            "Idempotency-Key",
            "Leadmesh-Test",
            "Proxy-Authorization",
            "TE",
            "Upgrade",
            "User-Agent",
        ] {
            assert_eq!(
                check_header(name, "x"),
                Err(HeaderRefused::Reserved(name.to_lowercase()))
            );
        }
    }

    #[test]
    fn names_and_values_that_would_break_the_message_are_refused() {
        for name in ["", "a b", "a:b", "a\r\nb", "ä", &"x".repeat(129)] {
            assert_eq!(check_header(name, "x"), Err(HeaderRefused::BadName), "{name:?}");
        }
        for value in ["a\r\nBcc: x", "a\nb", "a\0b", "ü", &"x".repeat(4_097)] {
            assert_eq!(
                check_header("x-a", value),
                Err(HeaderRefused::BadValue("x-a".into())),
                "{value:?}"
            );
        }
    }

    #[test]
    fn a_refusal_does_not_repeat_the_value() {
        assert!(
            !check_header("x-key", "hidden\n")
                .unwrap_err()
                .to_string()
                .contains("hidden")
        );
    }
}
