//! The rows that a decided lead becomes: itself, its deliveries, and the events that tell of both.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::delivery::{self, DeliveryStatus, Reservations, ReviewStatus};
use entity::delivery_config::Channel;
use entity::event::EventKind;
use entity::field::FieldType;
use entity::ids::{DeliveryId, LeadId};
use entity::lead::{self, LeadOutcome};
use sea_orm::{ActiveEnum, ActiveModelTrait, IntoActiveModel, Set};
use serde_json::{Map, Value};

use super::Job;
use crate::app::App;
use crate::crypto::Keys;
use crate::error::Result;
use crate::leads::allocate::{Chosen, profile_of};
use crate::leads::fields::{NAME_FIELDS, search_key_email, search_key_name};
use crate::leads::receipts::Receipt;
use crate::leads::sealed::{Place, stored_fields};
use crate::leads::snapshot::{Candidate, Profile, Snapshot, Source};
use crate::live::events::NewEvent;
use crate::queue::slots::Slot;
use crate::queue::{Claimed, LeadContent};

/// Everything that a batch writes in bulk.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) leads: Vec<lead::ActiveModel>,
    pub(super) deliveries: Vec<delivery::ActiveModel>,
    pub(super) events: Vec<NewEvent>,
    pub(super) claimed: Vec<Claimed>,
    pub(super) waiting: Vec<DeliveryId>,
}

/// Adds the rows of one lead; answers its receipt.
pub(super) fn rows(app: &App, job: &Job, source: &Source, chosen: Vec<Chosen>, all: &mut Rows) -> Result<Receipt> {
    let accepted = job.draft.reasons.is_empty();
    let price = (accepted && !job.test)
        .then(|| source.price.clone().or_else(|| job.flow.price.clone()))
        .flatten();
    let receipt = Receipt {
        id: job.id,
        outcome: if accepted {
            LeadOutcome::Accepted
        } else {
            LeadOutcome::Rejected
        },
        reasons: job.draft.reasons.clone(),
        warnings: job.draft.warnings.clone(),
        price,
        test: job.test,
        idempotency_key: job.idempotency.as_ref().map(|(key, _)| key.clone()),
        replayed: false,
        submitted_at: job.at,
        flow: job.flow.flow,
    };
    all.events.push(NewEvent {
        topic: job.flow.account.0,
        kind: EventKind::Lead,
        subject: job.id.0,
        scope: Some(job.flow.flow.0),
        detail: None,
    });
    all.leads.push(lead_row(job, source, &receipt)?);
    if !chosen.is_empty() {
        let content = Arc::new(LeadContent {
            id: job.id,
            test: job.test,
            fields: job.draft.fields.clone(),
            flow: (job.flow.flow, job.flow.version),
            definitions: job.flow.fields.clone(),
        });
        for chosen in chosen {
            deliver(app, &job.flow, chosen, &content, job.at, all);
        }
    }
    Ok(receipt)
}

fn lead_row(job: &Job, source: &Source, receipt: &Receipt) -> Result<lead::ActiveModel> {
    let keys = job.keys.as_deref();
    let search = SearchKeys::of(&job.flow, &job.draft.fields, keys);
    Ok(lead::ActiveModel {
        id: Set(job.id),
        account_id: Set(job.flow.account),
        flow_id: Set(job.flow.flow),
        source_id: Set(source.id),
        sender_account_id: Set(source.sender),
        test: Set(job.test),
        outcome: Set(receipt.outcome),
        fields: Set(stored(&job.flow, job.id, &job.draft.fields, Place::Value, keys)?),
        raw: Set(stored(&job.flow, job.id, &job.draft.raw, Place::Raw, keys)?),
        reasons: Set(serde_json::to_value(&receipt.reasons)?),
        warnings: Set(serde_json::to_value(&receipt.warnings)?),
        trace: Set(serde_json::to_value(&job.draft.trace.0)?),
        price_e4: Set(receipt.price.as_ref().map(|price| price.amount)),
        price_currency: Set(receipt.price.as_ref().map(|price| price.currency.clone())),
        idempotency_key: Set(receipt.idempotency_key.clone()),
        email_key: Set(search.email),
        phone_key: Set(search.phone),
        name_key: Set(search.name),
        submitted_at: Set(job.at),
        processing_us: Set(i64::try_from(job.started.elapsed().as_micros()).unwrap_or(i64::MAX)),
        erased_at: Set(None),
    })
}

fn stored(
    flow: &Snapshot,
    lead: LeadId,
    values: &Map<String, Value>,
    place: Place,
    keys: Option<&Keys>,
) -> Result<Value> {
    let values = stored_fields(&flow.fields, lead, values.clone(), place, keys)?;
    Ok(Value::Object(values))
}

struct SearchKeys {
    email: Option<String>,
    phone: Option<String>,
    name: Option<String>,
}

