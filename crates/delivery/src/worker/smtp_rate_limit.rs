//! The SMTP rate limit of an account's mail server. Mails are spread evenly over the minute, and each waits for its send slot without
//! spending an attempt. Slots are stored in the database, so that all workers together keep to the limit.

use chrono::{DateTime, TimeDelta, Utc};
use entity::delivery::{self, DeliveryStatus};
use entity::{endpoint, send_slot, smtp_rate, smtp_settings};
use sea_orm::DatabaseTransaction;

use super::patience::abandon_unknown;
use crate::finish::Effects;
use leadmesh_core::app::App;
use leadmesh_core::error::Result;

/// A slot that was missed by more, because no worker ran, is assigned anew: otherwise all missed mails would go out together.
const LATE: TimeDelta = TimeDelta::seconds(5);

/// Whether a delivery may be sent now. If not, it is put back to wait for its slot, and this worker holds it no longer.
pub(super) async fn take_slot(app: &App, delivery: &delivery::Model, settings: &smtp_settings::Model) -> Result<bool> {
    let Some(limit) = settings.mails_per_minute else {
        return Ok(true);
    };
    let now = app.clock.now();
    let tx = app.db.begin().await?;
    let assigned = send_slot::Entity::use_up(&tx, delivery.id).await?;
    let slot = match assigned {
        // The delivery that probes a mail server after a pause goes first: all others wait for its result.
        _ if endpoint::Entity::is_probed_by(&tx, delivery.account_id.0, delivery.id).await? => now,
        Some(at) if at > now => at,
        Some(at) if now - at <= LATE => now,
        _ => smtp_rate::Entity::take(&tx, delivery.account_id, now, gap(limit)).await?,
    };
    let effects = if slot > now && wait(&tx, delivery, slot).await? {
        Effects::changed([&delivery::Model {
            status: waiting(delivery),
            ..delivery.clone()
        }])
    } else {
        Effects::default()
    };
    // If the outcome of the commit is unknown, so is whether the delivery waits. Under another lease its next attempt has another
    // number than this one.
    let committed = effects.commit_or(app, tx, now, |error| abandon_unknown(app, error));
    committed.await?;
    Ok(slot <= now)
}

fn gap(mails_per_minute: i32) -> TimeDelta {
    TimeDelta::microseconds(60_000_000 / i64::from(mails_per_minute.max(1)))
}

/// The status before the claim.
fn waiting(delivery: &delivery::Model) -> DeliveryStatus {
    if delivery.attempt_count > 1 {
        DeliveryStatus::Retrying
    } else {
        DeliveryStatus::Queued
    }
}

/// Puts the delivery back until its slot; false if another worker has taken it over.
async fn wait(tx: &DatabaseTransaction, delivery: &delivery::Model, at: DateTime<Utc>) -> Result<bool> {
    if !delivery::Entity::put_back(tx, delivery, waiting(delivery), at).await? {
        return Ok(false);
    }
    let slot = send_slot::Model {
        delivery_id: delivery.id,
        account_id: delivery.account_id,
        at,
    };
    send_slot::Entity::give(tx, slot).await?;
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
