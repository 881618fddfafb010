//! What happened to a lead, in order: told from its own row, its deliveries, their attempts, and the events noted since. Pure.

use chrono::{DateTime, Utc};
use entity::delivery::{self, DeliveryStatus};
use entity::lead::{self, LeadOutcome};
use entity::lead_event::LeadEventKind;
use entity::{delivery_attempt, lead_event};
use serde_json::{Value, json};

use super::discretion;
use super::outcome::{Reason, TraceEntry};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub kind: LeadEventKind,
    /// In words, without values of the lead.
    pub message: String,
    /// For programs.
    pub data: Option<Value>,
}

/// What a timeline is told from.
pub struct Sources<'a> {
    /// The lead.
    pub lead: &'a lead::Head,
    /// Where it went.
    pub deliveries: &'a [delivery::Model],
    /// How that went.
    pub attempts: &'a [delivery_attempt::Model],
    /// What was noted since.
    pub events: &'a [lead_event::Model],
    /// The looks of the decision that the reader may see.
    pub trace: Vec<TraceEntry>,
    /// The reasons, as the reader may read them.
    pub reasons: Vec<Reason>,
    /// Whether the reader may see words of recipients, who know encrypted values of the lead.
    pub hears: bool,
}

/// The timeline, oldest first.
pub fn timeline(sources: &Sources<'_>) -> Vec<Entry> {
    let mut entries = decided(sources);
    let hears = sources.hears;
    entries.extend(
        sources
            .deliveries
            .iter()
            .flat_map(|delivery| of_delivery(delivery, hears)),
    );
    entries.extend(sources.attempts.iter().map(|attempt| of_attempt(attempt, hears)));
    entries.extend(sources.events.iter().map(|event| Entry {
        at: event.at,
        kind: event.kind,
        message: event.message.clone(),
        data: None,
    }));
    entries.sort_by_key(|entry| entry.at);
    entries
}

fn decided(sources: &Sources<'_>) -> Vec<Entry> {
    let lead = sources.lead;
    let at = lead.submitted_at;
    let entry = |kind, message: String| Entry {
        at,
        kind,
        message,
        data: None,
    };
    let mut entries = vec![entry(LeadEventKind::Submitted, "submitted".into())];
    for look in &sources.trace {
        match (look.check.as_str(), look.passed) {
            ("transform", true) => entries.push(entry(
                LeadEventKind::Transformed,
                format!("{}: {}", look.subject, look.detail),
            )),
            ("criteria" | "step", false) => entries.push(entry(
                LeadEventKind::Skipped,
                format!("{} was skipped: {}", look.subject, look.detail),
            )),
            ("filter", false) => entries.push(entry(
                LeadEventKind::Filtered,
                format!("stopped by {}: {}", look.subject, look.detail),
            )),
            _ => {}
        }
    }
    let why: Vec<&str> = sources.reasons.iter().map(|reason| reason.message.as_str()).collect();
    entries.push(match lead.outcome {
        LeadOutcome::Accepted => entry(LeadEventKind::Accepted, "accepted".into()),
        LeadOutcome::Rejected | LeadOutcome::Failed => entry(LeadEventKind::Rejected, why.join("; ")),
    });
    entries
}

fn of_delivery(delivery: &delivery::Model, hears: bool) -> Vec<Entry> {
    let data = Some(match (delivery.partner_id, delivery.buyer_account_id) {
        (Some(partner), _) => json!({ "deliveryId": delivery.id, "partnerId": partner }),
        (None, buyer) => json!({ "deliveryId": delivery.id, "buyerId": buyer }),
    });
    let routed = Entry {
        at: delivery.created_at,
        kind: LeadEventKind::Routed,
        message: if delivery.buyer_account_id.is_some() {
            "routed to a connected account".into()
        } else {
            "routed to a partner".into()
        },
        data: data.clone(),
    };
    let settled = delivery.settled_at.zip(settled_as(delivery, hears));
    let end = settled.map(|(at, (kind, message))| Entry {
        at,
        kind,
        message,
        data,
    });
    [Some(routed), end].into_iter().flatten().collect()
}

fn settled_as(delivery: &delivery::Model, hears: bool) -> Option<(LeadEventKind, String)> {
    let why = delivery.failure_message.clone().unwrap_or_default();
    let why = discretion::shown(why, delivery.failure_code, hears);
    match delivery.status {
        DeliveryStatus::Delivered => Some((LeadEventKind::Delivered, "delivered".into())),
        DeliveryStatus::Failed => Some((LeadEventKind::DeliveryFailed, why)),
        DeliveryStatus::Refused => Some((LeadEventKind::Refused, why)),
        DeliveryStatus::Cancelled => Some((LeadEventKind::Cancelled, why)),
        DeliveryStatus::Queued | DeliveryStatus::Sending | DeliveryStatus::Retrying => None,
    }
}

fn of_attempt(attempt: &delivery_attempt::Model, hears: bool) -> Entry {
    let outcome = if attempt.ok { "was taken" } else { "failed" };
    let why = attempt
        .message
        .clone()
        .map(|message| format!(": {}", discretion::shown(message, attempt.error_code, hears)))
        .unwrap_or_default();
    Entry {
        at: attempt.started_at,
        kind: LeadEventKind::DeliveryAttempted,
        message: format!("attempt {} {outcome}{why}", attempt.number),
        data: Some(json!({ "deliveryId": attempt.delivery_id, "number": attempt.number })),
    }
}