impl SearchKeys {
    /// An encrypted value is found by its keyed hash only.
    fn of(flow: &Snapshot, values: &Map<String, Value>, keys: Option<&Keys>) -> Self {
        let first = |kind: FieldType| {
            let field = flow
                .fields
                .iter()
                .find(|field| field.field_type == kind && values.contains_key(&field.name))?;
            Some((values.get(&field.name)?.as_str()?.to_owned(), field.encrypted))
        };
        let name = NAME_FIELDS.iter().find_map(|parts| {
            let found: Vec<&str> = parts.iter().filter_map(|part| values.get(*part)?.as_str()).collect();
            let encrypted = parts
                .iter()
                .any(|part| flow.field(part).is_some_and(|field| field.encrypted));
            (!found.is_empty()).then(|| (search_key_name(&found.join(" ")), encrypted))
        });
        let hide = |kind: &str, (value, encrypted): (String, bool)| match keys {
            Some(keys) if encrypted => keys.index(kind, &value),
            _ => value,
        };
        Self {
            email: first(FieldType::Email)
                .map(|(value, encrypted)| hide("email", (search_key_email(&value), encrypted))),
            phone: first(FieldType::Phone).map(|found| hide("phone", found)),
            name: name.map(|found| hide("name", found)),
        }
    }
}

/// A delivery as routed: in the portal at once; else claimed for this process' worker if it has a slot; else waiting.
#[expect(
    clippy::too_many_arguments,
    reason = "a decision with its surroundings, and what it is added to"
)]
fn deliver(app: &App, flow: &Snapshot, chosen: Chosen, content: &Arc<LeadContent>, at: DateTime<Utc>, all: &mut Rows) {
    let (Some(step), Some(profile)) = (flow.steps.get(chosen.step), profile_of(flow, chosen.step)) else {
        return;
    };
    let Some(candidate) = profile.candidates.get(chosen.candidate) else {
        return;
    };
    let mut row = new_delivery(app, flow, profile, candidate, content, at);
    row.step_id = Some(step.id);
    row.reservations = Reservations(chosen.reservations);
    let claim = if candidate.channel == Channel::Portal {
        None
    } else {
        app.queue.claim_at_birth(candidate.partner)
    };
    add_delivery(row, claim, content, all);
}

/// A delivery that nobody has looked at yet.
#[expect(
    clippy::too_many_arguments,
    reason = "one argument for each thing that a delivery refers to"
)]
pub fn new_delivery(
    app: &App,
    flow: &Snapshot,
    profile: &Profile,
    candidate: &Candidate,
    content: &LeadContent,
    at: DateTime<Utc>,
) -> delivery::Model {
    let portal = candidate.channel == Channel::Portal;
    let price = candidate.price.as_ref().filter(|_| !content.test);
    delivery::Model {
        id: app.clock.id(),
        account_id: flow.account,
        lead_id: content.id,
        flow_id: flow.flow,
        step_id: None,
        profile_id: Some(profile.id),
        assignment_id: Some(candidate.assignment),
        partner_id: candidate.partner,
        settings_id: candidate.settings,
        channel: candidate.channel,
        status: if portal {
            DeliveryStatus::Delivered
        } else {
            DeliveryStatus::Queued
        },
        test: content.test,
        attempt_count: 0,
        attempts_before: 0,
        budget_since: at,
        due_at: (!portal).then_some(at),
        lease_owner: None,
        failure_code: None,
        failure_message: None,
        external_id: None,
        price_e4: price.map(|price| price.amount),
        price_currency: price.map(|price| price.currency.clone()),
        review: portal.then_some(ReviewStatus::PendingReview),
        review_by: None,
        review_at: None,
        review_reason: None,
        reservations: Reservations::default(),
        created_at: at,
        settled_at: portal.then_some(at),
    }
}

fn add_delivery(
    mut row: delivery::Model,
    claim: Option<(uuid::Uuid, Slot)>,
    content: &Arc<LeadContent>,
    all: &mut Rows,
) {
    if row.channel == Channel::Portal {
        all.events.push(portal_event(&row, EventKind::PortalDelivered));
    } else if let Some((owner, slot)) = claim {
        row.status = DeliveryStatus::Sending;
        row.attempt_count = 1;
        row.due_at = None;
        row.lease_owner = Some(owner);
        all.claimed.push(Claimed {
            delivery: row.clone(),
            lead: content.clone(),
            slot,
        });
    } else {
        all.waiting.push(row.id);
    }
    all.events.push(delivery_event(&row));
    all.deliveries.push(fully_set(row));
}

/// Tells the account of a delivery's state.
pub fn delivery_event(row: &delivery::Model) -> NewEvent {
    NewEvent {
        topic: row.account_id.0,
        kind: EventKind::Delivery,
        subject: row.id.0,
        scope: Some(row.partner_id.0),
        detail: Some(row.status.to_value()),
    }
}

/// Tells the partner's portal of a lead in it.
pub fn portal_event(row: &delivery::Model, kind: EventKind) -> NewEvent {
    NewEvent {
        topic: row.partner_id.0,
        kind,
        subject: row.id.0,
        scope: None,
        detail: None,
    }
}

/// Every column set: for an insert.
pub fn fully_set(row: delivery::Model) -> delivery::ActiveModel {
    row.into_active_model().reset_all()
}
