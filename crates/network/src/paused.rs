//! Notifies owners of paused destinations.

use chrono::TimeDelta;
use entity::endpoint::{self, OpenReason};
use entity::{account, partner};
use sea_orm::{ColumnTrait, Condition, QueryFilter, QuerySelect};

use super::notices::{Notice, email_owners};
use leadmesh_core::app::App;
use leadmesh_core::error::Result;

/// Owners are notified of a pause that ends by itself once it has lasted this long.
const LONG: TimeDelta = TimeDelta::minutes(15);
/// In one round.
const MOST: u64 = 100;

/// Notifies owners once of each destination that has answered 410 or has been paused for long; answers of how many. Of several
/// processes one notifies of each.
pub async fn notify_paused(app: &App) -> Result<usize> {
    let long = Condition::all()
        .add(endpoint::Column::OpenReason.eq(OpenReason::Failing))
        .add(endpoint::Column::OpenedAt.lte(app.clock.now() - LONG));
    let serious = Condition::any()
        .add(endpoint::Column::OpenReason.eq(OpenReason::Gone))
        .add(long);
    let rows = endpoint::Entity::unnotified()
        .filter(serious)
        .limit(MOST)
        .all(app.db.read())
        .await?;
    for row in &rows {
        notify(app, row).await?;
    }
    Ok(rows.len())
}

async fn notify(app: &App, row: &endpoint::Model) -> Result<()> {
    let tx = app.db.begin().await?;
    if endpoint::Entity::mark_notified(row.id).exec(&tx).await?.rows_affected == 0 {
        return Ok(());
    }
    if let Some(account) = account::Entity::by_id(row.account_id).one(&tx).await? {
        let partner = partner::Entity::in_account(row.account_id).filter(partner::Column::Id.is_in(row.partner_id));
        let partner = partner.one(&tx).await?;
        let whose = partner.map_or_else(|| "your mail server".to_owned(), |partner| partner.name);
        email_owners(&tx, app, &account, &notice(&whose, row), None).await?;
    }
    Ok(tx.commit().await?)
}

fn notice(whose: &str, row: &endpoint::Model) -> Notice {
    let (what, then) = match row.open_reason {
        Some(OpenReason::Gone) => (
            "has said that it is gone for good (410)",
            "Nothing is sent to it until you resume it or give the partner another address.",
        ),
        _ => (
            "has failed repeatedly",
            "It is probed every few minutes, and the deliveries continue once it works.",
        ),
    };
    Notice {
        by: None,
        subject: format!("Deliveries to {whose} are paused"),
        text: format!(
            "{whose} {what}; the partner's health says why. {then} Deliveries wait meanwhile, and fail when they are too old."
        ),
    }
}
