//! Receipts: what a sender learns of a submitted lead.

use chrono::{DateTime, Utc};
use entity::ids::{FlowId, LeadId};
use entity::lead::{self, LeadOutcome};
use serde::Deserialize;
use serde_json::Value;

use super::outcome::Reason;
use super::snapshot::Price;

/// The answer to a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub id: LeadId,
    pub outcome: LeadOutcome,
    /// Why the lead was not accepted.
    pub reasons: Vec<Reason>,
    pub warnings: Vec<Reason>,
    /// What the sender is paid.
    pub price: Option<Price>,
    pub test: bool,
    pub idempotency_key: Option<String>,
    /// Whether this is the answer to an earlier submission with the same key.
    pub replayed: bool,
    pub submitted_at: DateTime<Utc>,
    pub flow: FlowId,
}

impl Receipt {
    /// This receipt as the answer to a repeated submission.
    #[must_use]
    pub fn replay(&self) -> Self {
        Self {
            replayed: true,
            ..self.clone()
        }
    }

    /// The receipt of a stored lead.
    pub fn of(lead: lead::Receipt) -> Self {
        Self {
            id: lead.id,
            outcome: lead.outcome,
            reasons: reasons(&lead.reasons),
            warnings: reasons(&lead.warnings),
            price: Price::from_columns(lead.price_e4, lead.price_currency),
            test: lead.test,
            idempotency_key: lead.idempotency_key,
            replayed: false,
            submitted_at: lead.submitted_at,
            flow: lead.flow_id,
        }
    }
}

/// Stored reasons, without those that this version does not know.
pub fn reasons(stored: &Value) -> Vec<Reason> {
    let entries = stored.as_array().into_iter().flatten();
    entries.filter_map(|entry| Reason::deserialize(entry).ok()).collect()
}
