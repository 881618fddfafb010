//! What erasing a lead does to its deliveries: waiting ones are cancelled, and what is stored of attempts and failures loses the
//! texts that may repeat a value.

use std::collections::HashSet;

use entity::delivery::{self, Column, DeliveryErrorCode, DeliveryStatus, Model};
use entity::ids::{DeliveryId, PartnerId};
use entity::{delivery_attempt, destination, endpoint, mail_recipient, send_slot};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ActiveModelTrait, ColumnTrait, DatabaseTransaction, QueryFilter, QueryOrder, QuerySelect};

use super::erasure::{REMOVED, Values, redacted};
use super::finish::{Effects, Ending, finish};
use leadmesh_core::app::App;
use leadmesh_core::error::Result;

pub struct ErasedDeliveries {
    pub rows: Vec<Model>,
    /// Their attempts, the first first.
    pub attempts: Vec<delivery_attempt::Model>,
    /// What follows from those that were cancelled.
    pub effects: Effects,
}

/// Locks every delivery of a lead. A worker that re-routes holds the failed delivery until the next one is there, so this repeats
/// until there are no new ones.
pub async fn lock_all(tx: &DatabaseTransaction, lead: &entity::lead::Model) -> Result<Vec<Model>> {
    let mut known = 0;
    loop {
        let rows = delivery::Entity::of_lead(lead.account_id, lead.id)
            .order_by_asc(Column::Id)
            .lock_exclusive()
            .all(tx)
            .await?;
        if rows.len() == known {
            return Ok(rows);
        }
        known = rows.len();
    }
}

/// Removes what may repeat a value from deliveries, their attempts and their destinations, and cancels those that wait. What a
/// worker attempts at this moment is ended by that worker, and redacted then.
pub async fn redact_deliveries(
    app: &App,
    tx: &DatabaseTransaction,
    rows: Vec<Model>,
    values: &Values,
) -> Result<ErasedDeliveries> {
    let ids: Vec<DeliveryId> = rows.iter().map(|row| row.id).collect();
    let attempts = delivery_attempt::Entity::of_deliveries(ids.iter().copied())
        .order_by_asc(delivery_attempt::Column::Number)
        .all(tx)
        .await?;
    let stored = attempts.iter().filter_map(|attempt| attempt.message.clone());
    let stored: Vec<String> = stored
        .chain(rows.iter().filter_map(|row| row.failure_message.clone()))
        .collect();
    // The message of a final failure ends with that of its last attempt.
    let repeats = |text: &str| stored.iter().any(|message| text.ends_with(message.as_str())) || values.are_in(text);
    delivery_attempt::Entity::redact(tx, &ids).await?;
    mail_recipient::Entity::redact(tx, &ids).await?;
    redact_failures(tx, &rows, repeats).await?;
    let now = app.clock.now();
    let waits = |row: &Model| matches!(row.status, DeliveryStatus::Queued | DeliveryStatus::Retrying);
    let waiting = rows.iter().filter(|row| waits(row));
    let endings = waiting
        .map(|row| Ending::new(row, DeliveryStatus::Cancelled, Some(DeliveryErrorCode::Cancelled)))
        .collect();
    let effects = finish(app, tx, endings, now).await?;
    send_slot::Entity::forget(tx, ids).await?;
    let mut changed = Vec::with_capacity(rows.len());
    for row in rows {
        let cancel = waits(&row);
        changed.push(redacted(row, values, now, cancel).update(tx).await?);
    }
    Ok(ErasedDeliveries {
        rows: changed,
        attempts,
        effects,
    })
}

/// The last errors of destinations and endpoints. They are locked in the order in which the worker notes failures.
async fn redact_failures(tx: &DatabaseTransaction, rows: &[Model], repeats: impl Fn(&str) -> bool) -> Result<()> {
    let Some(account) = rows.first().map(|row| row.account_id) else {
        return Ok(());
    };
    let partners: HashSet<PartnerId> = rows.iter().filter_map(|row| row.partner_id).collect();
    let kept = destination::Entity::in_account(account)
        .filter(destination::Column::PartnerId.is_in(partners.iter().copied()))
        .all(tx)
        .await?
        .into_iter();
    let kept = kept.filter(|row| repeats(&row.last_error));
    destination::Entity::redact(tx, kept.map(|row| row.partner_id), REMOVED).await?;
    // The endpoints of these partners, and the account's mail server.
    let reached = endpoint::Column::PartnerId
        .is_in(partners)
        .or(endpoint::Column::Id.eq(account.0));
    let kept = endpoint::Entity::in_account(account).filter(reached).all(tx).await?;
    let kept = kept
        .into_iter()
        .filter(|row| repeats(&row.last_error))
        .map(|row| row.id);
    endpoint::Entity::redact(tx, kept, REMOVED).await?;
    Ok(())
}
