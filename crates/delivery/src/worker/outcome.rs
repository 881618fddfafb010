//! What has come of an attempt, until it is recorded.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus};
use entity::delivery_outcome::{Outcome, Recorded};
use entity::{delivery_attempt, mail_recipient};

use crate::breaker::Signal;
use crate::erasure;
use leadmesh_core::app::App;
use leadmesh_core::queue::slots::Slot;
use leadmesh_core::queue::{Claimed, LeadContent};

const UNDECRYPTABLE: &str = "the lead cannot be read, nothing was sent: see the server's log, then retry the delivery";

/// What is recorded of an attempt, or of a delivery that ends without one.
pub(super) struct AttemptRecord {
    pub(super) outcome: Outcome,
    /// None where nothing was attempted.
    pub(super) attempt: Option<delivery_attempt::ActiveModel>,
    /// What a mail server replied for each recipient.
    pub(super) recipients: Vec<mail_recipient::Model>,
    pub(super) signal: Signal,
}

pub(super) struct PendingOutcome {
    pub(super) delivery: delivery::Model,
    /// None of a lead that cannot be read.
    pub(super) lead: Option<Arc<LeadContent>>,
    pub(super) record: AttemptRecord,
    /// Held until the outcome is recorded, so that what is in flight never exceeds the slots.
    #[expect(dead_code, reason = "held for its drop")]
    slot: Option<Slot>,
}

impl PendingOutcome {
    pub(super) fn attempted(claimed: Claimed, record: AttemptRecord) -> Self {
        Self {
            delivery: claimed.delivery,
            lead: Some(claimed.lead),
            record,
            slot: Some(claimed.slot),
        }
    }

    /// Of a delivery that ends without an attempt; a `failure` of none means that the recipient has it by an earlier attempt.
    pub(super) fn unattempted(
        delivery: delivery::Model,
        lead: Arc<LeadContent>,
        failure: Option<(DeliveryErrorCode, String)>,
        now: DateTime<Utc>,
    ) -> Self {
        let status = match failure {
            Some(_) => DeliveryStatus::Failed,
            None => DeliveryStatus::Delivered,
        };
        let outcome = Outcome {
            failure,
            ..Outcome::ended(&delivery, status, now)
        };
        Self {
            delivery,
            lead: Some(lead),
            record: AttemptRecord {
                outcome,
                attempt: None,
                recipients: Vec::new(),
                signal: Signal::Silent,
            },
            slot: None,
        }
    }

    /// Of a delivery whose lead cannot be read: its row is damaged, or the key to its encrypted values is missing. A retry by hand
    /// delivers it once the lead can be read again. No other partner gets the lead: it cannot be read for that one either.
    ///
    /// A lead that was erased since the delivery was due cannot be read either; then the delivery is cancelled when this is recorded.
    pub(super) fn undecryptable(delivery: delivery::Model, now: DateTime<Utc>) -> Self {
        let code = DeliveryErrorCode::Template;
        let outcome = Outcome {
            failure: Some((code, UNDECRYPTABLE.to_owned())),
            ..Outcome::ended(&delivery, DeliveryStatus::Failed, now)
        };
        let attempt = delivery_attempt::Entity::unanswered(&delivery, now, code, UNDECRYPTABLE);
        Self {
            delivery,
            lead: None,
            record: AttemptRecord {
                outcome,
                attempt: Some(attempt),
                recipients: Vec::new(),
                signal: Signal::Silent,
            },
            slot: None,
        }
    }

    /// Whether the delivery has ended without its recipient having the lead.
    pub(super) fn has_failed(&self) -> bool {
        matches!(
            self.record.outcome.status,
            DeliveryStatus::Failed | DeliveryStatus::Refused
        )
    }

    /// The status with which the delivery is recorded at last. What was attempted while its lead was erased is not tried again.
    pub(super) fn status(&self, recorded: &Recorded) -> DeliveryStatus {
        let status = self.record.outcome.status;
        let erased = recorded.is_erased(self.delivery.id);
        if self.is_void(recorded) || (erased && status == DeliveryStatus::Retrying) {
            DeliveryStatus::Cancelled
        } else {
            status
        }
    }

    /// Whether there was nothing to attempt, because the lead was erased before it was read.
    pub(super) fn is_void(&self, recorded: &Recorded) -> bool {
        self.lead.is_none() && recorded.is_erased(self.delivery.id)
    }

    /// The attempt as it is stored: without responses if the lead was erased meanwhile, and not at all if it could not be read.
    pub(super) fn attempt(&self, recorded: &Recorded) -> Option<delivery_attempt::ActiveModel> {
        let attempt = self.record.attempt.clone().filter(|_| !self.is_void(recorded))?;
        if recorded.is_erased(self.delivery.id) {
            return Some(erasure::without_response(attempt));
        }
        Some(attempt)
    }

    /// Why it failed, for the records of its destination; empty if it did not.
    pub(super) fn failure_message(&self, recorded: &Recorded) -> &str {
        match &self.record.outcome.failure {
            Some(_) if recorded.is_erased(self.delivery.id) => erasure::REMOVED,
            Some((_, message)) => message,
            None => "",
        }
    }

    /// What a mail server replied for each recipient; without texts if the lead was erased meanwhile.
    pub(super) fn recipients(&self, recorded: &Recorded) -> impl Iterator<Item = mail_recipient::Model> {
        let erased = recorded.is_erased(self.delivery.id);
        let recipients = self.record.recipients.iter().cloned();
        recipients.map(move |row| mail_recipient::Model {
            reply: row.reply.filter(|_| !erased),
            ..row
        })
    }

    /// Counts it in the metrics, and adapts the limit of its destination.
    pub(super) fn count(&self, app: &App, now: DateTime<Utc>) {
        let (delivery, status) = (&self.delivery, self.record.outcome.status);
        let age = now - delivery.created_at;
        if self.record.attempt.is_some() {
            app.metrics.attempted(delivery.channel, status, age);
        } else {
            app.metrics.ended(delivery.channel, status, age);
        }
        match self.record.signal {
            Signal::Works => app.queue.slots.double_limit(delivery.destination()),
            Signal::Silent => {}
            Signal::Fails { .. } | Signal::Busy { .. } | Signal::Gone => {
                app.queue.slots.halve_limit(delivery.destination());
            }
        }
    }
}
