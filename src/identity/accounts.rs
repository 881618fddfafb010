//! stand-in

use entity::account;
use entity::ids::AccountId;
use sea_orm::DatabaseTransaction;

use crate::error::Result;

/// Raises the version of what compiled flows and credentials depend on.
pub async fn touch_config(tx: &DatabaseTransaction, account: AccountId) -> Result<()> {
    Ok(account::Entity::touch_config(tx, account).await?)
}
