//! Erasing a lead: a person's values go from everywhere in the account, and whoever had them is told. What another account got is
//! its own: it is told, and decides.

use chrono::{DateTime, Utc};
use entity::delivery::{self, DeliveryStatus};
use entity::event::EventKind;
use entity::ids::{AccountId, LeadId};
use entity::lead_event::{self, LeadEventKind};
use entity::{account, bulk, duplicate_memory, erasure_notice, idempotency, lead};
use sea_orm::{ActiveModelTrait, ColumnTrait, DatabaseTransaction, QueryFilter, QuerySelect, Set};
use serde_json::{Value, json};

use super::journal::as_partner;
use super::notices::{Notice, tell_owners};
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry};
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::texts;
use leadmesh_core::live::events::NewEvent;
use leadmesh_delivery::erase_deliveries::{lock_all, redact_deliveries};
use leadmesh_delivery::erasure::{REMOVED, Values, queue_notices};
use leadmesh_leads::intake::portal_event;
use leadmesh_leads::sealed::{open_fields, open_raw};

/// Characters of a reason.
const REASON: usize = 1_000;

/// Removes a lead's values, cancels what is not sent, and tells who had them. Done again it changes nothing, but tells once more
/// whoever could not be told.
pub async fn erase(app: &App, caller: &Caller, id: LeadId, reason: &str) -> Result<lead::Model> {
    let mine = caller.require(Action::EraseLeads)?;
    let reason = texts::line(reason, REASON, "reason")?;
    let found = lead::Entity::in_account(mine).filter(lead::Column::Id.eq(id));
    // Before the transaction: opening values may need the connection that it holds.
    let seen = found.clone().one(app.db.read()).await?.ok_or_else(unknown)?;
    let values = values(app, &seen).await;
    if values.are_in(&reason) {
        let advice = "the reason repeats a value of the lead, and is kept in the audit trail: word it without";
        return Err(Error::broken(UserErrorCode::Invalid, "reason", advice));
    }
    let tx = app.db.begin().await?;
    let row = found.lock_exclusive().one(&tx).await?.ok_or_else(unknown)?;
    if row.erased_at.is_some() {
        let again = erasure_notice::Entity::requeue_failed(mine, id, app.clock.now());
        let told_again = again.exec(&tx).await?.rows_affected;
        if told_again > 0 {
            let entry = Entry {
                action: "lead.erasure_told_again",
                subject_type: "Lead",
                subject_id: id.to_string(),
                label: None,
                changes: Some(json!({ "notices": told_again })),
            };
            audit::record(&tx, &app.clock, mine, &caller.who(), entry).await?;
        }
        tx.commit().await?;
        return Ok(row);
    }
    let erasing = Erasing {
        app,
        caller,
        row,
        reason,
    };
    erasing.commit(tx, &values).await
}

fn unknown() -> Error {
    Error::broken(UserErrorCode::NotFound, "id", "no such lead")
}

/// What does not open cannot be compared with, and is removed all the same.
async fn values(app: &App, row: &lead::Model) -> Values {
    let fields = open_fields(app, row.account_id, row.id, &row.fields)
        .await
        .unwrap_or_default();
    let raw = open_raw(app, row.account_id, row.id, &row.raw)
        .await
        .unwrap_or_default();
    Values::of([&fields, &raw])
}

struct Erasing<'a> {
    app: &'a App,
    caller: &'a Caller,
    row: lead::Model,
    reason: String,
}

