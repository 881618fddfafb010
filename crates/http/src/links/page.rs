//! What the pages behind links have in common.

use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use leadmesh_core::error::Error;
use leadmesh_forms::templates::escape_html;

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:38rem;margin:3rem auto;padding:0 1rem;color:#1b1f24;background:#fff}\
h1{font-size:1.4rem}blockquote{margin:1rem 0;padding-left:1rem;border-left:.25rem solid #c4ccd6}\
label{display:block;margin:1rem 0 .25rem}input{font:inherit;padding:.4rem;width:100%;box-sizing:border-box}input[type=checkbox]{width:auto}\
button{font:inherit;margin-top:1rem;padding:.4rem 1.2rem}pre{overflow-x:auto;padding:.75rem;background:#f2f4f7}.wrong{color:#a40e26}";

/// A page with a heading; `body` is HTML already.
pub(super) fn page(status: StatusCode, heading: &str, body: &str) -> Response {
    let heading = escape_html(heading);
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <title>{heading}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{heading}</h1>\n{body}</main>\n\
         </body>\n</html>\n"
    );
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (CONTENT_SECURITY_POLICY, policy()),
        // The address holds a secret: nothing keeps the page, and no other page learns of it.
        (CACHE_CONTROL, "no-store".to_owned()),
        (REFERRER_POLICY, "no-referrer".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (status, headers, html).into_response()
}

/// No script at all, this one stylesheet by its hash, forms to this server only.
fn policy() -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, STYLE.as_bytes());
    let hash = STANDARD.encode(digest.as_ref());
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

/// A paragraph of plain text.
pub(super) fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", escape_html(text))
}

/// What else has access to an account, and the box by which its reader takes it as it is; nothing where there is nothing.
pub(super) fn other_access(lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut html = paragraph(
        "Somebody may have made this account who does not read your mail. Besides you it has the following, all of which has or may get \
         access to what comes into it:",
    );
    html += "<ul>\n";
    for line in lines {
        html.extend(["<li>", &escape_html(line), "</li>\n"]);
    }
    html += "</ul>\n";
    html += &paragraph("If you do not know all of it, close this page and sign up with your address yourself.");
    html + "<label><input name=\"confirm\" value=\"yes\" type=\"checkbox\"> I know all of it: the account is mine</label>\n"
}

/// How a use case's refusal is answered: the status, and what may be shown.
pub(super) fn refusal(error: &Error) -> (StatusCode, String) {
    let status = match error {
        Error::User(_) | Error::BadInput(_) | Error::CostExceeded(_) | Error::AnswerTooLarge(_) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Error::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
        Error::Forbidden(_) => StatusCode::FORBIDDEN,
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::Unavailable(_) | Error::Outage(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(cause) => {
            tracing::error!(error = ?cause, "a page has failed");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    (status, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_allows_its_one_stylesheet_and_nothing_else() {
        let response = page(StatusCode::OK, "A <b>", "");
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(paragraph("<script>"), "<p>&lt;script&gt;</p>\n");
    }
}
