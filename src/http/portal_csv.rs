//! `GET /portal/leads.csv`: the leads of a portal for a spreadsheet, with a portal user's token. Pages are read as they are sent,
//! so an export takes the same memory however long it is.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, RETRY_AFTER, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::{StreamExt, stream};

use super::authenticate::client_ip;
use super::csv;
use super::graphql::peer;
use super::session::bearer;
use crate::app::App;
use crate::delivery::portal_feed::export::{self, Export};
use crate::error::{Error, Result};
use crate::graphql::portal_lead::PortalLeadFilter;
use crate::identity::authenticate;

/// Where it is.
pub fn router(app: &App) -> Router {
    Router::new().route("/portal/leads.csv", get(leads)).with_state(app.clone())
}

async fn leads(State(app): State<App>, parts: Parts) -> Response {
    match begin(&app, &parts).await {
        Ok(export) => answer(export),
        Err(error) => refused(&error),
    }
}

async fn begin(app: &App, parts: &Parts) -> Result<Export> {
    let Ok(Some(token)) = bearer(&parts.headers) else {
        return Err(Error::Unauthenticated(
            "send a token: Authorization: Bearer <portal access token>",
        ));
    };
    let caller = authenticate::bearer(app, token, client_ip(app, &parts.headers, peer(parts))).await?;
    let filter = PortalLeadFilter::from_query(parts.uri.query().unwrap_or_default())?;
    export::export(app, &caller, filter.checked()?).await
}

fn answer(export: Export) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (CONTENT_DISPOSITION, "attachment; filename=\"leads.csv\""),
        (CACHE_CONTROL, "no-store"),
        (VARY, "Authorization"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let mut first = Vec::new();
    csv::write(&mut first, export.header());
    let pages = stream::unfold((Some(export), first), |(export, mut out)| async move {
        let mut export = export?;
        match export.page().await {
            Ok(Some(rows)) => {
                for row in &rows {
                    csv::write(&mut out, row.iter().map(String::as_str));
                }
                Some((Ok(Bytes::from(out)), (Some(export), Vec::new())))
            }
            Ok(None) => None,
            // The connection is cut: a reader must not take half a file for the whole.
            Err(error) => {
                tracing::warn!(?error, "an export ended early");
                Some((Err(error), (None, Vec::new())))
            }
        }
    });
    // Compression asks once more after the end.
    (headers, Body::from_stream(pages.fuse())).into_response()
}

fn refused(error: &Error) -> Response {
    let none: Option<(HeaderName, String)> = None;
    let (status, header) = match error {
        Error::Unauthenticated(_) => (StatusCode::UNAUTHORIZED, Some((WWW_AUTHENTICATE, "Bearer".to_owned()))),
        Error::Forbidden(_) => (StatusCode::FORBIDDEN, none),
        Error::BadInput(_) | Error::Broken(_) => (StatusCode::BAD_REQUEST, none),
        Error::RateLimited { retry_after } => (
            StatusCode::TOO_MANY_REQUESTS,
            Some((RETRY_AFTER, retry_after.to_string())),
        ),
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, none),
        other => {
            tracing::error!(error = ?other, "cannot export leads");
            (StatusCode::INTERNAL_SERVER_ERROR, none)
        }
    };
    let text = format!("{error}\n");
    match header {
        Some(header) => (status, [header], text).into_response(),
        None => (status, text).into_response(),
    }
}
