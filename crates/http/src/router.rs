//! Every address of the server.

use std::sync::Arc;

use async_graphql::Executor;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use super::graphql::Endpoint;
use super::session::Authenticate;
use super::{cors, deliveries_csv, docs, health, links, metrics, pages, portal_csv};
use leadmesh_core::app::App;
use leadmesh_graphql::schema::sdl;

/// The whole server.
pub fn all<E: Executor, A: Authenticate>(app: &App, endpoint: Arc<Endpoint<E, A>>) -> Router {
    let compressed = Router::new()
        .merge(pages::router())
        .merge(docs::router(app))
        .merge(portal_csv::router(app))
        .merge(deliveries_csv::router(app))
        .merge(links::router().with_state(app.clone()))
        .route("/schema.graphql", get(schema))
        .layer(CompressionLayer::new());
    health(app)
        .route("/metrics", get(metrics::for_this_machine).with_state(app.clone()))
        .merge(endpoint.router())
        .merge(compressed)
        .layer(cors::layer(&app.config))
        .layer(CatchPanicLayer::new())
}

/// What a process without the API serves. Its address is not for strangers, so the metrics are for every caller.
pub fn worker(app: &App) -> Router {
    health(app).merge(metrics(app))
}

/// The metrics alone, for every caller: `LEADMESH_METRICS_LISTEN`.
pub fn metrics(app: &App) -> Router {
    Router::new()
        .route("/metrics", get(metrics::metrics))
        .with_state(app.clone())
}

fn health(app: &App) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(health::ready))
        .fallback(|| async {
            (
                StatusCode::NOT_FOUND,
                "There is nothing at this path. The API is at /graphql.\n",
            )
        })
        .with_state(app.clone())
}

async fn schema() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/graphql; charset=utf-8")], sdl())
}
