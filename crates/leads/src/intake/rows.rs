//! The rows that a decided lead becomes: the lead, its deliveries, and their events.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus, Reservations};
use entity::delivery_config::Channel;
use entity::event::EventKind;
use entity::flow::Names;
use entity::ids::{DeliveryId, LeadId};
use entity::lead::{self, LeadOutcome};
use sea_orm::Set;
use serde_json::{Map, Value};
use tracing::Span;
use uuid::Uuid;

use super::delivery_rows::{Recipient, delivery_event, fully_set, new_delivery, portal_event};
use super::search_keys::SearchKeys;
use crate::allocate::{Placement, Selection};
use crate::draft::InboundLead;
use crate::outcome::{Reason, display_reasons};
use crate::receipts::Receipt;
use crate::routed;
use crate::sealed::{ValueKind, stored_fields};
use crate::snapshot::{Action, Price, Snapshot, Source};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::live::events::NewEvent;
use leadmesh_core::outcomes::{Arrival, Outcome, StoredLead};
use leadmesh_core::queue::{Claimed, LeadContent};

/// Characters that a delivery keeps of a buyer's refusal.
const MESSAGE_CHARS: usize = 500;

/// Everything that a batch inserts.
#[derive(Default)]
pub(super) struct Rows {
    /// Endpoints whose circuit is open.
    pub(super) open_circuits: HashSet<Uuid>,
    /// The lease under which deliveries are claimed with their insert.
    pub(super) lease: Option<Uuid>,
    pub(super) leads: Vec<lead::ActiveModel>,
    pub(super) deliveries: Vec<delivery::ActiveModel>,
    pub(super) events: Vec<NewEvent>,
    pub(super) claimed: Vec<Claimed>,
    pub(super) waiting: Vec<DeliveryId>,
}

/// How a lead was submitted.
#[derive(Clone, Debug)]
pub struct SubmissionMeta {
    pub at: DateTime<Utc>,
    /// The same time, to measure from.
    pub started: Instant,
    pub test: bool,
    pub idempotency_key: Option<String>,
    /// The delivery that brought the lead from another account.
    pub origin: Option<Origin>,
    pub span: Span,
}

impl SubmissionMeta {
    fn arrival(&self) -> Arrival {
        match &self.origin {
            None => Arrival::Submitted(self.span.clone()),
            Some(origin) => Arrival::HandedOn {
                from: origin.lead,
                delivery: origin.delivery,
            },
        }
    }
}

/// The delivery that brought a lead from another account.
#[derive(Clone, Debug)]
pub struct Origin {
    pub delivery: DeliveryId,
    /// The lead that it delivered.
    pub lead: LeadId,
    /// The price that was agreed for it; none means the flow's price.
    pub price: Option<Price>,
}

/// Adds the rows of one lead and of all that follow from it; answers its receipt.
pub(super) fn rows(
    app: &App,
    lead: &InboundLead,
    selections: Vec<Selection>,
    meta: &SubmissionMeta,
    all: &mut Rows,
) -> Result<Receipt> {
    let Some(source) = lead.source() else {
        return Err(Error::Internal(anyhow::anyhow!("a lead without its source")));
    };
    let accepted = lead.draft.reasons.is_empty();
    let price = (accepted && !meta.test).then(|| price_of(lead, meta.origin.as_ref()));
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
        test: meta.test,
        idempotency_key: meta.idempotency_key.clone(),
        replayed: false,
        submitted_at: meta.at,
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
            test: meta.test,
            arrival: meta.arrival(),
        })),
    });
    all.leads.push(lead_row(lead, source, &receipt, meta)?);
    if !selections.is_empty() {
        let content = Arc::new(LeadContent {
            id: lead.id,
            test: meta.test,
            fields: lead.draft.fields.clone(),
            invalid: lead.draft.invalid.clone(),
            routed: routed::of(lead),
            flow: (lead.flow.flow, lead.flow.version),
            definitions: lead.flow.fields.clone(),
        });
        let routed = RoutedLead {
            app,
            flow: &lead.flow,
            content,
            meta,
        };
        for selection in selections {
            routed.deliver(selection, all)?;
        }
    }
    Ok(receipt)
}

/// What the sender is paid: the price that was agreed for a delivery from another account, else the source's, else the flow's.
fn price_of(lead: &InboundLead, origin: Option<&Origin>) -> Option<Price> {
    let agreed = origin.and_then(|origin| origin.price.clone());
    let own = || lead.source().and_then(|source| source.price.clone());
    agreed.or_else(own).or_else(|| lead.flow.price.clone())
}

