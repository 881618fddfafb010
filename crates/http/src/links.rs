//! The pages of links mailed to users: an invitation to connect, setting a password, and proving an address. Plain
//! HTML forms that work without scripts and load nothing.

mod invitation;
mod page;
mod password;
mod verify;

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::routing::get;
use serde::Deserialize;

use super::client_address::client_ip;
use leadmesh_core::app::App;

/// The query of a link.
#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    token: String,
}

/// Routes of the pages: `/invitation`, `/set-password` and `/verify-email`. `/portal/set-password` is the page for partners.
pub fn router() -> Router<App> {
    Router::new()
        .route("/invitation", get(invitation::show))
        .route("/set-password", get(password::ask).post(password::set))
        .route("/verify-email", get(verify::ask).post(verify::confirm))
}

/// The caller's network address, if it is known.
struct Ip(Option<IpAddr>);

impl FromRequestParts<App> for Ip {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|ConnectInfo(peer)| *peer);
        Ok(Self(client_ip(app, &parts.headers, peer)))
    }
}
