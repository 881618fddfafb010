//! Origins whose pages may read the API's answers (CORS).

use axum::http::HeaderValue;

use super::{ConfigError, Settings};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    Any,
    /// These, as browsers send them.
    Only(Vec<HeaderValue>),
}

/// Reads `LEADMESH_ALLOW_ORIGINS`: `scheme://host[:port]` each, or `*` for all.
pub(super) fn origins(settings: &Settings) -> Result<Origins, ConfigError> {
    let texts = || settings.allow_origins.iter().map(|text| text.trim());
    if texts().any(|text| text == "*") {
        return Ok(Origins::Any);
    }
    texts().map(origin).collect::<Result<_, _>>().map(Origins::Only)
}

fn origin(text: &str) -> Result<HeaderValue, ConfigError> {
    let refused = || {
        ConfigError::Set(format!(
            "LEADMESH_ALLOW_ORIGINS has {text:?}: give origins as https://app.example.com, by comma, without a path, or *"
        ))
    };
    let url = url::Url::parse(text).map_err(|_not_a_url| refused())?;
    let is_web = matches!(url.scheme(), "http" | "https");
    // A browser sends what `Url` prints: lower case, without a default port, a path or a slash.
    if !is_web || url.origin().ascii_serialization() != text {
        return Err(refused());
    }
    HeaderValue::from_str(text).map_err(|_not_a_header| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_send_it() {
        for good in ["https://app.example.com", "http://localhost:3000", "http://[::1]:8080"] {
            assert_eq!(origin(good).unwrap(), good);
        }
        for bad in [
            "app.example.com",
            "https://app.example.com/",
            "https://app.example.com:443",
            "HTTPS://a.example",
            "ftp://a.example",
            "null",
            "",
        ] {
            let message = origin(bad).unwrap_err().to_string();
            assert!(message.contains("LEADMESH_ALLOW_ORIGINS"), "{bad}: {message}");
        }
    }
}
