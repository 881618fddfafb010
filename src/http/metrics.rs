//! What this process counts, for Prometheus.

use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use chrono::TimeDelta;
use entity::{delivery, endpoint};

use crate::app::App;
use crate::metrics::Standing;

/// Due deliveries are counted no further than this.
const MOST: u64 = 10_000;
/// For the database: without it the other numbers are told all the same.
const PATIENCE: Duration = Duration::from_secs(2);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of this process, in the text format of `OpenMetrics`.
pub async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let standing = Standing {
        slots_used: app.queue.slots.used(),
        slots_total: app.config.settings.concurrency,
        backlog: backlog(&app).await,
        paused: paused(&app).await,
        clock_ahead: app.clock.ahead(),
    };
    ([(CONTENT_TYPE, OPEN_METRICS)], app.metrics.text(standing))
}

async fn paused(app: &App) -> Option<u64> {
    let asked = endpoint::Entity::count_paused(app.db.read());
    tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()
}

async fn backlog(app: &App) -> Option<(u64, TimeDelta)> {
    let now = app.clock.now();
    let asked = delivery::Entity::backlog(app.db.read(), now, MOST);
    let (due, first) = tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()?;
    Some((due, first.map_or(TimeDelta::zero(), |first| now - first)))
}
