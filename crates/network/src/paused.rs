//! Telling owners that a destination takes nothing any more.

use chrono::TimeDelta;
use entity::endpoint::{self, OpenReason};
use entity::{account, partner};
use sea_orm::{ColumnTrait, Condition, QueryFilter, QuerySelect};

use super::notices::{Notice, tell_owners};
use leadmesh_core::app::App;
use leadmesh_core::error::Result;

/// Of a pause that ends by itself owners are told when it has gone on for so long.
const LONG: TimeDelta = TimeDelta::minutes(15);
/// Told in one round.
const MOST: u64 = 100;

/// Tells of destinations that have answered 410 or have been paused for long, once of each; answers of how many. Of several
/// processes one tells of each.
pub async fn tell_paused(app: &App) -> Result<usize> {
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
        tell(app, row).await?;
    }
    Ok(rows.len())
}

async fn tell(app: &App, row: &endpoint::Model) -> Result<()> {
    let tx = app.db.begin().await?;
    if endpoint::Entity::mark_notified(row.id).exec(&tx).await?.rows_affected == 0 {
        return Ok(());
    }
    if let Some(account) = account::Entity::by_id(row.account_id).one(&tx).await? {
        let partner = match row.partner_id {
            Some(id) => {
                let found = partner::Entity::in_account(row.account_id).filter(partner::Column::Id.eq(id));
                found.one(&tx).await?
            }
            None => None,
        };
        let whose = partner.map_or_else(|| "your mail server".to_owned(), |partner| partner.name);
        tell_owners(&tx, app, &account, &notice(&whose, row), None).await?;
    }
    Ok(tx.commit().await?)
}

fn notice(whose: &str, row: &endpoint::Model) -> Notice {
    let (what, then) = match row.open_reason {
        Some(OpenReason::Gone) => (
            "has said that it is gone for good (410)",
            "Nothing is sent to it until somebody resumes it or gives the partner another address.",
        ),
        _ => (
            "has failed again and again",
            "It is tried every few minutes, and what waits goes on by itself once it works.",
        ),
    };
    Notice {
        by: None,
        subject: format!("Deliveries to {whose} are paused"),
        text: format!(
            "{whose} {what}; the partner's health tells why. {then} Deliveries wait meanwhile, and fail when they are too old."
        ),
    }
}
