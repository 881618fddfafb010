//! What a sender is told of a lead it has submitted.

use chrono::{DateTime, Utc};
use entity::ids::{FlowId, LeadId};
use entity::lead::{self, LeadOutcome};
use serde::Deserialize;
use serde_json::Value;

use super::outcome::Reason;
use super::snapshot::PriceE4;

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The lead, by whose identifier the receipt can be read again.
    pub id: LeadId,
    /// What became of it.
    pub outcome: LeadOutcome,
    /// Why it was not accepted.
    pub reasons: Vec<Reason>,
    /// What the sender should know.
    pub warnings: Vec<Reason>,
    /// What the sender is paid.
    pub price: Option<PriceE4>,
    /// Whether it was a test.
    pub test: bool,
    /// The sender's key.
    pub idempotency_key: Option<String>,
    /// Whether this is the answer to an earlier submission with the same key.
    pub replayed: bool,
    /// When it came.
    pub submitted_at: DateTime<Utc>,
    /// The flow that took it.
    pub flow: FlowId,
}

impl Receipt {
    /// The receipt of a stored lead.
    pub fn of(lead: lead::Receipt) -> Self {
        Self {
            id: lead.id,
            outcome: lead.outcome,
            reasons: reasons(&lead.reasons),
            warnings: reasons(&lead.warnings),
            price: PriceE4::from_columns(lead.price_e4, lead.price_currency),
            test: lead.test,
            idempotency_key: lead.idempotency_key,
            replayed: false,
            submitted_at: lead.submitted_at,
            flow: lead.flow_id,
        }
    }
}

/// Reasons as stored. What an older version wrote and this one does not know is left out.
pub fn reasons(stored: &Value) -> Vec<Reason> {
    let entries = stored.as_array().into_iter().flatten();
    entries.filter_map(|entry| Reason::deserialize(entry).ok()).collect()
}
