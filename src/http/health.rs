//! Whether this process can do its work.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use sea_orm::ConnectionTrait;

use crate::app::App;

/// 200 when the database answers, 503 with the reason otherwise. Redis is not asked: without it the work goes on.
pub async fn ready(State(app): State<App>) -> impl IntoResponse {
    match app.db.write().execute_unprepared("SELECT 1").await {
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(error) => {
            tracing::warn!(%error, "not ready: the database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")
        }
    }
}
