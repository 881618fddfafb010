//! Sources through which connected accounts submit to a flow.

use entity::{connection, invitation};
use sea_orm::DatabaseTransaction;

use crate::app::App;
use crate::error::Result;

/// Brings the sources that waited for an invitation to life: those of the inviter's flows, and those of a former connection.
pub async fn on_accepted(
    _tx: &DatabaseTransaction,
    _app: &App,
    _invitation: &invitation::Model,
    _connection: &connection::Model,
) -> Result<()> {
    Ok(())
}
