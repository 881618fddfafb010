//! `GET /portal/leads.csv`: the leads of a portal for a spreadsheet, with a portal user's token. Pages are read while
//! they are sent, so an export of any length takes the same memory.

use axum::Router;
use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::get;

use super::client_address::client_ip;
use super::csv;
use super::graphql::peer;
use super::refusal::error_response;
use super::session::bearer;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::authenticate;
use leadmesh_delivery::portal_feed::export;
use leadmesh_graphql::portal_lead::PortalLeadFilter;

/// The route.
pub fn router(app: &App) -> Router {
    Router::new()
        .route("/portal/leads.csv", get(leads))
        .with_state(app.clone())
}

async fn leads(State(app): State<App>, parts: Parts) -> Response {
    match answer(&app, &parts).await {
        Ok(response) => response,
        Err(error) => error_response(&error),
    }
}

async fn answer(app: &App, parts: &Parts) -> Result<Response> {
    let Ok(Some(token)) = bearer(&parts.headers) else {
        return Err(Error::Unauthenticated(
            "Send a token: Authorization: Bearer <portal access token>",
        ));
    };
    let caller = authenticate::bearer(app, token, client_ip(app, &parts.headers, peer(parts))).await?;
    let filter = PortalLeadFilter::from_query(parts.uri.query().unwrap_or_default())?;
    let filter = filter.checked()?;
    let mine = caller.principal.account();
    let mine = mine.map_or_else(|| app.clone(), |account| app.for_account(account.0));
    // The audit entry of the export is written even if the request ends.
    let begin = async move { export::export(&mine, &caller, filter).await };
    let export = app.writes.run(None, begin).await.flatten()?;
    let header = export.header().map(str::to_owned).collect();
    let pages = csv::pages(export, |mut export| async move {
        Ok(export.page().await?.map(|rows| (rows, export)))
    });
    csv::download("leads.csv", header, pages).await
}
