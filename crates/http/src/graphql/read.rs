//! Reads a request: method, media type, body and parameters (GraphQL over HTTP, "Request").

use std::time::Duration;

use async_graphql::{Extensions, Variables};
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header},
};
use futures::StreamExt;
use serde::{Deserialize, de::DeserializeOwned};

use super::respond::Rejection;
use leadmesh_forms::lenient_json::repair;
use leadmesh_graphql::mask::code;

/// How much of a too large body is read and discarded, in multiples of the limit: a client that is still sending does
/// not read the answer, and would see a reset connection instead of the reason.
const DRAINED: usize = 16;
/// Brackets around the values of variables: those of the body and of `variables`.
const VALUES: usize = 2;
/// Lists and objects inside one another that the JSON parser follows.
const MAX_LEVELS: usize = 127;

/// The parameters of a request, over HTTP or in a socket's `subscribe`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The document.
    pub query: String,
    /// The operation to execute; empty counts as absent.
    #[serde(default)]
    pub operation_name: Option<String>,
    /// Values of its variables.
    #[serde(default)]
    pub variables: Variables,
    /// Extensions of the request.
    #[serde(default)]
    pub extensions: Extensions,
}

impl Parameters {
    /// The operation's name, if one is given.
    pub fn operation(&self) -> Option<&str> {
        self.operation_name.as_deref().filter(|name| !name.is_empty())
    }
}

/// Reads at most `limit` bytes within `patience`.
pub(super) async fn body(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, Rejection> {
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse().ok());
    // A client that waits for "100 Continue" has not sent anything that would have to be read first.
    if headers.contains_key(header::EXPECT) && declared.is_some_and(|length: usize| length > limit) {
        return Err(too_large(limit));
    }
    let timeout = |_| {
        Rejection::new(
            StatusCode::REQUEST_TIMEOUT,
            code::TIMEOUT,
            "The body did not arrive in time.",
        )
    };
    tokio::time::timeout(patience, collect(body, limit))
        .await
        .map_err(timeout)?
}

async fn collect(body: Body, limit: usize) -> Result<Bytes, Rejection> {
    let mut stream = body.into_data_stream();
    let mut collected = Vec::new();
    let mut seen = 0_usize;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| {
            tracing::debug!(%error, "the body broke off");
            Rejection::bad("The body broke off.")
        })?;
        seen = seen.saturating_add(chunk.len());
        if seen <= limit {
            collected.extend_from_slice(&chunk);
        } else if seen > limit.saturating_mul(DRAINED) {
            break;
        }
    }
    if seen > limit {
        Err(too_large(limit))
    } else {
        Ok(collected.into())
    }
}

fn too_large(limit: usize) -> Rejection {
    let message = format!("The body is larger than {limit} bytes. Send fewer leads at once.");
    Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, code::BAD_INPUT, message)
}

/// Only JSON, and only UTF-8. A form or plain text could be posted by any web page, with the reader's cookies.
pub(super) fn is_json(headers: &HeaderMap) -> Result<(), Rejection> {
    let unsupported = |message| {
        Err(Rejection::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            code::BAD_INPUT,
            message,
        ))
    };
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut parts = content_type.split(';').map(str::trim);
    if !parts
        .next()
        .unwrap_or_default()
        .eq_ignore_ascii_case("application/json")
    {
        return unsupported("Send the request as JSON, with \"Content-Type: application/json\".");
    }
    let other_charset = |parameter: &str| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        name.eq_ignore_ascii_case("charset") && !value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    };
    if parts.any(other_charset) {
        return unsupported("JSON is sent as UTF-8.");
    }
    let encoding = headers.get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|value| value != "identity") {
        return unsupported("Send the body without compression.");
    }
    Ok(())
}

/// The parameters in a JSON body.
pub(super) fn post(body: &[u8]) -> Result<Parameters, Rejection> {
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(Rejection::bad(
            "Batches are not supported: send one request at a time, as a JSON object.",
        ));
    }
    let body = repair(body, VALUES);
    serde_json::from_slice(&body).map_err(|error| explain(&error, &body))
}

