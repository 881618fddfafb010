//! The rows that a decided lead becomes: itself, its deliveries, and the events that tell of both.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus, Reservations, ReviewStatus};
use entity::delivery_config::Channel;
use entity::event::EventKind;
use entity::field::FieldType;
use entity::flow::Names;
use entity::ids::{DeliveryId, LeadId};
use entity::lead::{self, LeadOutcome};
use sea_orm::{ActiveEnum, ActiveModelTrait, IntoActiveModel, Set};
use serde_json::{Map, Value};
use tracing::Span;
use uuid::Uuid;

use crate::allocate::{Chosen, Fate, words};
use crate::branch::Entering;
use crate::outcome::Reason;
use crate::receipts::Receipt;
use crate::routed;
use crate::sealed::{Place, stored_fields};
use crate::snapshot::{Action, Buyer, Candidate, PriceE4, Profile, Snapshot, Source};
use leadmesh_core::app::App;
use leadmesh_core::crypto::Keys;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::live::events::NewEvent;
use leadmesh_core::outcomes::{Arrival, Outcome, StoredLead};
use leadmesh_core::queue::{Claimed, LeadContent};
use leadmesh_forms::fields::{NAME_FIELDS, search_key, search_key_email, search_key_name};

/// Characters kept of what a buyer says.
const MESSAGE_CHARS: usize = 500;

/// Everything that a batch writes in bulk.
#[derive(Default)]
pub(super) struct Rows {
    /// Endpoints to which nothing is sent now.
    pub(super) closed: HashSet<Uuid>,
    /// Under which deliveries are claimed at once.
    pub(super) lease: Option<Uuid>,
    pub(super) leads: Vec<lead::ActiveModel>,
    pub(super) deliveries: Vec<delivery::ActiveModel>,
    pub(super) events: Vec<NewEvent>,
    pub(super) claimed: Vec<Claimed>,
    pub(super) waiting: Vec<DeliveryId>,
}

/// How a lead came.
#[derive(Clone, Debug)]
pub struct Occasion {
    /// When.
    pub at: DateTime<Utc>,
    /// The same by the clock that measures.
    pub started: Instant,
    /// Whether it is a test.
    pub test: bool,
    /// The sender's key.
    pub idempotency_key: Option<String>,
    /// The delivery that brought it from another account.
    pub came_by: Option<CameBy>,
    /// The span of the submission.
    pub span: Span,
}

impl Occasion {
    fn arrival(&self) -> Arrival {
        match &self.came_by {
            None => Arrival::Submitted(self.span.clone()),
            Some(came_by) => Arrival::HandedOn {
                from: came_by.lead,
                delivery: came_by.delivery,
            },
        }
    }
}

/// The delivery that brought a lead from another account.
#[derive(Clone, Debug)]
pub struct CameBy {
    /// Which.
    pub delivery: DeliveryId,
    /// The lead that it delivered.
    pub lead: LeadId,
    /// What was agreed for it; none means what the flow pays.
    pub price: Option<PriceE4>,
}

/// Adds the rows of one lead and of all that follow from it; answers its receipt.
pub(super) fn rows(
    app: &App,
    lead: &Entering,
    chosen: Vec<Chosen>,
    occasion: &Occasion,
    all: &mut Rows,
) -> Result<Receipt> {
    let Some(source) = lead.source() else {
        return Err(Error::Internal(anyhow::anyhow!("a lead without its source")));
    };
    let accepted = lead.draft.reasons.is_empty();
    let price = (accepted && !occasion.test).then(|| paid_for(lead, occasion.came_by.as_ref()));
    let receipt = Receipt {
        id: lead.id,
        outcome: if accepted {
            LeadOutcome::Accepted
        } else {
            LeadOutcome::Rejected
        },
        reasons: lead.draft.reasons.clone(),
        warnings: lead.draft.warnings.clone(),
        price: price.flatten(),
        test: occasion.test,
        idempotency_key: occasion.idempotency_key.clone(),
        replayed: false,
        submitted_at: occasion.at,
        flow: lead.flow.flow,
    };
    all.events.push(NewEvent {
        topic: lead.flow.account.0,
        kind: EventKind::Lead,
        subject: lead.id.0,
        scope: Some(lead.flow.flow.0),
        detail: None,
        outcome: Some(Outcome::Lead(StoredLead {
            lead: lead.id,
            account: lead.flow.account,
            flow: lead.flow.flow,
            outcome: receipt.outcome,
            test: occasion.test,
            arrival: occasion.arrival(),
        })),
    });
    all.leads.push(lead_row(lead, source, &receipt, occasion)?);
    if !chosen.is_empty() {
        let content = Arc::new(LeadContent {
            id: lead.id,
            test: occasion.test,
            fields: lead.draft.fields.clone(),
            invalid: lead.draft.invalid.clone(),
            routed: routed::of(lead),
            flow: (lead.flow.flow, lead.flow.version),
            definitions: lead.flow.fields.clone(),
        });
        let routed = Routed {
            app,
            flow: &lead.flow,
            content,
            occasion,
        };
        for chosen in chosen {
            routed.deliver(chosen, all)?;
        }
    }
    Ok(receipt)
}