impl Erasing<'_> {
    async fn commit(self, tx: Transaction, values: &Values) -> Result<lead::Model> {
        let (app, now) = (self.app, self.app.clock.now());
        // First what a submission looks at first: two who wait for each other would hold up leads.
        self.forget_what_it_left(&tx).await?;
        let before = lock_all(&tx, &self.row).await?;
        let erased = redact_deliveries(app, &tx, before, values).await?;
        queue_notices(app, &tx, &erased.rows, &erased.attempts).await?;
        lead_event::Entity::forget_words(&tx, (self.row.account_id, self.row.id), REMOVED).await?;
        let lead = without_values(self.row.clone(), now).update(&tx).await?;
        self.record(&tx).await?;
        let mut effects = erased.effects;
        // Notices are counted: in one order, so that two erasures cannot wait for each other.
        let mut in_order: Vec<_> = erased.rows.iter().collect();
        in_order.sort_by_key(|row| (row.buyer_account_id, row.id));
        for row in in_order {
            if row.status == DeliveryStatus::Delivered && row.review.is_some() && row.buyer_account_id.is_none() {
                effects.events.extend(portal_event(row, EventKind::PortalReviewed));
            }
            effects.events.extend(self.tell_buyer(&tx, row).await?);
        }
        effects.commit(app, tx, now).await?;
        Ok(lead)
    }

    /// What submissions look at. The sender's key stays, without what was sent under it: the receipt can be had again.
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
        let entry = Entry {
            action: "lead.erased",
            subject_type: "Lead",
            subject_id: row.id.to_string(),
            label: None,
            changes: Some(json!({ "reason": self.reason })),
        };
        audit::record(tx, &app.clock, row.account_id, &self.caller.who(), entry).await?;
        let who = self.caller.who().name;
        let message = format!("{who} has removed the values: {}", self.reason);
        let note = note(app, (row.account_id, row.id), LeadEventKind::Erased, message);
        bulk::insert::<lead_event::Entity>(tx, vec![note]).await?;
        Ok(())
    }

    /// A connected account that got the lead, also one whose flow refused it: it keeps what it got, and is told.
    async fn tell_buyer(&self, tx: &DatabaseTransaction, row: &delivery::Model) -> Result<Vec<NewEvent>> {
        let app = self.app;
        let theirs: Option<LeadId> = row.external_id.as_ref().and_then(|id| id.parse().ok());
        let Some((buyer, theirs)) = row.buyer_account_id.zip(theirs) else {
            return Ok(Vec::new());
        };
        let seller = company(tx, self.row.account_id).await?;
        let entry = Entry {
            action: "lead.erased_by_sender",
            subject_type: "Lead",
            subject_id: theirs.to_string(),
            label: Some(&seller.name),
            changes: None,
        };
        audit::record(tx, &app.clock, buyer, &as_partner(&seller), entry).await?;
        let said = format!(
            "{} has erased this lead: erase it as well, unless you have a reason of your own to keep it",
            seller.name
        );
        let note = note(app, (buyer, theirs), LeadEventKind::ErasureRequested, said);
        bulk::insert::<lead_event::Entity>(tx, vec![note]).await?;
        let notice = Notice {
            by: Some(self.row.account_id),
            subject: format!("{} has erased a lead that you got", seller.name),
            text: format!(
                "{} has erased what it knew of the person behind your lead {theirs}. Erase it as well with eraseLead, unless you have a reason of your own to keep it.",
                seller.name
            ),
        };
        tell_owners(tx, app, &company(tx, buyer).await?, &notice, None).await?;
        Ok([EventKind::LeadErased, EventKind::Lead]
            .map(|kind| NewEvent {
                topic: buyer.0,
                kind,
                subject: theirs.0,
                scope: None,
                detail: None,
                outcome: None,
            })
            .into())
    }
}

async fn company(tx: &DatabaseTransaction, id: AccountId) -> Result<account::Model> {
    let found = account::Entity::by_id(id).one(tx).await?;
    found.ok_or(Error::NotFound("account"))
}

fn note(
    app: &App,
    (account, lead): (AccountId, LeadId),
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

/// What stays: that there was a lead, where from, when, what became of it, and what it cost.
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

/// Which looks were taken and how they went, but not at what.
fn without_details(trace: Value) -> Value {
    let Value::Array(mut looks) = trace else {
        return json!([]);
    };
    for look in looks.iter_mut().filter_map(Value::as_object_mut) {
        look.insert("detail".to_owned(), json!(REMOVED));
    }
    Value::Array(looks)
}
