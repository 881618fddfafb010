//! Readiness of this process.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use sea_orm::ConnectionTrait;

use leadmesh_core::app::App;
use leadmesh_core::crypto::master_key;
use leadmesh_core::database::time;
use leadmesh_core::identity::proof_setting;

const SILENT: &str = "The database does not respond.\n";

/// 200 if the database answers, is under a master key of this process, and the installation requires proof of
/// addresses as this process does; otherwise 503 with the reason. Redis is not checked: work continues without it. A
/// process with a wrong clock is ready, because work uses the database's clock, and says so in a second line.
pub async fn ready(State(app): State<App>) -> impl IntoResponse {
    if let Err(error) = app.db.write().execute_unprepared("SELECT 1").await {
        tracing::warn!(%error, "not ready: the database does not answer");
        return (StatusCode::SERVICE_UNAVAILABLE, SILENT.to_owned());
    }
    match master_key::is_known(app.db.read(), &app.vault).await {
        Ok(Some(true)) if proof_setting::differs(app.db.read(), app.config.address_proof()).await => {
            tracing::error!("not ready: the installation goes by another LEADMESH_PROOF_OF_ADDRESS than this process");
            let text = "The installation uses another LEADMESH_PROOF_OF_ADDRESS than this process. Restart it with the mail settings of the others.\n";
            (StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
        }
        Ok(Some(true)) => {
            let clock = time::offset(&app.clock).map(|offset| format!("warning: {offset}\n"));
            (StatusCode::OK, format!("ready\n{}", clock.unwrap_or_default()))
        }
        Ok(_) => {
            tracing::error!("not ready: LEADMESH_MASTER_KEY does not open the keys of the database any more");
            let text = "LEADMESH_MASTER_KEY does not open the keys of the database: restart with the key that they were moved to\n";
            (StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
        }
        Err(error) => {
            tracing::warn!(?error, "not ready: the master key cannot be compared");
            (StatusCode::SERVICE_UNAVAILABLE, SILENT.to_owned())
        }
    }
}