/// What the source is paid: for a lead that another account delivered what was agreed there, else the source's price, else the
/// flow's.
fn paid_for(lead: &Entering, came_by: Option<&CameBy>) -> Option<PriceE4> {
    let agreed = came_by.and_then(|delivery| delivery.price.clone());
    let own = || lead.source().and_then(|source| source.price.clone());
    agreed.or_else(own).or_else(|| lead.flow.price.clone())
}

fn lead_row(lead: &Entering, source: &Source, receipt: &Receipt, occasion: &Occasion) -> Result<lead::ActiveModel> {
    let keys = lead.keys.as_deref();
    let (flow, draft) = (&lead.flow, &lead.draft);
    let search = SearchKeys::of(flow, &draft.fields, keys);
    Ok(lead::ActiveModel {
        id: Set(lead.id),
        account_id: Set(flow.account),
        flow_id: Set(flow.flow),
        source_id: Set(source.id),
        sender_account_id: Set(source.sender),
        test: Set(occasion.test),
        outcome: Set(receipt.outcome),
        fields: Set(stored(flow, lead.id, &draft.fields, Place::Value, keys)?),
        raw: Set(stored(flow, lead.id, &draft.raw, Place::Raw, keys)?),
        invalid: Set(Some(names(&draft.invalid))),
        routed_by: Set(routed::stored(lead)?),
        reasons: Set(serde_json::to_value(&receipt.reasons)?),
        warnings: Set(serde_json::to_value(&receipt.warnings)?),
        trace: Set(serde_json::to_value(draft.trace.entries())?),
        price_e4: Set(receipt.price.as_ref().map(|price| price.amount)),
        price_currency: Set(receipt.price.as_ref().map(|price| price.currency.clone())),
        idempotency_key: Set(receipt.idempotency_key.clone()),
        email_key: Set(search.email),
        phone_key: Set(search.phone),
        name_key: Set(search.name),
        submitted_at: Set(occasion.at),
        processing_us: Set(i64::try_from(occasion.started.elapsed().as_micros()).unwrap_or(i64::MAX)),
        erased_at: Set(None),
        seller_delivery_id: Set(occasion.came_by.as_ref().map(|came_by| came_by.delivery)),
        path: Set(lead::Path(lead.path.clone())),
    })
}

/// In one order, so that the same lead is stored alike.
fn names(of: &HashSet<String>) -> Names {
    let mut names: Vec<String> = of.iter().cloned().collect();
    names.sort_unstable();
    Names(names)
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
            phone: first(FieldType::Phone).map(|(value, encrypted)| hide("phone", (search_key(&value), encrypted))),
            name: name.map(|found| hide("name", found)),
        }
    }
}

/// A lead whose recipients are known.
struct Routed<'a> {
    app: &'a App,
    flow: &'a Snapshot,
    content: Arc<LeadContent>,
    occasion: &'a Occasion,
}

impl Routed<'_> {
    /// A delivery as routed: in the portal and in another account at once; else claimed for this process' worker if it has a
    /// slot; else waiting.
    fn deliver(&self, chosen: Chosen, all: &mut Rows) -> Result<()> {
        let Some(step) = self.flow.steps.get(chosen.step) else {
            return Ok(());
        };
        let recipient = match &step.action {
            Action::Buyer(buyer) => Recipient::Buyer(buyer),
            Action::Distribute(profile) => match profile.candidates.get(chosen.candidate) {
                Some(candidate) => Recipient::Partner(profile, candidate),
                None => return Ok(()),
            },
            Action::Filter { .. } | Action::Transform(_) | Action::Unusable(_) => return Ok(()),
        };
        let mut row = new_delivery(self.app, self.flow, recipient, &self.content, self.occasion.at);
        row.step_id = Some(step.id);
        row.reservations = Reservations(chosen.reservations);
        match chosen.fate {
            Fate::Sent => self.send(row, all),
            Fate::Entered(lead, chosen) => return self.enter(row, &lead, chosen, all),
            Fate::NotReady(why) => {
                let message = format!("the buyer cannot take leads now: {why}");
                end(
                    row,
                    Ended::new(DeliveryStatus::Failed, DeliveryErrorCode::BuyerNotReady, message),
                    all,
                );
            }
            Fate::Loop(why) => {
                let message = format!("LOOP: {why}");
                end(
                    row,
                    Ended::new(DeliveryStatus::Refused, DeliveryErrorCode::BuyerRejected, message),
                    all,
                );
            }
        }
        Ok(())
    }

    /// The lead is in the other account, or was refused there.
    fn enter(&self, mut row: delivery::Model, lead: &Entering, chosen: Vec<Chosen>, all: &mut Rows) -> Result<()> {
        let came_by = CameBy {
            delivery: row.id,
            lead: row.lead_id,
            price: PriceE4::from_columns(row.price_e4, row.price_currency.clone()),
        };
        if !self.occasion.test {
            let price = paid_for(lead, Some(&came_by));
            (row.price_e4, row.price_currency) = price.map(|price| (price.amount, price.currency)).unzip();
        }
        let occasion = Occasion {
            came_by: Some(came_by),
            idempotency_key: None,
            ..self.occasion.clone()
        };
        rows(self.app, lead, chosen, &occasion, all)?;
        row.external_id = Some(lead.id.to_string());
        if lead.draft.reasons.is_empty() {
            row.status = DeliveryStatus::Delivered;
            row.due_at = None;
            row.settled_at = Some(self.occasion.at);
            add(row, all);
        } else {
            let message = refusal(&lead.draft.reasons);
            end(
                row,
                Ended::new(DeliveryStatus::Refused, DeliveryErrorCode::BuyerRejected, message),
                all,
            );
        }
        Ok(())
    }

    fn send(&self, mut row: delivery::Model, all: &mut Rows) {
        let waits = row.endpoint().is_some_and(|endpoint| all.closed.contains(&endpoint));
        let claim = if row.channel == Channel::Portal || waits {
            None
        } else {
            self.app
                .queue
                .claim_on_insert(all.lease, row.account_id, row.destination())
        };
        if row.channel == Channel::Portal {
            all.events.extend(portal_event(&row, EventKind::PortalDelivered));
        } else if let Some((owner, slot)) = claim {
            row.status = DeliveryStatus::Sending;
            row.attempt_count = 1;
            row.due_at = None;
            row.lease_owner = Some(owner);
            all.claimed.push(Claimed {
                delivery: row.clone(),
                lead: self.content.clone(),
                slot,
            });
        } else {
            all.waiting.push(row.id);
        }
        add(row, all);
    }
}

