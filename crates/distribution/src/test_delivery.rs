//! Test deliveries with sample values. The ordinary worker sends exactly what the preview shows, marked as a test on every
//! channel.

use chrono::TimeDelta;
use entity::delivery::{self, DeliveryStatus, Reservations, ReviewStatus};
use entity::delivery_config::{Channel, DeliveryConfig};
use entity::event::EventKind;
use entity::flow::FieldDefs;
use entity::hand_made_lead;
use entity::ids::{AccountId, AssignmentId, ConnectionId, DeliveryId, FlowId, LeadId, SourceId};
use entity::lead::{self, LeadOutcome};
use entity::{connection, flow};
use sea_orm::{ActiveModelTrait, ColumnTrait, DatabaseTransaction, QueryFilter, Set};
use serde_json::{Map, Value, json};

use super::preview::{self, Missing, PreviewInput, SampleDelivery, Target};
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry};
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::accounts;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::live::events;
use leadmesh_leads::intake::{delivery_event, fully_set, portal_event};
use leadmesh_leads::sealed::{ValueKind, stored_fields};

/// Test deliveries of an account in an hour, so that they fill no mailbox.
pub const AN_HOUR: usize = 60;
/// Bytes of the values as JSON.
const MOST_BYTES: usize = 64 * 1024;

/// Sends a test delivery, and answers it as stored: the worker has yet to send it, but a portal shows it immediately. The typed
/// lead is stored beside it as a test, which counts nowhere and came through no source.
pub async fn send(app: &App, caller: &Caller, input: PreviewInput) -> Result<delivery::Model> {
    let account = caller.require(Action::ManageDeliveries)?;
    let given = values(&input.fields)?;
    let target = Target::load(app, account, input.partner, input.assignment).await?;
    let sample = preview::compose(app, target.map_err(unknown)?, given.clone()).await?;
    let row = routed(app, &sample, input.assignment).await?;
    let flow = match sample.flow {
        Some(flow) => flow,
        None => inbox(app, account).await?,
    };
    let row = delivery::Model { flow_id: flow, ..row };
    let stored = lead_row(app, &sample, &row, given).await?;
    let tx = app.db.begin().await?;
    within_limit(app, &tx, account).await?;
    stored.insert(&tx).await?;
    let fields = hand_made_lead::ActiveModel {
        lead_id: Set(row.lead_id),
        account_id: Set(account),
        fields: Set(FieldDefs(sample.definitions)),
        at: Set(row.created_at),
    };
    fields.insert(&tx).await?;
    let row = fully_set(row).insert(&tx).await?;
    let (partner, changes) = (&sample.partner, json!({ "deliveryId": row.id, "channel": row.channel }));
    let entry = Entry::new("partner.test_delivery_sent", "Partner", partner.id, &partner.name).with(changes);
    audit::record(&tx, &app.clock, account, &caller.actor(), entry).await?;
    let portal = (row.channel == Channel::Portal).then(|| portal_event(&row, EventKind::PortalDelivered));
    let new_events = [Some(delivery_event(&row)), portal.flatten()];
    let heads = events::append(&tx, row.created_at, new_events.into_iter().flatten().collect()).await?;
    tx.commit().await?;
    app.hub.notify(&heads);
    if row.due_at.is_some() {
        app.queue.wake(vec![row.id]);
    }
    Ok(row)
}

fn values(fields: &Value) -> Result<Map<String, Value>> {
    if fields.to_string().len() > MOST_BYTES {
        let advice = format!("give at most {MOST_BYTES} bytes of values");
        return Err(Error::user(UserErrorCode::TooLong, "input.fields", advice));
    }
    let wrong = |advice: &str| Err(Error::user(UserErrorCode::Invalid, "input.fields", advice));
    match fields {
        Value::Object(_) if has_nul(fields) => wrong("a value contains a NUL character: remove it"),
        Value::Object(given) => Ok(given.clone()),
        _ => wrong("give an object of values by field name"),
    }
}

/// `PostgreSQL` stores no NUL.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(values) => values.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        _ => false,
    }
}

/// In a mutation an unknown partner is a user error.
fn unknown(missing: Missing) -> Error {
    let path = match missing {
        Missing::Partner => "input.partnerId",
        Missing::Assignment => "input.assignmentId",
    };
    Error::user(
        UserErrorCode::NotFound,
        path,
        "no such partner, or no such assignment of it",
    )
}

async fn within_limit(app: &App, tx: &DatabaseTransaction, account: AccountId) -> Result<()> {
    // Under the account's lock, because concurrent callers would all count before any of them inserts.
    accounts::lock(tx, account).await?;
    let since = app.clock.now() - TimeDelta::hours(1);
    let sent = hand_made_lead::Entity::since(account, since).all(tx).await?;
    match sent.iter().map(|lead| lead.at).min() {
        Some(first) if sent.len() >= AN_HOUR => {
            let left = (first - since).num_seconds();
            let retry_after = u64::try_from(left).unwrap_or_default().max(1);
            Err(Error::RateLimited { retry_after })
        }
        _ => Ok(()),
    }
}

