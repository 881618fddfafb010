//! `GET /docs/{source}`: submission docs as Markdown, or as a page for a caller that prefers HTML, with the
//! credentials of an account that the source is open to.
//!
//! A source that is not open to the caller is answered like one that does not exist.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entity::ids::SourceId;
use ring::digest;

use super::client_address::client_ip;
use super::graphql::peer;
use super::refusal::error_response;
use super::session::bearer;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::authenticate;
use leadmesh_flows::docs::{SubmissionDocs, html};
use leadmesh_network::docs;

/// The page runs no script and loads nothing; its one style element is allowed by its hash.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, html::STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// The route.
pub fn router(app: &App) -> Router {
    Router::new().route("/docs/{source}", get(read)).with_state(app.clone())
}

async fn read(State(app): State<App>, Path(source): Path<String>, parts: Parts) -> Response {
    match find(&app, &source, &parts).await {
        Ok(Some(docs)) => answer(&docs, wants_page(&parts.headers)),
        Ok(None) => (
            StatusCode::NOT_FOUND,
            "These docs do not exist, or you may not see them.\n",
        )
            .into_response(),
        Err(error) => error_response(&error),
    }
}

async fn find(app: &App, source: &str, parts: &Parts) -> Result<Option<SubmissionDocs>> {
    let missing = Error::Unauthenticated("Send a token: Authorization: Bearer <access token or API key>");
    let Ok(Some(token)) = bearer(&parts.headers) else {
        return Err(missing);
    };
    let caller = authenticate::bearer(app, token, client_ip(app, &parts.headers, peer(parts))).await?;
    let source: SourceId = source.parse().unwrap_or_else(|_not_one| uuid::Uuid::nil().into());
    docs::find(app, &caller, source).await
}

fn answer(docs: &SubmissionDocs, page: bool) -> Response {
    let common = [
        // A caller that lost the right must not find them in a cache.
        (CACHE_CONTROL, "no-store"),
        (VARY, "Accept, Authorization"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, POLICY.as_str()),
    ];
    let (kind, body) = if page {
        ("text/html; charset=utf-8", html::render(docs))
    } else {
        ("text/markdown; charset=utf-8", docs.markdown.clone())
    };
    (common, [(CONTENT_TYPE, kind)], body).into_response()
}

/// Whether the first known type of the header is HTML. Ignores weights: a caller that wants Markdown names it.
fn wants_page(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let types = lists.flat_map(|list| list.split(','));
    let known = types.filter_map(|kind| match kind.split(';').next().map(str::trim) {
        Some("text/html" | "application/xhtml+xml") => Some(true),
        Some("text/markdown" | "text/plain") => Some(false),
        _ => None,
    });
    known.into_iter().next().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_gets_the_page_and_a_program_the_text() {
        for (accept, page) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", true),
            ("text/markdown", false),
            ("application/json, text/html", true),
            ("text/markdown, text/html", false),
            ("*/*", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            assert_eq!(wants_page(&headers), page, "{accept}");
        }
        assert!(!wants_page(&HeaderMap::new()));
    }
}