fn lead_row(
    lead: &InboundLead,
    source: &Source,
    receipt: &Receipt,
    meta: &SubmissionMeta,
) -> Result<lead::ActiveModel> {
    let keys = lead.keys.as_deref();
    let (flow, draft) = (&lead.flow, &lead.draft);
    let search = SearchKeys::of(flow, &draft.fields, keys);
    let stored = |values: &Map<String, Value>, kind| {
        stored_fields(&flow.fields, lead.id, values.clone(), kind, keys).map(Value::Object)
    };
    let mut invalid: Vec<String> = draft.invalid.iter().cloned().collect();
    // Sorted, so that equal leads have equal rows.
    invalid.sort_unstable();
    Ok(lead::ActiveModel {
        id: Set(lead.id),
        account_id: Set(flow.account),
        flow_id: Set(flow.flow),
        source_id: Set(source.id),
        sender_account_id: Set(source.sender),
        test: Set(meta.test),
        outcome: Set(receipt.outcome),
        fields: Set(stored(&draft.fields, ValueKind::Value)?),
        raw: Set(stored(&draft.raw, ValueKind::Raw)?),
        invalid: Set(Some(Names(invalid))),
        routed_by: Set(routed::stored(lead)?),
        reasons: Set(serde_json::to_value(&receipt.reasons)?),
        warnings: Set(serde_json::to_value(&receipt.warnings)?),
        trace: Set(serde_json::to_value(draft.trace.entries())?),
        price_e4: Set(receipt.price.as_ref().map(|price| price.e4)),
        price_currency: Set(receipt.price.as_ref().map(|price| price.currency.clone())),
        idempotency_key: Set(receipt.idempotency_key.clone()),
        email_key: Set(search.email),
        phone_key: Set(search.phone),
        name_key: Set(search.name),
        submitted_at: Set(meta.at),
        processing_us: Set(i64::try_from(meta.started.elapsed().as_micros()).unwrap_or(i64::MAX)),
        erased_at: Set(None),
        seller_delivery_id: Set(meta.origin.as_ref().map(|origin| origin.delivery)),
        path: Set(lead::Path(lead.path.clone())),
    })
}

/// A lead whose recipients are known.
struct RoutedLead<'a> {
    app: &'a App,
    flow: &'a Snapshot,
    content: Arc<LeadContent>,
    meta: &'a SubmissionMeta,
}

impl RoutedLead<'_> {
    /// Adds one delivery. It has arrived, if it goes into a portal or another account; or it is claimed for this process's worker, if
    /// that has a free slot; else it waits.
    fn deliver(&self, selection: Selection, all: &mut Rows) -> Result<()> {
        let Some(step) = self.flow.steps.get(selection.step) else {
            return Ok(());
        };
        let recipient = match &step.action {
            Action::Buyer(buyer) => Recipient::Buyer(buyer),
            Action::Distribute(profile) => match profile.candidates.get(selection.candidate) {
                Some(candidate) => Recipient::Partner(profile, candidate),
                None => return Ok(()),
            },
            Action::Filter { .. } | Action::Transform(_) | Action::Unusable(_) => return Ok(()),
        };
        let mut row = new_delivery(self.app, self.flow, recipient, &self.content, self.meta.at);
        row.step_id = Some(step.id);
        row.reservations = Reservations(selection.reservations);
        let row = match selection.placement {
            Placement::Sent => self.claim(row, all),
            Placement::Entered(lead, nested) => self.enter(row, &lead, nested, all)?,
            Placement::NotReady(why) => {
                let message = format!("the buyer cannot take leads now: {why}");
                ended(row, DeliveryStatus::Failed, DeliveryErrorCode::BuyerNotReady, message)
            }
            Placement::Loop(why) => refused(row, format!("LOOP: {why}")),
        };
        all.events.push(delivery_event(&row));
        all.deliveries.push(fully_set(row));
        Ok(())
    }

    /// Adds the rows of a lead that has entered the buyer's flow, or was rejected there.
    fn enter(
        &self,
        mut row: delivery::Model,
        lead: &InboundLead,
        selections: Vec<Selection>,
        all: &mut Rows,
    ) -> Result<delivery::Model> {
        let origin = Origin {
            delivery: row.id,
            lead: row.lead_id,
            price: Price::from_columns(row.price_e4, row.price_currency.clone()),
        };
        if !self.meta.test {
            (row.price_e4, row.price_currency) = Price::columns(price_of(lead, Some(&origin)));
        }
        let meta = SubmissionMeta {
            origin: Some(origin),
            idempotency_key: None,
            ..self.meta.clone()
        };
        rows(self.app, lead, selections, &meta, all)?;
        row.external_id = Some(lead.id.to_string());
        if !lead.draft.reasons.is_empty() {
            return Ok(refused(row, refusal(&lead.draft.reasons)));
        }
        row.status = DeliveryStatus::Delivered;
        row.due_at = None;
        row.settled_at = Some(self.meta.at);
        Ok(row)
    }

    fn claim(&self, mut row: delivery::Model, all: &mut Rows) -> delivery::Model {
        if row.channel == Channel::Portal {
            all.events.extend(portal_event(&row, EventKind::PortalDelivered));
            return row;
        }
        let waits = row
            .endpoint()
            .is_some_and(|endpoint| all.open_circuits.contains(&endpoint));
        let queue = &self.app.queue;
        let claim = (!waits).then(|| queue.claim_on_insert(all.lease, row.account_id, row.destination()));
        if let Some((owner, slot)) = claim.flatten() {
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
        row
    }
}

fn refused(row: delivery::Model, message: String) -> delivery::Model {
    ended(row, DeliveryStatus::Refused, DeliveryErrorCode::BuyerRejected, message)
}

fn ended(row: delivery::Model, status: DeliveryStatus, code: DeliveryErrorCode, message: String) -> delivery::Model {
    delivery::Model {
        status,
        due_at: None,
        settled_at: Some(row.created_at),
        failure_code: Some(code),
        failure_message: Some(message),
        ..row
    }
}

/// A buyer's reasons as the seller's delivery keeps them.
pub fn refusal(reasons: &[Reason]) -> String {
    display_reasons(reasons).chars().take(MESSAGE_CHARS).collect()
}