async fn inbox(app: &App, account: AccountId) -> Result<FlowId> {
    let found = flow::Entity::in_account(account).filter(flow::Column::IsInbox.eq(true));
    let found = found.one(app.db.read()).await?;
    Ok(found.ok_or_else(|| anyhow::anyhow!("an account without its inbox"))?.id)
}

/// The delivery under the present settings, without its flow.
async fn routed(app: &App, sample: &SampleDelivery, assignment: Option<AssignmentId>) -> Result<delivery::Model> {
    let (now, partner) = (app.clock.now(), &sample.partner);
    let channel = sample.settings.config.channel();
    let portal = channel == Channel::Portal;
    let link = match &sample.settings.config {
        DeliveryConfig::Account(config) => Some(outlet(app, partner.account_id, config.connection_id).await?),
        _ => None,
    };
    let (id, lead): (DeliveryId, LeadId) = (app.clock.id(), app.clock.id());
    Ok(delivery::Model {
        id,
        account_id: partner.account_id,
        lead_id: lead,
        flow_id: uuid::Uuid::nil().into(),
        step_id: None,
        // A failed test goes to no other partner.
        profile_id: None,
        assignment_id: assignment,
        partner_id: Some(partner.id),
        buyer_account_id: link.as_ref().map(|link| link.partner_of(partner.account_id)),
        connection_id: link.map(|link| link.id),
        settings_id: sample.settings.id,
        channel,
        status: if portal {
            DeliveryStatus::Delivered
        } else {
            DeliveryStatus::Queued
        },
        test: true,
        attempt_count: 0,
        attempts_before: 0,
        budget_since: now,
        due_at: (!portal).then_some(now),
        lease_owner: None,
        failure_code: None,
        failure_message: None,
        external_id: None,
        price_e4: None,
        price_currency: None,
        review: portal.then_some(ReviewStatus::PendingReview),
        review_by: None,
        review_at: None,
        review_reason: None,
        reservations: Reservations::default(),
        created_at: now,
        settled_at: portal.then_some(now),
        erased_at: None,
        suspended_for: None,
        follows: None,
    })
}

async fn outlet(app: &App, account: AccountId, id: Option<ConnectionId>) -> Result<connection::Model> {
    let found = connection::Entity::of_account(account).filter(connection::Column::Id.is_in(id));
    let found = found.one(app.db.read()).await?;
    found.ok_or_else(|| {
        let advice =
            "the connection that the partner's settings name is gone: choose another one with setPartnerDelivery";
        Error::user(UserErrorCode::NotConnected, "input.partnerId", advice)
    })
}

/// The typed lead, with the given values beside those that typing has changed.
async fn lead_row(
    app: &App,
    sample: &SampleDelivery,
    row: &delivery::Model,
    given: Map<String, Value>,
) -> Result<lead::ActiveModel> {
    let (account, definitions) = (row.account_id, &sample.definitions);
    let sealed = definitions.iter().any(|field| field.encrypted);
    let keys = if sealed {
        Some(app.vault.keys(app.db.write(), &app.clock, Some(account)).await?)
    } else {
        None
    };
    let typed = &sample.lead;
    let raw = given
        .into_iter()
        .filter(|(name, value)| typed.get(name).is_some_and(|kept| kept != value));
    let stored = |values, place| stored_fields(definitions, row.lead_id, values, place, keys.as_deref());
    Ok(lead::ActiveModel {
        id: Set(row.lead_id),
        account_id: Set(account),
        flow_id: Set(row.flow_id),
        source_id: Set(SourceId(uuid::Uuid::nil())),
        sender_account_id: Set(account),
        test: Set(true),
        outcome: Set(LeadOutcome::Accepted),
        fields: Set(Value::Object(stored(typed.clone(), ValueKind::Value)?)),
        raw: Set(Value::Object(stored(raw.collect(), ValueKind::Raw)?)),
        invalid: Set(None),
        routed_by: Set(None),
        reasons: Set(json!([])),
        warnings: Set(json!([])),
        trace: Set(json!([])),
        price_e4: Set(None),
        price_currency: Set(None),
        idempotency_key: Set(None),
        email_key: Set(None),
        phone_key: Set(None),
        name_key: Set(None),
        submitted_at: Set(row.created_at),
        processing_us: Set(0),
        erased_at: Set(None),
        seller_delivery_id: Set(None),
        path: Set(lead::Path::default()),
    })
}
