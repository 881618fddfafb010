//! Whether this process can do its work.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use sea_orm::ConnectionTrait;

use crate::app::App;
use crate::database::time;

/// 200 when the database answers, 503 with the reason otherwise. Redis is not asked: without it the work goes on. A machine whose
/// clock is wrong is ready, for the work goes by the database's clock, and says so in a second line.
pub async fn ready(State(app): State<App>) -> impl IntoResponse {
    match app.db.write().execute_unprepared("SELECT 1").await {
        Ok(_) => {
            let clock = time::offset(&app.clock).map(|offset| format!("warning: {offset}\n"));
            (StatusCode::OK, format!("ready\n{}", clock.unwrap_or_default()))
        }
        Err(error) => {
            tracing::warn!(%error, "not ready: the database does not answer");
            let why = "the database does not answer\n".to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, why)
        }
    }
}
