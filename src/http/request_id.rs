//! An identifier for each request, in its response, its logs and its internal errors.

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use tracing::Instrument;
use uuid::Uuid;

/// The header in which callers may name a request and in which every response repeats the name.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest name accepted from a caller.
const LONGEST: usize = 64;

/// The name of a request: the caller's own, or a new UUID.
#[derive(Debug, Clone)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The name as text: letters, digits, `-`, `_` and `.`, safe in logs and headers.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn given(value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok().filter(|text| (1..=LONGEST).contains(&text.len()))?;
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        text.bytes().all(harmless).then(|| Self(text.into()))
    }
}

impl Default for RequestId {
    #[expect(
        clippy::disallowed_methods,
        reason = "a request's name has nothing to do with the time that tests set"
    )]
    fn default() -> Self {
        Self(Uuid::now_v7().to_string().into())
    }
}

/// Middleware: names the request, runs it in a span that carries the name, and repeats the name in the answer. Around
/// itself it does nothing, so that a part of the application can be served alone or inside the whole.
pub async fn assign(mut request: Request, next: Next) -> Response {
    if request.extensions().get::<RequestId>().is_some() {
        return next.run(request).await;
    }
    let id = request
        .headers()
        .get(HEADER)
        .and_then(RequestId::given)
        .unwrap_or_default();
    let span =
        tracing::info_span!("request", id = id.as_str(), method = %request.method(), path = request.uri().path());
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).instrument(span).await;
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_and_harmless_names_are_taken_over() {
        let given = |text: &str| RequestId::given(&HeaderValue::from_str(text).unwrap()).map(|id| id.0.to_string());
        assert_eq!(given("abc-1_2.3").as_deref(), Some("abc-1_2.3"));
        assert_eq!(given(""), None);
        assert_eq!(given("a b"), None);
        assert_eq!(given("a\"b"), None);
        assert_eq!(given(&"x".repeat(65)), None);
    }
}
