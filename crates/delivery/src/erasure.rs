//! What erasing a lead does to its deliveries: what is not sent yet is cancelled, what is kept of attempts and answers loses its
//! words, and who had the lead is written down, to be told.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use entity::delivery::{self, Column, DeliveryErrorCode, DeliveryStatus, Model};
use entity::delivery_config::Channel;
use entity::erasure_notice::{self, NoticeStatus, Received};
use entity::ids::{DeliveryId, PartnerId};
use entity::{bulk, delivery_attempt, destination, endpoint, mail_recipient, mail_turn};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, QueryFilter, QueryOrder, QuerySelect, Set, TryIntoModel,
};
use serde_json::{Map, Value};

use super::redact::{self, Secrets};
use super::worker;
use leadmesh_core::app::App;
use leadmesh_core::error::Result;

/// What stands in place of words that may have repeated a value.
pub const REMOVED: &str = "removed with the lead's values";
/// Why a delivery was cancelled.
pub const ERASED: &str = "the lead was erased";
/// Characters of the shortest value that is looked for: shorter ones are in every text by chance.
const SHORTEST: usize = 4;

/// The values of a lead, to tell texts that repeat one.
pub struct Values(Secrets);

impl Values {
    /// Every value in these, at any depth.
    pub fn of<'a>(fields: impl IntoIterator<Item = &'a Map<String, Value>>) -> Self {
        let values = fields.into_iter().flat_map(Map::values).flat_map(redact::texts);
        Self(Secrets::new(
            values.filter(|text| text.trim().chars().count() >= SHORTEST),
        ))
    }

    /// Whether a text repeats one of them, in any spelling.
    pub fn are_in(&self, text: &str) -> bool {
        self.0.are_in(text)
    }
}

/// Every delivery of a lead, locked. A worker that routes further holds the delivery that has failed until the next one is there,
/// so it is looked until there are no others.
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

/// Takes from deliveries, their attempts and their destinations what may repeat a value; cancels those that wait, and answers all as
/// they stand now. What a worker is sending this moment is ended by it, without words.
pub async fn strip(
    app: &App,
    tx: &DatabaseTransaction,
    rows: Vec<Model>,
    values: &Values,
) -> Result<(Vec<Model>, Vec<delivery_attempt::Model>)> {
    let ids: Vec<DeliveryId> = rows.iter().map(|row| row.id).collect();
    let attempts = delivery_attempt::Entity::of_deliveries(ids.iter().copied())
        .order_by_asc(delivery_attempt::Column::Number)
        .all(tx)
        .await?;
    let said = attempts.iter().filter_map(|attempt| attempt.message.clone());
    let said: Vec<String> = said
        .chain(rows.iter().filter_map(|row| row.failure_message.clone()))
        .collect();
    // What failed at last begins with how often: the words of the attempt are at its end.
    let repeats = |text: &str| said.iter().any(|said| text.ends_with(said.as_str())) || values.are_in(text);
    delivery_attempt::Entity::forget_words(tx, &ids).await?;
    mail_recipient::Entity::forget_words(tx, &ids).await?;
    forget_failures(tx, &rows, repeats).await?;
    let waiting = rows
        .iter()
        .filter(|row| matches!(row.status, DeliveryStatus::Queued | DeliveryStatus::Retrying));
    let waiting: Vec<_> = waiting.map(|row| (row, None)).collect();
    let now = app.clock.now();
    worker::follow(app, tx, &waiting, &worker::Routes::default(), now).await?;
    mail_turn::Entity::forget(tx, ids).await?;
    let mut stripped = Vec::with_capacity(rows.len());
    for row in rows {
        let waits = matches!(row.status, DeliveryStatus::Queued | DeliveryStatus::Retrying);
        stripped.push(without_words(row, values, now, waits).update(tx).await?);
    }
    Ok((stripped, attempts))
}

/// What destinations and endpoints keep of the last failure. In the order in which the worker notes them.
async fn forget_failures(tx: &DatabaseTransaction, rows: &[Model], repeats: impl Fn(&str) -> bool) -> Result<()> {
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
    destination::Entity::forget_words(tx, kept.map(|row| row.partner_id), REMOVED).await?;
    // Those of these partners, and the account's mail server.
    let reached = endpoint::Column::PartnerId
        .is_in(partners)
        .or(endpoint::Column::Id.eq(account.0));
    let kept = endpoint::Entity::in_account(account).filter(reached).all(tx).await?;
    let kept = kept.into_iter().filter(|row| repeats(&row.why)).map(|row| row.id);
    endpoint::Entity::forget_words(tx, kept, REMOVED).await?;
    Ok(())
}

