//! The web pages built into the binary: the API explorer (GraphiQL) at `/`, and the page for partners at `/portal/`.
//!
//! Nothing on them comes from another host: they work on a closed network, and their content security policies say so.
//! `web/graphiql` and `web/portal` hold the sources; what is served are the checked-in results of their builds, in `assets`.
//! Compression is left to the layers around the router.

use axum::Router;
use axum::extract::{Path, Query};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION};
use axum::http::header::{REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};
use serde::Deserialize;

#[derive(RustEmbed)]
#[folder = "../../assets/graphiql/"]
struct ExplorerFiles;

#[derive(RustEmbed)]
#[folder = "../../assets/portal/"]
struct PortalFiles;

/// A page with its script, stylesheet and licences.
struct Site {
    file: fn(&str) -> Option<EmbeddedFile>,
    policy: &'static str,
}

/// The explorer may run its own script, and talk to this server. GraphiQL sets inline styles.
const EXPLORER: Site = Site {
    file: ExplorerFiles::get,
    policy: "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
             img-src 'self' data:; font-src 'self' data:; connect-src 'self' ws: wss:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
};

/// The page for partners shows values that strangers have typed in, so it may not even turn a text into HTML.
const PORTAL: Site = Site {
    file: PortalFiles::get,
    policy: "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'",
};

/// Ask again each time; the answer is mostly 304.
const REVALIDATE: &str = "no-cache";
/// For an address that names the contents it answers with.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// For an address that holds a secret.
const SECRET: &str = "no-store";

/// The hash that a page puts behind the address of a script or stylesheet.
#[derive(Deserialize)]
struct Version {
    v: Option<String>,
}

/// Routes of the explorer, at `/`, with what it loads under `/assets/`; and of the page for partners, at `/portal/` and behind the
/// links mailed to them, at `/portal/set-password`, with what it loads under `/portal/assets/`.
pub fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/", get(explorer))
        .route("/assets/{file}", get(explorer_asset))
        // Relative: a proxy may have put something in front of it.
        .route("/portal", get(|| async { (StatusCode::PERMANENT_REDIRECT, [(LOCATION, "portal/")]) }))
        .route("/portal/", get(portal))
        .route("/portal/set-password", get(portal_link))
        .route("/portal/assets/{file}", get(portal_asset))
}

async fn explorer(headers: HeaderMap) -> Response {
    EXPLORER.serve("index.html", REVALIDATE, &headers)
}

async fn explorer_asset(Path(name): Path<String>, Query(version): Query<Version>, headers: HeaderMap) -> Response {
    EXPLORER.asset(&name, &version, &headers)
}

async fn portal(headers: HeaderMap) -> Response {
    PORTAL.serve("index.html", REVALIDATE, &headers)
}

/// The same page: its script takes the token out of the address.
async fn portal_link(headers: HeaderMap) -> Response {
    PORTAL.serve("index.html", SECRET, &headers)
}

async fn portal_asset(Path(name): Path<String>, Query(version): Query<Version>, headers: HeaderMap) -> Response {
    PORTAL.asset(&name, &version, &headers)
}

impl Site {
    fn asset(&self, name: &str, version: &Version, headers: &HeaderMap) -> Response {
        let current = (self.file)(name).is_some_and(|file| version.v.as_ref() == Some(&hash(&file)));
        self.serve(name, if current { IMMUTABLE } else { REVALIDATE }, headers)
    }

    fn serve(&self, name: &str, lifetime: &str, headers: &HeaderMap) -> Response {
        let Some((kind, file)) = content_type(name).zip((self.file)(name)) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let hash = hash(&file);
        let common = [
            (ETAG, format!("\"{hash}\"")),
            (CACHE_CONTROL, lifetime.to_owned()),
            (CONTENT_SECURITY_POLICY, self.policy.to_owned()),
            (REFERRER_POLICY, "no-referrer".to_owned()),
            (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        ];
        if is_current(headers, &hash) {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        (common, [(CONTENT_TYPE, kind)], file.data.into_owned()).into_response()
    }
}

/// None for what no browser needs to load from here.
fn content_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
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

    /// The addresses that a page at `base` loads its script and stylesheet from.
    fn sources(base: &str, page: &str) -> Vec<String> {
        page.split(['"', ' '])
            .filter(|word| word.contains("assets/"))
            .map(|word| {
                if word.starts_with('/') {
                    word.to_owned()
                } else {
                    format!("{base}{word}")
                }
            })
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
    async fn everything_the_pages_load_is_here_and_may_be_kept_for_ever() {
        for (base, source) in [("/", "web/graphiql"), ("/portal/", "web/portal")] {
            let page = text(ask(base, "").await).await;
            let loaded = sources(base, &page);
            assert!(loaded.len() >= 2, "a script and a stylesheet");
            for address in loaded {
                let response = ask(&address, "").await;
                assert_eq!(response.status(), StatusCode::OK, "{address}");
                assert_eq!(
                    header(&response, CACHE_CONTROL),
                    IMMUTABLE,
                    "{address}: run npm run build in {source}"
                );
            }
        }
    }

    #[tokio::test]
    async fn the_page_for_partners_may_run_nothing_but_its_own_script() {
        let response = ask("/portal/", "").await;
        let policy = header(&response, CONTENT_SECURITY_POLICY);
        assert!(policy.contains("require-trusted-types-for 'script'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(
            !text(response).await.contains("<script>"),
            "no script stands in the page"
        );
        assert_eq!(header(&ask("/portal", "").await, LOCATION), "portal/");
    }

    #[tokio::test]
    async fn a_page_with_a_secret_in_its_address_is_kept_by_nobody() {
        let response = ask("/portal/set-password?token=lmt_1", "").await;
        assert_eq!(header(&response, CACHE_CONTROL), SECRET);
        assert_eq!(header(&response, REFERRER_POLICY), "no-referrer");
        assert_eq!(text(response).await, text(ask("/portal/", "").await).await);
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
            "/portal/assets/missing.js",
            "/portal/index.html",
        ] {
            assert_eq!(ask(path, "").await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
