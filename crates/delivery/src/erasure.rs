//! Erased leads and their deliveries: removing texts that may repeat a value, and queueing notices to those who received the lead.

use chrono::{DateTime, Utc};
use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus, Model};
use entity::delivery_config::Channel;
use entity::erasure_notice::{self, NoticeStatus, Received};
use entity::{bulk, delivery_attempt};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, QueryOrder, Set};
use serde_json::{Map, Value};

use super::redact::{self, Secrets};
use leadmesh_core::app::App;
use leadmesh_core::error::Result;

/// Stands in place of a text that may have repeated a value.
pub const REMOVED: &str = "removed with the lead's values";
pub const ERASED: &str = "the lead was erased";
/// Characters of the shortest value that is searched for: shorter ones are in every text by chance.
const MIN_VALUE_CHARS: usize = 4;

/// The values of a lead, to find texts that repeat one.
pub struct Values(Secrets);

impl Values {
    /// Every value in these, at any depth.
    pub fn of<'a>(fields: impl IntoIterator<Item = &'a Map<String, Value>>) -> Self {
        let values = fields.into_iter().flat_map(Map::values).flat_map(redact::texts);
        Self(Secrets::new(
            values.filter(|text| text.trim().chars().count() >= MIN_VALUE_CHARS),
        ))
    }

    /// Whether a text repeats one of them, in any spelling.
    pub fn are_in(&self, text: &str) -> bool {
        self.0.are_in(text)
    }
}

/// A delivery without what may repeat a value; `cancel` for one that would be attempted again.
pub(super) fn redacted(row: Model, values: &Values, now: DateTime<Utc>, cancel: bool) -> delivery::ActiveModel {
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

/// A delivery whose lead was erased while a worker attempted it. Its outcome is written already.
pub(super) struct Attempted<'a> {
    pub(super) row: Model,
    /// The status in which it ends, which is CANCELLED for what would be attempted again.
    pub(super) status: DeliveryStatus,
    /// The values that were sent, which only the worker still knows.
    pub(super) fields: Option<&'a Map<String, Value>>,
}

/// Removes what may repeat a value, and queues the notice to the recipient.
pub(super) async fn redact_attempted(app: &App, tx: &DatabaseTransaction, attempted: Attempted<'_>) -> Result<()> {
    let (row, now) = (attempted.row, app.clock.now());
    let (settled, erased) = (row.settled_at, row.erased_at);
    let cancel = attempted.status == DeliveryStatus::Cancelled;
    let mut change = redacted(row, &Values::of(attempted.fields), erased.unwrap_or(now), cancel);
    change.settled_at = Set(settled.or(Some(now)));
    let row = change.update(tx).await?;
    let attempts = delivery_attempt::Entity::of_deliveries([row.id]);
    let attempts = attempts.order_by_asc(delivery_attempt::Column::Number).all(tx).await?;
    queue_notices(app, tx, std::slice::from_ref(&row), &attempts).await
}

/// An attempt without what the recipient answered.
pub(super) fn without_response(mut attempt: delivery_attempt::ActiveModel) -> delivery_attempt::ActiveModel {
    attempt.message = Set(None);
    attempt.excerpt = Set(None);
    attempt
}

/// Queues a notice to each recipient that may have received the lead.
pub async fn queue_notices(
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
        let sees_itself = matches!(row.channel, Channel::Portal | Channel::Account);
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
            status: Set(if sees_itself {
                NoticeStatus::Shown
            } else {
                NoticeStatus::Queued
            }),
            attempts: Set(0),
            due_at: Set((!sees_itself).then_some(now)),
            lease_until: Set(None),
            interruptions: Set(0),
            error: Set(None),
            notified_at: Set(sees_itself.then_some(now)),
            created_at: Set(now),
        });
    }
    bulk::insert_if_absent::<erasure_notice::Entity>(tx, notices).await?;
    Ok(())
}

/// Whether the recipient received the lead, and when. An attempt that may have reached it counts.
fn received(
    row: &Model,
    attempts: &mut dyn Iterator<Item = &delivery_attempt::Model>,
) -> Option<(Received, DateTime<Utc>)> {
    let settled = row.settled_at.unwrap_or(row.created_at);
    match row.status {
        DeliveryStatus::Delivered => return Some((Received::Delivered, settled)),
        // Of a connected account, the external ID is the lead that its flow refused.
        DeliveryStatus::Refused if row.channel != Channel::Account || row.external_id.is_some() => {
            return Some((Received::Refused, settled));
        }
        _ => {}
    }
    let perhaps = attempts.filter(|attempt| may_have_arrived(attempt)).last()?;
    (row.channel != Channel::Account).then_some((Received::Perhaps, perhaps.started_at))
}

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
