//! Whether this process can do its work.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use sea_orm::ConnectionTrait;

use crate::app::App;
use crate::crypto::master_key;

/// 200 when the database answers and is still under a master key of this process, 503 with the reason otherwise. Redis is not
/// asked: without it the work goes on.
pub async fn ready(State(app): State<App>) -> impl IntoResponse {
    if let Err(error) = app.db.write().execute_unprepared("SELECT 1").await {
        tracing::warn!(%error, "not ready: the database does not answer");
        return (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n");
    }
    match master_key::is_known(app.db.read(), &app.vault).await {
        Ok(Some(true)) => (StatusCode::OK, "ready\n"),
        Ok(_) => {
            tracing::error!("not ready: LEADMESH_MASTER_KEY does not open the keys of the database any more");
            let text = "LEADMESH_MASTER_KEY does not open the keys of the database: restart with the key that they were moved to\n";
            (StatusCode::SERVICE_UNAVAILABLE, text)
        }
        Err(error) => {
            tracing::warn!(?error, "not ready: the master key cannot be compared");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")
        }
    }
}
