//! An identifier for each request, in its response, its logs and its internal errors.

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use tracing::Instrument;
use uuid::Uuid;

use leadmesh_core::spans::RequestContext;

/// The header in which callers may name a request and in which every response repeats the name.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest name accepted from a caller.
const LONGEST: usize = 64;
const TRACEPARENT_LENGTH: usize = 55;

/// Names the span of the caller: W3C Trace Context, section "Traceparent Header".
const TRACEPARENT: &str = "traceparent";

/// The name of a request: the caller's own, or a new UUID.
#[derive(Debug, Clone)]
pub struct RequestId {
    name: Arc<str>,
    /// The span of the caller, if it names one.
    caller: Option<SpanContext>,
}

impl RequestId {
    /// The name as text: letters, digits, `-`, `_` and `.`, safe in logs and headers.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// What spans of leads say about this request.
    pub fn context(&self) -> RequestContext {
        RequestContext {
            id: self.name.clone(),
            caller: self.caller.clone(),
        }
    }

    fn of(headers: &HeaderMap) -> Self {
        let caller = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
        Self {
            caller: caller.and_then(traceparent),
            ..headers.get(HEADER).and_then(Self::given).unwrap_or_default()
        }
    }

    fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            caller: None,
        }
    }

    fn given(value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok().filter(|text| (1..=LONGEST).contains(&text.len()))?;
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        text.bytes().all(harmless).then(|| Self::named(text))
    }
}

impl Default for RequestId {
    #[expect(
        clippy::disallowed_methods,
        reason = "a request's name has nothing to do with the time that tests set"
    )]
    fn default() -> Self {
        Self::named(&Uuid::now_v7().to_string())
    }
}

/// Middleware: names the request, runs it in a span that carries the name, and repeats the name in the answer. Around
/// itself it does nothing, so that a part of the application can be served alone or inside the whole.
pub async fn assign(mut request: Request, next: Next) -> Response {
    if request.extensions().get::<RequestId>().is_some() {
        return next.run(request).await;
    }
    let id = RequestId::of(request.headers());
    let span =
        tracing::info_span!("request", id = id.as_str(), method = %request.method(), path = request.uri().path());
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).instrument(span).await;
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

/// The span that a `traceparent` names. Versions after 00 begin alike and may go on after a dash.
fn traceparent(text: &str) -> Option<SpanContext> {
    let (known, more) = text.split_at_checked(TRACEPARENT_LENGTH)?;
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-');
    let mut parts = known.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_of_form = (version.len(), trace.len(), span.len(), flags.len()) == (2, 32, 16, 2)
        && known.bytes().all(is_hex)
        && version != "ff"
        && (more.is_empty() || (version != "00" && more.starts_with('-')));
    if !is_of_form {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_and_harmless_names_are_taken_over() {
        let given =
            |text: &str| RequestId::given(&HeaderValue::from_str(text).unwrap()).map(|id| id.as_str().to_owned());
        assert_eq!(given("abc-1_2.3").as_deref(), Some("abc-1_2.3"));
        assert_eq!(given(""), None);
        assert_eq!(given("a b"), None);
        assert_eq!(given("a\"b"), None);
        assert_eq!(given(&"x".repeat(65)), None);
    }

    #[test]
    fn only_a_traceparent_of_its_form_names_a_span() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
        let named = |text: &str| traceparent(text).map(|of| (of.trace_id().to_string(), of.is_sampled()));
        let id = "4bf92f3577b34da6a3ce929d0e0e4736".to_owned();
        assert_eq!(named(&format!("00-{trace}-01")), Some((id.clone(), true)));
        assert_eq!(named(&format!("00-{trace}-00")), Some((id.clone(), false)));
        assert_eq!(named(&format!("01-{trace}-01-more")), Some((id, true)));
        for text in [
            String::new(),
            format!("00-{trace}-01-more"),
            format!("ff-{trace}-01"),
            format!("00-{trace}-1"),
            format!("00-{}-01", trace.to_uppercase()),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01".to_owned(),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01".to_owned(),
            format!("00-{trace}-é1"),
        ] {
            assert_eq!(named(&text), None, "{text}");
        }
    }
}