fn explain(error: &serde_json::Error, body: &[u8]) -> Rejection {
    if !error.is_data() {
        let (line, column) = (error.line(), error.column());
        // The parser's only word for it. Such a body may well be valid JSON.
        if error.to_string().starts_with("recursion limit exceeded") {
            return Rejection::bad(format!(
                "The body nests lists and objects more than {MAX_LEVELS} deep (line {line}, column {column})."
            ));
        }
        return Rejection::bad(format!("The body is not valid JSON (line {line}, column {column})."));
    }
    if asks_for_persisted_query(body) {
        // Clients that send a hash first look for exactly this text and then send the document.
        return Rejection::bad("PersistedQueryNotSupported");
    }
    Rejection::bad(
        "The body must be a JSON object with \"query\" (a string), and optionally \"operationName\" (a string), \
         \"variables\" (an object) and \"extensions\" (an object).",
    )
}

fn asks_for_persisted_query(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Hashed {
        query: Option<serde::de::IgnoredAny>,
        extensions: Extensions,
    }
    serde_json::from_slice(body)
        .is_ok_and(|hashed: Hashed| hashed.query.is_none() && hashed.extensions.contains_key("persistedQuery"))
}

/// The parameters in a URL; `None` without `query`.
pub(super) fn get(query_string: &str) -> Result<Option<Parameters>, Rejection> {
    let mut query = None;
    let mut parameters = Parameters {
        query: String::new(),
        operation_name: None,
        variables: Variables::default(),
        extensions: Extensions::default(),
    };
    for (name, value) in url::form_urlencoded::parse(query_string.as_bytes()) {
        match name.as_ref() {
            "query" => query = Some(value.into_owned()),
            "operationName" => parameters.operation_name = Some(value.into_owned()),
            "variables" => parameters.variables = object("variables", &value)?,
            "extensions" => parameters.extensions = object("extensions", &value)?,
            _ => {}
        }
    }
    Ok(query
        .filter(|query| !query.is_empty())
        .map(|query| Parameters { query, ..parameters }))
}

fn object<T: DeserializeOwned + Default>(name: &str, json: &str) -> Result<T, Rejection> {
    if json.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(&repair(json.as_bytes(), VALUES - 1)).map_err(|error| {
        tracing::debug!(%error, name, "a URL parameter is refused");
        Rejection::bad(format!("The URL parameter \"{name}\" must be a JSON object."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(content_type: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        is_json(&headers).is_ok()
    }

    #[test]
    fn only_json_in_utf8_is_read() {
        assert!(json("application/json"));
        assert!(json("Application/JSON; charset=UTF-8"));
        assert!(json("application/json;charset=\"utf-8\""));
        for refused in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "",
            "application/json; charset=latin1",
        ] {
            assert!(!json(refused), "{refused}");
        }
        assert!(is_json(&HeaderMap::new()).is_err());
    }

    #[test]
    fn url_parameters_are_read_and_empty_ones_are_absent() {
        let read = get("query=%7Ba%7D&operationName=&variables=%7B%22a%22%3A1%7D&extensions=")
            .unwrap()
            .unwrap();
        assert_eq!((read.query.as_str(), read.operation()), ("{a}", None));
        assert_eq!(read.variables.len(), 1);
        assert!(get("operationName=Q").unwrap().is_none());
        assert!(get("query=%7Ba%7D&variables=%5B%5D").is_err());
        assert!(get("query=%7Ba%7D&variables=x").is_err());
    }

    #[test]
    fn nulls_are_absent_and_wrong_types_are_refused_without_an_echo() {
        let read = post(br#"{"query":"{a}","operationName":null,"variables":null,"extensions":null}"#).unwrap();
        assert_eq!(read.operation(), None);
        for body in [
            r#"{"query":7}"#,
            r#"{"query":"{a}","variables":["secret"]}"#,
            r#"{"secret":1}"#,
            r#""secret""#,
            "secret",
            "",
        ] {
            let fault = post(body.as_bytes()).unwrap_err();
            assert!(!fault.message.contains("secret"), "{}", fault.message);
        }
    }
}
