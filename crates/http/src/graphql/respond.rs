//! Responses: status, headers and body (GraphQL over HTTP, "Response").

use std::borrow::Cow;

use async_graphql::{ServerError, Value};
use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use serde::Serialize;

use super::accept::Media;
use leadmesh_graphql::limits::answer::{self, WriteError};
use leadmesh_graphql::limits::budget::Spending;
use leadmesh_graphql::limits::rate::{Allowance, BucketStatus, WINDOW};
use leadmesh_graphql::mask::{self, code};

/// The refusal of a request that is not a GraphQL request; the status is the same for both media types.
#[derive(Debug)]
pub(super) struct Rejection {
    status: StatusCode,
    code: &'static str,
    pub(super) message: Cow<'static, str>,
    allow: Option<&'static str>,
}

impl Rejection {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            allow: None,
        }
    }

    /// 400: not a request that could be understood.
    pub(super) fn bad(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code::BAD_INPUT, message)
    }

    /// 405, with the methods that would do.
    pub(super) fn method(allow: &'static str, message: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, code::BAD_INPUT, message)
        }
    }

    pub(super) fn respond(self, media: Media) -> Response {
        let error = mask::coded(self.code, self.message, None);
        let mut response = request_error(self.status, &error, media);
        if let Some(allow) = self.allow {
            set(&mut response, header::ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

/// The whole answer to a request that was not executed: errors, and no `data`.
#[derive(Serialize)]
struct Errors<'a> {
    errors: &'a [ServerError],
}

/// The JSON of a response, or of the error why it cannot be sent.
pub(super) fn written(response: &async_graphql::Response) -> Vec<u8> {
    match answer::json(response, Spending::default().bytes) {
        Ok(written) => written,
        Err(WriteError::TooLarge(error)) => {
            let refused = mask::refused(error, "");
            let errors = std::slice::from_ref(&refused);
            serde_json::to_vec(&Errors { errors }).unwrap_or_else(|_error| UNWRITABLE.into())
        }
        Err(error @ WriteError::NotJson(_)) => {
            tracing::error!(%error, "a result cannot be written as JSON");
            UNWRITABLE.into()
        }
    }
}

/// Adds the state of the caller's rate limits: the tightest in the headers that most clients know, all of them in
/// those of the IETF draft "`RateLimit` header fields for HTTP".
pub(super) fn set_rate_limit_headers(response: &mut Response, allowance: &Allowance) {
    let bucket_status = allowance.bucket_status();
    let Some(tightest) = bucket_status.first() else { return };
    for (name, number) in [
        ("ratelimit-limit", tightest.limit),
        ("ratelimit-remaining", tightest.remaining),
        ("ratelimit-reset", tightest.reset),
    ] {
        set(response, HeaderName::from_static(name), HeaderValue::from(number));
    }
    let window = WINDOW.as_secs();
    let each = |tell: &dyn Fn(&BucketStatus) -> String| bucket_status.iter().map(tell).collect::<Vec<_>>().join(", ");
    let policies = each(&|of| format!("\"{}\";q={};w={window}", of.holder.name(), of.limit));
    let states = each(&|of| format!("\"{}\";r={};t={}", of.holder.name(), of.remaining, of.reset));
    for (name, text) in [("ratelimit-policy", policies), ("ratelimit", states)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            set(response, HeaderName::from_static(name), value);
        }
    }
}

/// The response of request errors.
pub(super) fn refused(errors: &[ServerError], media: Media) -> Response {
    let code = errors.first().and_then(mask::code_of).unwrap_or(code::INTERNAL);
    let status = match media {
        Media::GraphQl => status_of(code),
        // A status other than 200 would say that no GraphQL server has answered; these come before GraphQL, or
        // instead of it.
        Media::Json => match code {
            code::PARSE
            | code::VALIDATION
            | code::BAD_INPUT
            | code::TOO_COMPLEX
            | code::COST_EXCEEDED
            | code::ANSWER_TOO_LARGE => StatusCode::OK,
            other => status_of(other),
        },
    };
    let mut response = json(status, &Errors { errors }, media);
    for error in errors {
        mark(&mut response, error);
    }
    response
}

/// The response of one error, with the headers of its code.
pub(super) fn request_error(status: StatusCode, error: &ServerError, media: Media) -> Response {
    let mut response = json(
        status,
        &Errors {
            errors: std::slice::from_ref(error),
        },
        media,
    );
    mark(&mut response, error);
    response
}

/// Adds the headers of an error's code.
fn mark(response: &mut Response, error: &ServerError) {
    match mask::code_of(error) {
        Some(code::UNAUTHENTICATED) => {
            set(
                response,
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"leadmesh\""),
            );
        }
        Some(code::RATE_LIMITED) => {
            if let Some(seconds) = retry_after(error) {
                set(response, header::RETRY_AFTER, HeaderValue::from(seconds));
            }
        }
        Some(code::UNAVAILABLE) => set(response, header::RETRY_AFTER, HeaderValue::from_static("1")),
        _ => {}
    }
}

/// Seconds after which the caller may retry, if the error says so.
fn retry_after(error: &ServerError) -> Option<u64> {
    match error.extensions.as_ref()?.get("retryAfterSeconds")? {
        Value::Number(seconds) => Some(seconds.as_u64().unwrap_or(1)),
        _ => None,
    }
}

/// The response of an executed request, whatever its fields answered: 200, unless a store is unavailable and there is
/// no data. Then it is 503, for proxies, probes and clients that retry by status.
pub(super) fn executed(response: &async_graphql::Response, media: Media) -> Response {
    let mut codes = response.errors.iter().filter_map(mask::code_of);
    let is_away = response.data == Value::Null && codes.any(|code| code == code::UNAVAILABLE);
    let status = if is_away {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    let mut answer = whole(status, written(response), media);
    answer.headers_mut().extend(response.http_headers.clone());
    if is_away {
        set(&mut answer, header::RETRY_AFTER, HeaderValue::from_static("1"));
    } else if let Some(seconds) = response.errors.iter().find_map(retry_after) {
        set(&mut answer, header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// The status of a request error's code.
pub(super) fn status_of(code: &str) -> StatusCode {
    match code {
        code::UNAUTHENTICATED => StatusCode::UNAUTHORIZED,
        code::FORBIDDEN => StatusCode::FORBIDDEN,
        code::RATE_LIMITED => StatusCode::TOO_MANY_REQUESTS,
        code::TIMEOUT => StatusCode::GATEWAY_TIMEOUT,
        code::UNAVAILABLE => StatusCode::SERVICE_UNAVAILABLE,
        code::INTERNAL => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn json(status: StatusCode, body: &impl Serialize, media: Media) -> Response {
    let (status, body) = match serde_json::to_vec(body) {
        Ok(body) => (status, body),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            (StatusCode::INTERNAL_SERVER_ERROR, UNWRITABLE.into())
        }
    };
    whole(status, body, media)
}

fn whole(status: StatusCode, body: Vec<u8>, media: Media) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    set(
        &mut response,
        header::CONTENT_TYPE,
        HeaderValue::from_static(media.content_type()),
    );
    set(
        &mut response,
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-store"),
    );
    set(
        &mut response,
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    set(&mut response, header::VARY, HeaderValue::from_static("accept"));
    response
}

const UNWRITABLE: &[u8] = br#"{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}"#;

fn set(response: &mut Response, name: HeaderName, value: HeaderValue) {
    response.headers_mut().insert(name, value);
}
