//! Errors of use cases as plain text responses, outside GraphQL.

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};

use leadmesh_core::error::{Error, Outage};

/// The response of an error: its public text, with a status.
pub(super) fn error_response(error: &Error) -> Response {
    let none: Option<(HeaderName, String)> = None;
    let (status, header) = match error {
        Error::Unauthenticated(_) => (StatusCode::UNAUTHORIZED, Some((WWW_AUTHENTICATE, "Bearer".to_owned()))),
        Error::Forbidden(_) => (StatusCode::FORBIDDEN, none),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, none),
        Error::BadInput(_) | Error::User(_) | Error::CostExceeded(_) | Error::AnswerTooLarge(_) => {
            (StatusCode::BAD_REQUEST, none)
        }
        Error::RateLimited { retry_after } => (
            StatusCode::TOO_MANY_REQUESTS,
            Some((RETRY_AFTER, retry_after.to_string())),
        ),
        Error::Outage(Outage::TooSlow) => (StatusCode::GATEWAY_TIMEOUT, none),
        Error::Unavailable(_) | Error::Outage(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, Some((RETRY_AFTER, "1".to_owned())))
        }
        Error::Internal(cause) => {
            tracing::error!(error = ?cause, "a request failed");
            (StatusCode::INTERNAL_SERVER_ERROR, none)
        }
    };
    let text = format!("{error}\n");
    match header {
        Some(header) => (status, [header], text).into_response(),
        None => (status, text).into_response(),
    }
}
