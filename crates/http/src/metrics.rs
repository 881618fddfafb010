//! The metrics of this process for Prometheus.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use entity::{delivery, endpoint};

use super::graphql::peer;
use leadmesh_core::app::App;
use leadmesh_core::metrics::Snapshot;

/// The most due deliveries counted.
const MAX_BACKLOG: u64 = 10_000;
/// Time limit of the database; the other metrics are reported without it.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(2);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics for direct callers on this machine; 404 for others. The API's address is public, and the numbers reveal
/// the amount of business.
pub async fn for_this_machine(app: State<App>, parts: Parts) -> Response {
    let local = peer(&parts).is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let forwarded = ["x-forwarded-for", "forwarded", "via", "x-real-ip"];
    if !local || forwarded.iter().any(|name| parts.headers.contains_key(*name)) {
        let text = "The metrics are served at the address of LEADMESH_METRICS_LISTEN. This address serves them only to direct callers on this machine.\n";
        return (StatusCode::NOT_FOUND, text).into_response();
    }
    metrics(app).await.into_response()
}

/// The metrics of this process, in the text format of `OpenMetrics`.
pub async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let snapshot = Snapshot {
        slots_used: app.queue.slots.used(),
        slots_total: app.config.settings.concurrency,
        backlog: backlog(&app).await,
        paused: paused(&app).await,
        writes: app.writes.running(),
        pools: app.db.pools(),
        clock_ahead: app.clock.ahead(),
    };
    ([(CONTENT_TYPE, OPEN_METRICS)], app.metrics.text(snapshot))
}

async fn paused(app: &App) -> Option<u64> {
    let asked = endpoint::Entity::count_paused(app.db.read());
    tokio::time::timeout(DATABASE_TIMEOUT, asked).await.ok()?.ok()
}

async fn backlog(app: &App) -> Option<(u64, TimeDelta)> {
    let now = app.clock.now();
    let asked = delivery::Entity::backlog(app.db.read(), now, MAX_BACKLOG);
    let (due, first) = tokio::time::timeout(DATABASE_TIMEOUT, asked).await.ok()?.ok()?;
    Some((due, first.map_or(TimeDelta::zero(), |first| now - first)))
}
