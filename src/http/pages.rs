//! The API explorer (GraphiQL) at `/`, built into the binary.
//!
//! Nothing on the page comes from another host: it works on a closed network, and a content security policy says so.
//! `web/graphiql` holds its source; what is served is the checked-in result of its build, in `assets/graphiql`.
//! Compression is left to the layers around the router.

use axum::Router;
use axum::extract::{Path, Query};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::header::{REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};
use serde::Deserialize;

/// What the explorer may do: run its own script, and talk to this server. GraphiQL sets inline styles.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; font-src 'self' data:; connect-src 'self' ws: wss:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Ask again each time; the answer is mostly 304.
const REVALIDATE: &str = "no-cache";
/// For an address that names the contents it answers with.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

#[derive(RustEmbed)]
#[folder = "assets/graphiql/"]
struct Explorer;

/// The hash that the page puts behind the address of a script or stylesheet.
#[derive(Deserialize)]
struct Version {
    v: Option<String>,
}

/// Routes of the explorer: the page at `/`, and its script, stylesheet and licences under `/assets/`.
pub fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new().route("/", get(page)).route("/assets/{file}", get(asset))
}

async fn page(headers: HeaderMap) -> Response {
    serve("index.html", None, &headers)
}

async fn asset(Path(name): Path<String>, Query(version): Query<Version>, headers: HeaderMap) -> Response {
    serve(&name, version.v.as_deref(), &headers)
}

fn serve(name: &str, version: Option<&str>, headers: &HeaderMap) -> Response {
    let Some((kind, file)) = content_type(name).zip(Explorer::get(name)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let hash = hash(&file);
    let lifetime = if version.is_some_and(|v| v == hash) {
        IMMUTABLE
    } else {
        REVALIDATE
    };
    let common = [
        (ETAG, format!("\"{hash}\"")),
        (CACHE_CONTROL, lifetime.to_owned()),
        (CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (REFERRER_POLICY, "no-referrer".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    if is_current(headers, &hash) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(CONTENT_TYPE, kind)], file.data.into_owned()).into_response()
}

/// None for what no browser needs to load from here.
fn content_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "txt" => Some("text/plain; charset=utf-8"),
        _ => None,
    }
}

/// The first 16 hexadecimal digits of SHA-256, as the build of the page writes them.
fn hash(file: &EmbeddedFile) -> String {
    let head = file
        .metadata
        .sha256_hash()
        .into_iter()
        .take(8)
        .fold(0, |head, byte| head << 8 | u64::from(byte));
    format!("{head:016x}")
}

/// Compares weakly, as RFC 9110 section 13.1.2 asks: a compressing layer turns the tag into `W/"…"`.
fn is_current(headers: &HeaderMap, hash: &str) -> bool {
    let tags = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    tags.flat_map(|list| list.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"'))
        .any(|tag| tag == hash)
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    async fn ask(path: &str, if_none_match: &str) -> Response {
        let request = Request::get(path)
            .header(IF_NONE_MATCH, if_none_match)
            .body(Body::empty())
            .unwrap();
        router::<()>().oneshot(request).await.unwrap()
    }

    fn header(response: &Response, name: impl AsRef<str>) -> String {
        response.headers()[name.as_ref()].to_str().unwrap().to_owned()
    }

    async fn text(response: Response) -> String {
        String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
    }

    /// The addresses that a page loads its script and stylesheet from.
    fn sources(page: &str) -> Vec<&str> {
        page.split(['"', ' '])
            .filter(|word| word.starts_with("/assets/"))
            .collect()
    }

    #[tokio::test]
    async fn the_page_comes_with_its_policy_and_is_asked_for_again() {
        let response = ask("/", "").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, CONTENT_TYPE), "text/html; charset=utf-8");
        assert_eq!(header(&response, CACHE_CONTROL), REVALIDATE);
        assert!(header(&response, CONTENT_SECURITY_POLICY).starts_with("default-src 'none'; script-src 'self';"));
    }

    #[tokio::test]
    async fn everything_the_page_loads_is_here_and_may_be_kept_for_ever() {
        let page = text(ask("/", "").await).await;
        assert_eq!(sources(&page).len(), 2, "a script and a stylesheet");
        for source in sources(&page) {
            let response = ask(source, "").await;
            assert_eq!(response.status(), StatusCode::OK, "{source}");
            assert_eq!(
                header(&response, CACHE_CONTROL),
                IMMUTABLE,
                "{source}: run npm run build in web/graphiql"
            );
        }
    }

    #[tokio::test]
    async fn a_page_from_an_earlier_version_does_not_pin_this_versions_script() {
        let response = ask("/assets/graphiql.js?v=0000000000000000", "").await;
        assert_eq!(header(&response, CACHE_CONTROL), REVALIDATE);
        assert_eq!(header(&response, CONTENT_TYPE), "text/javascript; charset=utf-8");
    }

    #[tokio::test]
    async fn what_the_browser_has_is_not_sent_again() {
        let tag = header(&ask("/", "").await, ETAG);
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}")] {
            let response = ask("/", &known).await;
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(text(response).await, "");
        }
        assert_eq!(ask("/", "\"other\"").await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn other_files_are_not_found() {
        for path in [
            "/assets/missing.js",
            "/assets/..%2F..%2Fweb%2Fgraphiql%2Findex.html",
            "/assets/",
        ] {
            assert_eq!(ask(path, "").await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
