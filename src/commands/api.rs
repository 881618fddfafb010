//! A client of a server's GraphQL endpoint, for commands that are users of it.

use std::time::Duration;

use anyhow::Context;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use leadmesh_delivery::webhook::bundled_roots;

/// Longer than the server allows itself for a request.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A GraphQL endpoint with credentials.
#[derive(Clone)]
pub(super) struct Api {
    http: reqwest::Client,
    url: Url,
    token: String,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The same request may succeed in a moment.
    #[error("{0}")]
    Again(String),
    #[error("{message}")]
    Refused { code: String, message: String },
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Value>,
    #[serde(default)]
    errors: Vec<AnswerError>,
}

#[derive(Deserialize)]
struct AnswerError {
    message: String,
    extensions: Option<Extensions>,
}

#[derive(Deserialize)]
struct Extensions {
    code: Option<String>,
}

impl Api {
    pub(super) fn new(url: Url, token: String) -> anyhow::Result<Self> {
        let client = || reqwest::Client::builder().timeout(TIMEOUT);
        let http = client().build();
        // Mozilla's, if the system has no certificate authorities.
        let http = http.or_else(|_| client().tls_certs_only(bundled_roots()).build());
        Ok(Self {
            http: http.context("the HTTP client cannot be set up")?,
            url,
            token,
        })
    }

    pub(super) async fn call(&self, query: &str, variables: &Value) -> Result<Value, CallError> {
        let body = json!({"query": query, "variables": variables});
        let request = self.http.post(self.url.clone()).bearer_auth(&self.token).json(&body);
        let lost = |error: reqwest::Error| CallError::Again(format!("no answer from {}: {}", self.url, cause(error)));
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let body = response.bytes().await.map_err(lost)?;
        let Ok(answer) = serde_json::from_slice::<Answer>(&body) else {
            return Err(self.not_graphql(status));
        };
        match answer.errors.into_iter().next() {
            Some(error) => Err(error.into()),
            None => answer.data.ok_or_else(|| self.not_graphql(status)),
        }
    }

    fn not_graphql(&self, status: StatusCode) -> CallError {
        if status.is_server_error() {
            return CallError::Again(format!("{} answers {status}", self.url));
        }
        CallError::Refused {
            code: String::new(),
            message: format!(
                "{} answers {status} and is no GraphQL endpoint: check the URL",
                self.url
            ),
        }
    }
}

impl From<AnswerError> for CallError {
    fn from(error: AnswerError) -> Self {
        let code = error
            .extensions
            .and_then(|extensions| extensions.code)
            .unwrap_or_default();
        match code.as_str() {
            "UNAVAILABLE" | "RATE_LIMITED" | "TIMEOUT" | "INTERNAL_SERVER_ERROR" => Self::Again(error.message),
            _ => Self::Refused {
                code,
                message: error.message,
            },
        }
    }
}

/// The innermost cause: the outer ones repeat the address.
fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut inner: &dyn std::error::Error = &error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
