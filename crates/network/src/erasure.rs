//! Erasure of a lead: a person's values are removed everywhere in the account, and their recipients are notified. A buyer account
//! keeps its own copy; it is notified, and decides.

use chrono::{DateTime, Utc};
use entity::delivery::{self, DeliveryStatus};
use entity::event::EventKind;
use entity::ids::{AccountId, LeadId};
use entity::lead_event::{self, LeadEventKind};
use entity::{bulk, duplicate_memory, erasure_notice, idempotency, lead};
use sea_orm::{ActiveModelTrait, ColumnTrait, DatabaseTransaction, QueryFilter, QuerySelect, Set};
use serde_json::{Value, json};

use super::notices::{Notice, email_owners};
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Actor, Entry};
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::accounts;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::texts;
use leadmesh_core::live::events::NewEvent;
use leadmesh_delivery::erase_deliveries::{lock_all, redact_deliveries};
use leadmesh_delivery::erasure::{REMOVED, Values, queue_notices};
use leadmesh_leads::intake::portal_event;
use leadmesh_leads::sealed::{open_fields, open_raw};

/// In characters.
const REASON: usize = 1_000;

/// Removes a lead's values, cancels unsent deliveries, and notifies all who had the values. Repeated, it changes nothing, but
/// notifies again where that failed.
pub async fn erase(app: &App, caller: &Caller, id: LeadId, reason: &str) -> Result<lead::Model> {
    let mine = caller.require(Action::EraseLeads)?;
    let reason = texts::line(reason, REASON, "reason")?;
    let found = lead::Entity::in_account(mine).filter(lead::Column::Id.eq(id));
    // Before the transaction: opening sealed values may need another connection of the pool.
    let seen = found.clone().one(app.db.read()).await?.ok_or_else(unknown)?;
    let values = values(app, &seen).await;
    if values.are_in(&reason) {
        let advice = "the reason repeats a value of the lead, and the audit log would keep it: leave the value out";
        return Err(Error::user(UserErrorCode::Invalid, "reason", advice));
    }
    let tx = app.db.begin().await?;
    let row = found.lock_exclusive().one(&tx).await?.ok_or_else(unknown)?;
    if row.erased_at.is_some() {
        let again = erasure_notice::Entity::requeue_failed(mine, id, app.clock.now());
        let told_again = again.exec(&tx).await?.rows_affected;
        if told_again > 0 {
            let entry = lead_entry("lead.erasure_told_again", id, json!({ "notices": told_again }));
            audit::record(&tx, &app.clock, mine, &caller.actor(), entry).await?;
        }
        tx.commit().await?;
        return Ok(row);
    }
    let erasure = Erasure {
        app,
        caller,
        row,
        reason,
    };
    erasure.commit(tx, &values).await
}

fn unknown() -> Error {
    Error::user(UserErrorCode::NotFound, "id", "no such lead")
}

/// Values that do not open cannot be compared, and are removed all the same.
async fn values(app: &App, row: &lead::Model) -> Values {
    let fields = open_fields(app, row.account_id, row.id, &row.fields)
        .await
        .unwrap_or_default();
    let raw = open_raw(app, row.account_id, row.id, &row.raw)
        .await
        .unwrap_or_default();
    Values::of([&fields, &raw])
}

struct Erasure<'a> {
    app: &'a App,
    caller: &'a Caller,
    row: lead::Model,
    reason: String,
}

