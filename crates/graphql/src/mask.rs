//! The only place where an internal error meets a client.
//!
//! Every response leaves through [`mask`]: one pass over its errors, for queries, mutations and each event of a
//! stream. (The extension that counts what is made would see them too, but not what the library refuses before.) It
//! fails closed. An error shows its text only if its origin is known to write texts for callers:
//!
//! | where it comes from | how it is told | code |
//! | --- | --- | --- |
//! | a use case | its source is [`leadmesh_core::error::Error`] | [`leadmesh_core::error::Error::code`] |
//! | the library's validation | no source, no path, no data beside it | `GRAPHQL_VALIDATION_FAILED` and others |
//! | the library's coercion of an argument | no source, one of two fixed openings | `BAD_USER_INPUT` |
//! | anything else | | `INTERNAL_SERVER_ERROR` and a request id |

use std::sync::Arc;

use async_graphql::{Pos, Response, ServerError, Value};

use leadmesh_core::error::Error;

/// The codes that do not come from [`Error::code`]; tools key on these names.
pub mod code {
    /// The text is not GraphQL.
    pub const PARSE: &str = "GRAPHQL_PARSE_FAILED";
    /// It is GraphQL, but not of this schema.
    pub const VALIDATION: &str = "GRAPHQL_VALIDATION_FAILED";
    /// Arguments, variables or request parameters are wrong.
    pub const BAD_INPUT: &str = "BAD_USER_INPUT";
    /// More than one request may ask for.
    pub const TOO_COMPLEX: &str = "QUERY_TOO_COMPLEX";
    /// The answer would cost more than one may.
    pub const COST_EXCEEDED: &str = "COST_EXCEEDED";
    /// The answer would have more bytes than one may.
    pub const ANSWER_TOO_LARGE: &str = "ANSWER_TOO_LARGE";
    /// Valid credentials without the right.
    pub const FORBIDDEN: &str = "FORBIDDEN";
    /// No valid credentials.
    pub const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
    /// Too many at once.
    pub const RATE_LIMITED: &str = "RATE_LIMITED";
    /// It took too long.
    pub const TIMEOUT: &str = "TIMEOUT";
    /// Try again later.
    pub const UNAVAILABLE: &str = "UNAVAILABLE";
    /// A bug; carries a request id and nothing else.
    pub const INTERNAL: &str = "INTERNAL_SERVER_ERROR";
}

/// Errors of one response; validators report every finding, and one large document can have thousands.
pub(super) const ERRORS: usize = 10;
/// Characters of one message; validators and coercion quote what they refuse.
const MESSAGE: usize = 300;

/// What the library says when it refuses a document for its size (its own limits, behind ours).
const TOO_COMPLEX: [&str; 5] = [
    "Query is too complex.",
    "Query is nested too deep.",
    "The recursion depth of the query",
    "The number of directives on the field",
    "The amount of aliases of the query",
];
/// Validation of a value, which Apollo counts as the caller's input.
const BAD_VALUE: [&str; 2] = ["Invalid value for argument", "Unknown operation named"];
/// How the library begins when an argument or one of the texts of `connection::query` cannot be used.
const COERCION: [&str; 5] = [
    "Failed to parse \"",
    "Expected input type \"",
    "The \"first\" parameter must be ",
    "The \"last\" parameter must be ",
    "The \"first\" and \"last\" parameters cannot ",
];

/// Makes the errors of `response` fit for the caller: a code on each, no internal text, at most 10 of 300 characters.
pub fn mask(response: &mut Response, request_id: &str) {
    if response.errors.is_empty() {
        return;
    }
    let executed = response.data != Value::Null;
    response.errors.truncate(ERRORS);
    for error in &mut response.errors {
        mask_error(error, executed, request_id);
    }
}

/// Whether `response` refuses a request, as opposed to reporting errors of fields; the library does not say.
/// A request error has no path and stands beside no data.
pub fn is_request_error(response: &Response) -> bool {
    !response.errors.is_empty()
        && response.data == Value::Null
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// The code of an error that went through [`mask`].
pub fn code_of(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        _ => None,
    }
}

/// A request error with a code.
pub fn coded(code: &str, message: impl Into<String>, at: Option<Pos>) -> ServerError {
    let mut error = ServerError::new(message, at);
    error.extensions.get_or_insert_default().set("code", code);
    shorten(&mut error.message);
    error
}

/// A request error from an error of the application. What is internal is logged here and shown as such.
pub fn refused(error: Error, request_id: &str) -> ServerError {
    let mut refused = ServerError::new(error.to_string(), None);
    refused.source = Some(Arc::new(error));
    mask_error(&mut refused, false, request_id);
    refused
}

/// The error that says nothing but where to look.
pub fn internal(request_id: &str) -> ServerError {
    let mut error = coded(code::INTERNAL, "internal error", None);
    error.extensions.get_or_insert_default().set("requestId", request_id);
    error
}

fn mask_error(error: &mut ServerError, executed: bool, request_id: &str) {
    match public_code(error, executed) {
        Some(code) => {
            if let Some(Error::RateLimited { retry_after }) = ours(error) {
                let seconds = *retry_after;
                error
                    .extensions
                    .get_or_insert_default()
                    .set("retryAfterSeconds", seconds);
            }
            error.extensions.get_or_insert_default().set("code", code);
            shorten(&mut error.message);
        }
        None => hide(error, request_id),
    }
}

/// The error's code if its text may be shown.
fn public_code(error: &ServerError, executed: bool) -> Option<&'static str> {
    let starts = |openings: &[&str]| openings.iter().any(|opening| error.message.starts_with(opening));
    if error.source.is_some() {
        return ours(error).map(Error::code).filter(|code| *code != code::INTERNAL);
    }
    match (error.path.is_empty(), executed) {
        (true, false) if starts(&TOO_COMPLEX) => Some(code::TOO_COMPLEX),
        (true, false) if starts(&BAD_VALUE) => Some(code::BAD_INPUT),
        (true, false) => Some(code::VALIDATION),
        (false, _) if starts(&COERCION) => Some(code::BAD_INPUT),
        _ => None,
    }
}

/// Our own error inside, also as data loaders share it.
fn ours(error: &ServerError) -> Option<&Error> {
    error
        .source::<Error>()
        .or_else(|| error.source::<Arc<Error>>().map(AsRef::as_ref))
}

fn hide(error: &mut ServerError, request_id: &str) {
    let cause = ours(error).map_or_else(|| error.message.clone(), |cause| format!("{cause:?}"));
    tracing::error!(request_id, path = ?error.path, cause, "internal error");
    let masked = internal(request_id);
    error.message = masked.message;
    error.extensions = masked.extensions;
}

fn shorten(message: &mut String) {
    if let Some((end, _)) = message.char_indices().nth(MESSAGE) {
        message.truncate(end);
        message.push('…');
    }
}

#[cfg(test)]
mod tests;
