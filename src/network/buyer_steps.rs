//! Steps that deliver to connected accounts.

use entity::{connection, invitation};
use sea_orm::DatabaseTransaction;

use crate::app::App;
use crate::error::Result;

/// Makes the buyer steps that waited for an invitation ready, and those of a former connection.
pub async fn on_accepted(
    _tx: &DatabaseTransaction,
    _app: &App,
    _invitation: &invitation::Model,
    _connection: &connection::Model,
) -> Result<()> {
    Ok(())
}

/// Ends what is on its way over a connection: CANCELLED with DISCONNECTED.
pub async fn on_terminated(_tx: &DatabaseTransaction, _app: &App, _connection: &connection::Model) -> Result<()> {
    Ok(())
}
