//! New data keys for accounts, and for the instance itself.

use entity::account;
use entity::ids::AccountId;
use sea_orm::QueryOrder;

use super::accounts;
use crate::app::App;
use crate::audit::{self, Actor};
use crate::error::Result;

/// Gives every account and the instance a new key to seal with, each in its own transaction; sealed values stay openable.
/// Running servers follow within half a minute. Answers the number of accounts.
pub async fn rotate_all(app: &App) -> Result<usize> {
    let all = account::Entity::for_operator().order_by_asc(account::Column::Id);
    let accounts = all.all(app.db.read()).await?;
    for account in &accounts {
        rotate(app, Some(account)).await?;
    }
    rotate(app, None).await?;
    Ok(accounts.len())
}

async fn rotate(app: &App, account: Option<&account::Model>) -> Result<()> {
    let owner: Option<AccountId> = account.map(|account| account.id);
    let tx = app.db.begin().await?;
    app.vault.rotate(&tx, &app.clock, owner).await?;
    if let Some(account) = account {
        let entry = accounts::entry("account.key_rotated", account);
        audit::record(&tx, &app.clock, account.id, &Actor::system(), entry).await?;
    }
    tx.commit().await?;
    app.vault.forget(owner).await;
    Ok(())
}
