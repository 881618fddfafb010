//! An account's mail server that takes only so many mails a minute: its mails are spread evenly, and each waits for its turn
//! without spending an attempt. The turns are kept in the database, so that all workers together keep to the limit.

use chrono::{DateTime, TimeDelta, Utc};
use entity::delivery::{self, DeliveryStatus};
use entity::{endpoint, mail_pace, mail_turn, smtp_settings};
use sea_orm::DatabaseTransaction;

use super::claim::give_up_unknown;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::live::events;
use leadmesh_leads::intake::delivery_event;

/// A turn that was missed by more, because nobody worked, is given anew: else all that were missed would go out at once.
const LATE: TimeDelta = TimeDelta::seconds(5);

/// Whether a delivery may be sent now. If not, it waits for its turn, and is not this worker's any more.
pub(super) async fn is_its_turn(
    app: &App,
    delivery: &delivery::Model,
    settings: &smtp_settings::Model,
) -> Result<bool> {
    let Some(limit) = settings.mails_per_minute else {
        return Ok(true);
    };
    let now = app.clock.now();
    let tx = app.db.begin().await?;
    let had = mail_turn::Entity::use_up(&tx, delivery.id).await?;
    let turn = match had {
        // The one that tries a mail server after a pause: the others wait for what it finds.
        _ if endpoint::Entity::is_tried_by(&tx, delivery.account_id.0, delivery.id).await? => now,
        Some(at) if at > now => at,
        Some(at) if now - at <= LATE => now,
        _ => mail_pace::Entity::take(&tx, delivery.account_id, now, gap(limit)).await?,
    };
    let waits = turn > now && wait(&tx, delivery, turn).await?;
    let heads = if waits {
        let event = delivery_event(&delivery::Model {
            status: waiting(delivery),
            ..delivery.clone()
        });
        events::append(&tx, now, vec![event]).await?
    } else {
        events::Heads::new()
    };
    // Whether it waits is not known if the end of the commit is not. Under another lease its next attempt is told from this one.
    let committed = tx.commit().await.map_err(Error::from);
    committed.inspect_err(|error| give_up_unknown(app, error))?;
    app.hub.tell(&heads);
    Ok(turn <= now)
}

/// Between two mails.
fn gap(mails_per_minute: i32) -> TimeDelta {
    TimeDelta::microseconds(60_000_000 / i64::from(mails_per_minute.max(1)))
}

/// As it was before it was claimed.
fn waiting(delivery: &delivery::Model) -> DeliveryStatus {
    if delivery.attempt_count > 1 {
        DeliveryStatus::Retrying
    } else {
        DeliveryStatus::Queued
    }
}

/// Puts the delivery back until its turn; false if somebody else has taken it over.
async fn wait(tx: &DatabaseTransaction, delivery: &delivery::Model, at: DateTime<Utc>) -> Result<bool> {
    if !delivery::Entity::put_back(tx, delivery, waiting(delivery), at).await? {
        return Ok(false);
    }
    let turn = mail_turn::Model {
        delivery_id: delivery.id,
        account_id: delivery.account_id,
        at,
    };
    mail_turn::Entity::give(tx, turn).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails_are_spread_evenly_over_the_minute() {
        assert_eq!(gap(60), TimeDelta::seconds(1));
        assert_eq!(gap(1), TimeDelta::minutes(1));
        assert_eq!(gap(7) * 7 + TimeDelta::microseconds(4), TimeDelta::minutes(1));
    }
}