/// Why a delivery has ended without its recipient having the lead.
struct Ended {
    status: DeliveryStatus,
    code: DeliveryErrorCode,
    message: String,
}

impl Ended {
    fn new(status: DeliveryStatus, code: DeliveryErrorCode, message: String) -> Self {
        Self { status, code, message }
    }
}

fn end(row: delivery::Model, ended: Ended, all: &mut Rows) {
    let row = delivery::Model {
        status: ended.status,
        due_at: None,
        settled_at: Some(row.created_at),
        failure_code: Some(ended.code),
        failure_message: Some(ended.message),
        ..row
    };
    add(row, all);
}

fn add(row: delivery::Model, all: &mut Rows) {
    all.events.push(delivery_event(&row));
    all.deliveries.push(fully_set(row));
}

/// What the seller is told of reasons: as the buyer's flow words them to senders, cut to what a delivery keeps.
pub fn refusal(reasons: &[Reason]) -> String {
    words(reasons).chars().take(MESSAGE_CHARS).collect()
}

/// Who gets a delivery.
#[derive(Clone, Copy)]
pub enum Recipient<'a> {
    /// The account of a BUYER step.
    Buyer(&'a Buyer),
    /// A partner in a profile.
    Partner(&'a Profile, &'a Candidate),
}

/// A delivery that nobody has looked at yet.
pub fn new_delivery(
    app: &App,
    flow: &Snapshot,
    recipient: Recipient<'_>,
    content: &LeadContent,
    at: DateTime<Utc>,
) -> delivery::Model {
    let (profile, candidate, outlet) = match recipient {
        Recipient::Buyer(buyer) => (None, None, Some(&buyer.outlet)),
        Recipient::Partner(profile, candidate) => (Some(profile), Some(candidate), candidate.outlet.as_ref()),
    };
    let (settings, channel, price) = match recipient {
        Recipient::Buyer(buyer) => (buyer.settings, Channel::Account, &buyer.price),
        Recipient::Partner(_, candidate) => (candidate.settings, candidate.channel, &candidate.price),
    };
    let portal = channel == Channel::Portal;
    let price = price.as_ref().filter(|_| !content.test);
    delivery::Model {
        id: app.clock.id(),
        account_id: flow.account,
        lead_id: content.id,
        flow_id: flow.flow,
        step_id: None,
        profile_id: profile.map(|profile| profile.id),
        assignment_id: candidate.map(|candidate| candidate.assignment),
        partner_id: candidate.map(|candidate| candidate.partner),
        buyer_account_id: outlet.map(|outlet| outlet.buyer),
        connection_id: outlet.map(|outlet| outlet.connection),
        settings_id: settings,
        channel,
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
        suspended_for: None,
        follows: None,
        erased_at: None,
    }
}

/// Tells the account of a delivery's state.
pub fn delivery_event(row: &delivery::Model) -> NewEvent {
    NewEvent {
        topic: row.account_id.0,
        kind: EventKind::Delivery,
        subject: row.id.0,
        scope: row.recipient(),
        detail: Some(row.status.to_value()),
        outcome: Outcome::of_delivery(row),
    }
}

/// Tells the partner's portal of a lead in it.
pub fn portal_event(row: &delivery::Model, kind: EventKind) -> Option<NewEvent> {
    Some(NewEvent {
        topic: row.partner_id?.0,
        kind,
        subject: row.id.0,
        scope: None,
        detail: None,
        outcome: None,
    })
}

/// Every column set: for an insert.
pub fn fully_set(row: delivery::Model) -> delivery::ActiveModel {
    row.into_active_model().reset_all()
}