impl Erasure<'_> {
    async fn commit(self, tx: Transaction, values: &Values) -> Result<lead::Model> {
        let (app, now) = (self.app, self.app.clock.now());
        // In the lock order of submissions: a deadlock would hold up leads.
        self.forget_what_it_left(&tx).await?;
        let before = lock_all(&tx, &self.row).await?;
        let erased = redact_deliveries(app, &tx, before, values).await?;
        queue_notices(app, &tx, &erased.rows, &erased.attempts).await?;
        lead_event::Entity::forget_words(&tx, (self.row.account_id, self.row.id), REMOVED).await?;
        let lead = without_values(self.row.clone(), now).update(&tx).await?;
        self.record(&tx).await?;
        let mut effects = erased.effects;
        // In one order, because notices lock quota rows: two erasures must not deadlock.
        let mut in_order: Vec<_> = erased.rows.iter().collect();
        in_order.sort_by_key(|row| (row.buyer_account_id, row.id));
        for row in in_order {
            if row.status == DeliveryStatus::Delivered && row.review.is_some() && row.buyer_account_id.is_none() {
                effects.events.extend(portal_event(row, EventKind::PortalReviewed));
            }
            effects.events.extend(self.notify_buyer(&tx, row).await?);
        }
        effects.commit(app, tx, now).await?;
        Ok(lead)
    }

    /// Deletes what submissions look up. The sender's idempotency key stays without content: the receipt can be had again.
    async fn forget_what_it_left(&self, tx: &DatabaseTransaction) -> Result<()> {
        let row = &self.row;
        duplicate_memory::Entity::forget_lead(row.flow_id, row.id)
            .exec(tx)
            .await?;
        if let Some(key) = &row.idempotency_key {
            idempotency::Entity::forget_content(row.source_id, key).exec(tx).await?;
        }
        Ok(())
    }

    async fn record(&self, tx: &DatabaseTransaction) -> Result<()> {
        let (app, row) = (self.app, &self.row);
        let entry = lead_entry("lead.erased", row.id, json!({ "reason": self.reason }));
        audit::record(tx, &app.clock, row.account_id, &self.caller.actor(), entry).await?;
        let who = self.caller.actor().name;
        let message = format!("{who} has removed the values: {}", self.reason);
        let note = lead_event_row(app, row.account_id, row.id, LeadEventKind::Erased, message);
        bulk::insert::<lead_event::Entity>(tx, vec![note]).await?;
        Ok(())
    }

    /// Notifies a connected account that got the lead, also one whose flow refused it: it keeps what it got.
    async fn notify_buyer(&self, tx: &DatabaseTransaction, row: &delivery::Model) -> Result<Vec<NewEvent>> {
        let app = self.app;
        let theirs: Option<LeadId> = row.external_id.as_ref().and_then(|id| id.parse().ok());
        let Some((buyer, theirs)) = row.buyer_account_id.zip(theirs) else {
            return Ok(Vec::new());
        };
        let seller = accounts::load(tx, self.row.account_id).await?;
        let entry = Entry::new("lead.erased_by_sender", "Lead", theirs, &seller.name);
        audit::record(tx, &app.clock, buyer, &Actor::partner_account(&seller), entry).await?;
        let message = format!(
            "{} has erased this lead: erase it as well, unless you have a reason of your own to keep it",
            seller.name
        );
        let note = lead_event_row(app, buyer, theirs, LeadEventKind::ErasureRequested, message);
        bulk::insert::<lead_event::Entity>(tx, vec![note]).await?;
        let notice = Notice {
            by: Some(self.row.account_id),
            subject: format!("{} erased a lead that you received", seller.name),
            text: format!(
                "{} has erased what it knew of the person behind your lead {theirs}. Erase it as well with eraseLead, unless you have a reason of your own to keep it.",
                seller.name
            ),
        };
        email_owners(tx, app, &accounts::load(tx, buyer).await?, &notice, None).await?;
        let event = |kind| NewEvent::of_account(buyer, kind, theirs.0);
        Ok([EventKind::LeadErased, EventKind::Lead].map(event).into())
    }
}

fn lead_entry(action: &'static str, lead: LeadId, changes: Value) -> Entry<'static> {
    Entry::unlabelled(action, "Lead", lead).with(changes)
}

fn lead_event_row(
    app: &App,
    account: AccountId,
    lead: LeadId,
    kind: LeadEventKind,
    message: String,
) -> lead_event::ActiveModel {
    lead_event::ActiveModel {
        id: Set(app.clock.id()),
        account_id: Set(account),
        lead_id: Set(lead),
        at: Set(app.clock.now()),
        kind: Set(kind),
        message: Set(message),
    }
}

/// Keeps that there was a lead, its source, time, outcome and price.
fn without_values(row: lead::Model, now: DateTime<Utc>) -> lead::ActiveModel {
    let trace = without_details(row.trace.clone());
    let mut change: lead::ActiveModel = row.into();
    change.fields = Set(json!({}));
    change.raw = Set(json!({}));
    change.routed_by = Set(None);
    change.trace = Set(trace);
    change.email_key = Set(None);
    change.phone_key = Set(None);
    change.name_key = Set(None);
    change.erased_at = Set(Some(now));
    change
}

/// Keeps which checks were made and how they went, but not their details.
fn without_details(trace: Value) -> Value {
    let Value::Array(mut looks) = trace else {
        return json!([]);
    };
    for look in looks.iter_mut().filter_map(Value::as_object_mut) {
        look.insert("detail".to_owned(), json!(REMOVED));
    }
    Value::Array(looks)
}
