//! Notifies owners of deliveries that were set aside and wait for a retry by hand.

use std::collections::BTreeMap;

use entity::ids::{AccountId, DeliveryId};
use entity::{account, suspect};
use sea_orm::QuerySelect;

use super::notices::{Notice, email_owners};
use leadmesh_core::app::App;
use leadmesh_core::error::Result;

/// In one round.
const MOST: u64 = 100;

/// Notifies owners of set-aside deliveries, once of each and those of an account together; answers of how many. Of several
/// processes one notifies of each.
pub async fn notify_set_aside(app: &App) -> Result<usize> {
    let rows = suspect::Entity::unnotified().limit(MOST).all(app.db.read()).await?;
    let mut of_accounts: BTreeMap<AccountId, Vec<DeliveryId>> = BTreeMap::new();
    for row in &rows {
        of_accounts.entry(row.account_id).or_default().push(row.delivery_id);
    }
    for (account, deliveries) in of_accounts {
        notify(app, account, &deliveries).await?;
    }
    Ok(rows.len())
}

async fn notify(app: &App, id: AccountId, deliveries: &[DeliveryId]) -> Result<()> {
    let tx = app.db.begin().await?;
    let noted = suspect::Entity::mark_notified(id, deliveries.iter().copied());
    if noted.exec(&tx).await?.rows_affected == 0 {
        return Ok(());
    }
    if let Some(account) = account::Entity::by_id(id).one(&tx).await? {
        email_owners(&tx, app, &account, &notice(deliveries), None).await?;
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
            "The server stopped repeatedly while it was sending {}. It does not retry {them} automatically. Check the \
             template and the lead, correct what makes the message too large, and retry {them}.",
            ids.join(", ")
        ),
    }
}