fn without_words(row: Model, values: &Values, now: DateTime<Utc>, cancel: bool) -> delivery::ActiveModel {
    let (message, reason) = (row.failure_message.clone(), row.review_reason.clone());
    let external_id = row.external_id.clone().filter(|id| !values.are_in(id));
    let mut change: delivery::ActiveModel = row.into();
    change.erased_at = Set(Some(now));
    change.external_id = Set(external_id);
    change.failure_message = Set(message.map(|_| REMOVED.to_owned()));
    change.review_reason = Set(reason.map(|_| REMOVED.to_owned()));
    if cancel {
        change.status = Set(DeliveryStatus::Cancelled);
        change.due_at = Set(None);
        change.settled_at = Set(Some(now));
        change.failure_code = Set(Some(DeliveryErrorCode::Cancelled));
        change.failure_message = Set(Some(ERASED.to_owned()));
    }
    change
}

/// Ends a delivery whose lead was erased while a worker was sending it. What would be tried again is cancelled, nothing goes further,
/// and what the recipient has said is not kept. The row holds the outcome already; `sent` is what only the worker still knows.
pub(super) async fn end(
    app: &App,
    tx: &DatabaseTransaction,
    row: Model,
    (sent, attempt): (&Map<String, Value>, Option<&delivery_attempt::ActiveModel>),
) -> Result<Model> {
    let (settled, erased) = (row.settled_at, row.erased_at);
    let (now, waits) = (app.clock.now(), row.status == DeliveryStatus::Retrying);
    let mut change = without_words(row, &Values::of([sent]), erased.unwrap_or(now), waits);
    change.settled_at = Set(settled.or(Some(now)));
    let row = change.update(tx).await?;
    let attempt = attempt.and_then(|attempt| attempt.clone().try_into_model().ok());
    let attempts: Vec<delivery_attempt::Model> = attempt.into_iter().collect();
    write_down(app, tx, std::slice::from_ref(&row), &attempts).await?;
    Ok(row)
}

/// An attempt without what was said.
pub(super) fn silent(mut attempt: delivery_attempt::ActiveModel) -> delivery_attempt::ActiveModel {
    attempt.message = Set(None);
    attempt.excerpt = Set(None);
    attempt
}

/// Writes down who had the lead, and has to be told.
pub async fn write_down(
    app: &App,
    tx: &DatabaseTransaction,
    rows: &[Model],
    attempts: &[delivery_attempt::Model],
) -> Result<()> {
    let now = app.clock.now();
    let mut notices = Vec::new();
    for row in rows {
        let mut own = attempts.iter().filter(|attempt| attempt.delivery_id == row.id);
        let Some((received, at)) = received(row, &mut own) else {
            continue;
        };
        let told = matches!(row.channel, Channel::Portal | Channel::Account);
        notices.push(erasure_notice::ActiveModel {
            id: Set(app.clock.id()),
            account_id: Set(row.account_id),
            lead_id: Set(row.lead_id),
            delivery_id: Set(row.id),
            partner_id: Set(row.partner_id),
            buyer_account_id: Set(row.buyer_account_id),
            settings_id: Set(row.settings_id),
            channel: Set(row.channel),
            test: Set(row.test),
            external_id: Set(row.external_id.clone()),
            received: Set(received),
            received_at: Set(at),
            status: Set(if told {
                NoticeStatus::Shown
            } else {
                NoticeStatus::Queued
            }),
            attempts: Set(0),
            due_at: Set((!told).then_some(now)),
            lease_until: Set(None),
            interruptions: Set(0),
            error: Set(None),
            told_at: Set(told.then_some(now)),
            created_at: Set(now),
        });
    }
    bulk::insert_if_absent::<erasure_notice::Entity>(tx, notices).await?;
    Ok(())
}

/// Whether the recipient had the lead, and since when. Whatever may have reached it counts.
fn received(
    row: &Model,
    attempts: &mut dyn Iterator<Item = &delivery_attempt::Model>,
) -> Option<(Received, DateTime<Utc>)> {
    let settled = row.settled_at.unwrap_or(row.created_at);
    match row.status {
        DeliveryStatus::Delivered => return Some((Received::Delivered, settled)),
        // Of a buyer's account it names the lead that was refused there.
        DeliveryStatus::Refused if row.channel != Channel::Account || row.external_id.is_some() => {
            return Some((Received::Refused, settled));
        }
        _ => {}
    }
    let perhaps = attempts.filter(|attempt| may_have_arrived(attempt)).last()?;
    (row.channel != Channel::Account).then_some((Received::Perhaps, perhaps.started_at))
}

/// Whether an attempt got as far as to send something.
fn may_have_arrived(attempt: &delivery_attempt::Model) -> bool {
    attempt.ok
        || attempt.http_status.is_some()
        || matches!(
            attempt.error_code,
            Some(DeliveryErrorCode::Timeout | DeliveryErrorCode::Network)
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_that_repeats_a_value_is_told_in_any_case_and_depth() {
        let Value::Object(fields) = json!({
            "email": "Ana@Example.com", "score": 12345, "state": "CA", "more": { "pets": ["Rex Silva", true] }
        }) else {
            unreachable!()
        };
        let values = Values::of([&fields]);
        for text in ["known: ana@example.COM", "crm-12345", "of rex silva"] {
            assert!(values.are_in(text), "{text}");
        }
        for text in ["CA", "true", "crm-7", ""] {
            assert!(!values.are_in(text), "{text}");
        }
    }
}
