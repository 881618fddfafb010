//! The timeline of a lead, made from its row, its deliveries, their attempts, and later events. Pure.

use chrono::{DateTime, Utc};
use entity::delivery::{self, DeliveryStatus};
use entity::lead::{self, LeadOutcome};
use entity::lead_event::LeadEventKind;
use entity::{delivery_attempt, lead_event};
use serde_json::{Value, json};

use super::outcome::{Reason, TraceEntry};
use super::redaction;

/// An event of the timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub at: DateTime<Utc>,
    pub kind: LeadEventKind,
    /// For people. Never has a value of the lead.
    pub message: String,
    /// For programs.
    pub data: Option<Value>,
}

/// What a timeline is made from.
pub struct Sources<'a> {
    pub lead: &'a lead::Head,
    pub deliveries: &'a [delivery::Model],
    pub attempts: &'a [delivery_attempt::Model],
    pub events: &'a [lead_event::Model],
    /// As the reader may see them.
    pub trace: Vec<TraceEntry>,
    pub reasons: Vec<Reason>,
    /// Whether the reader may see responses of recipients.
    pub responses_visible: bool,
}

/// The timeline, oldest first.
pub fn timeline(sources: &Sources<'_>) -> Vec<Entry> {
    let mut entries = decided(sources);
    let responses_visible = sources.responses_visible;
    entries.extend(
        sources
            .deliveries
            .iter()
            .flat_map(|delivery| of_delivery(delivery, responses_visible)),
    );
    entries.extend(
        sources
            .attempts
            .iter()
            .map(|attempt| of_attempt(attempt, responses_visible)),
    );
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
    for check in &sources.trace {
        match (check.check.as_str(), check.passed) {
            ("transform", true) => entries.push(entry(
                LeadEventKind::Transformed,
                format!("{}: {}", check.subject, check.detail),
            )),
            ("criteria" | "step", false) => entries.push(entry(
                LeadEventKind::Skipped,
                format!("{} was skipped: {}", check.subject, check.detail),
            )),
            ("filter", false) => entries.push(entry(
                LeadEventKind::Filtered,
                format!("stopped by {}: {}", check.subject, check.detail),
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

fn of_delivery(delivery: &delivery::Model, responses_visible: bool) -> Vec<Entry> {
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
    let settled = delivery.settled_at.zip(end_of(delivery, responses_visible));
    let end = settled.map(|(at, (kind, message))| Entry {
        at,
        kind,
        message,
        data,
    });
    [Some(routed), end].into_iter().flatten().collect()
}

fn end_of(delivery: &delivery::Model, responses_visible: bool) -> Option<(LeadEventKind, String)> {
    let why = delivery.failure_message.clone().unwrap_or_default();
    let why = redaction::redact_message(why, delivery.failure_code, responses_visible);
    match delivery.status {
        DeliveryStatus::Delivered => Some((LeadEventKind::Delivered, "delivered".into())),
        DeliveryStatus::Failed => Some((LeadEventKind::DeliveryFailed, why)),
        DeliveryStatus::Refused => Some((LeadEventKind::Refused, why)),
        DeliveryStatus::Cancelled => Some((LeadEventKind::Cancelled, why)),
        DeliveryStatus::Queued | DeliveryStatus::Sending | DeliveryStatus::Retrying => None,
    }
}

fn of_attempt(attempt: &delivery_attempt::Model, responses_visible: bool) -> Entry {
    let outcome = if attempt.ok { "was taken" } else { "failed" };
    let why = attempt
        .message
        .clone()
        .map(|message| {
            format!(
                ": {}",
                redaction::redact_message(message, attempt.error_code, responses_visible)
            )
        })
        .unwrap_or_default();
    Entry {
        at: attempt.started_at,
        kind: LeadEventKind::DeliveryAttempted,
        message: format!("attempt {} {outcome}{why}", attempt.number),
        data: Some(json!({ "deliveryId": attempt.delivery_id, "number": attempt.number })),
    }
}
