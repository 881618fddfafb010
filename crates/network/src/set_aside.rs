//! Telling owners that deliveries were set aside: nothing happens to them until somebody retries them.

use std::collections::BTreeMap;

use entity::ids::{AccountId, DeliveryId};
use entity::{account, suspect};
use sea_orm::QuerySelect;

use super::notices::{Notice, tell_owners};
use leadmesh_core::app::App;
use leadmesh_core::error::Result;

/// Told in one round.
const MOST: u64 = 100;

/// Tells of deliveries that were set aside, once of each and those of an account together; answers of how many. Of several
/// processes one tells of each.
pub async fn tell_set_aside(app: &App) -> Result<usize> {
    let rows = suspect::Entity::unnotified().limit(MOST).all(app.db.read()).await?;
    let mut of_accounts: BTreeMap<AccountId, Vec<DeliveryId>> = BTreeMap::new();
    for row in &rows {
        of_accounts.entry(row.account_id).or_default().push(row.delivery_id);
    }
    for (account, deliveries) in of_accounts {
        tell(app, account, &deliveries).await?;
    }
    Ok(rows.len())
}

async fn tell(app: &App, id: AccountId, deliveries: &[DeliveryId]) -> Result<()> {
    let tx = app.db.begin().await?;
    let noted = suspect::Entity::mark_notified(id, deliveries.iter().copied());
    if noted.exec(&tx).await?.rows_affected == 0 {
        return Ok(());
    }
    if let Some(account) = account::Entity::by_id(id).one(&tx).await? {
        tell_owners(&tx, app, &account, &notice(deliveries), None).await?;
    }
    Ok(tx.commit().await?)
}

fn notice(deliveries: &[DeliveryId]) -> Notice {
    let ids: Vec<String> = deliveries.iter().map(ToString::to_string).collect();
    let (subject, them) = if deliveries.len() == 1 {
        ("A delivery was set aside".to_owned(), "it")
    } else {
        (format!("{} deliveries were set aside", deliveries.len()), "them")
    };
    Notice {
        by: None,
        subject,
        text: format!(
            "The server stopped again and again while it was sending {}. It does not try {them} any more by itself. Look at the \
             template and the lead, correct what makes the message too large, and retry {them}.",
            ids.join(", ")
        ),
    }
}
