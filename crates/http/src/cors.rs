//! Cross-origin access to the API (the Fetch standard's CORS protocol). Credentials travel in the `authorization`
//! header only, never in cookies, so a page can do nothing with an API that it has no token for.

use std::time::Duration;

use axum::http::{HeaderName, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::request_id;
use leadmesh_core::config::Config;
use leadmesh_core::config::origins::Origins;

/// Time that a browser may cache the answer to a preflight.
const REMEMBERED: Duration = Duration::from_hours(24);

/// Answers preflights and marks responses for the allowed origins.
pub fn layer(config: &Config) -> CorsLayer {
    let origins = match &config.origins {
        Origins::Any => AllowOrigin::any(),
        Origins::Only(origins) => AllowOrigin::list(origins.iter().cloned()),
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::ACCEPT,
            HeaderName::from_static("last-event-id"),
            HeaderName::from_static("apollo-require-preflight"),
            HeaderName::from_static("graphql-require-preflight"),
            request_id::HEADER,
        ])
        .expose_headers([
            request_id::HEADER,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            HeaderName::from_static("ratelimit"),
            HeaderName::from_static("ratelimit-policy"),
            HeaderName::from_static("ratelimit-limit"),
            HeaderName::from_static("ratelimit-remaining"),
            HeaderName::from_static("ratelimit-reset"),
        ])
        .max_age(REMEMBERED)
}
