//! Settling deliveries by hand: a person knows whether the recipient has the lead, which the network has left open.

use std::collections::HashMap;

use async_graphql::InputObject;
use chrono::{DateTime, Utc};
use entity::bulk;
use entity::delivery::{ActiveModel, DeliveryErrorCode, DeliveryStatus, Model};
use entity::delivery_config::Channel;
use entity::ids::DeliveryId;
use entity::lead_event::{self, LeadEventKind};
use entity::mail_recipient;
use sea_orm::{ActiveModelTrait, Set};
use serde_json::json;

use super::contents::LeadContents;
use super::finish::{Ending, finish};
use super::manage;
use super::reroute::Plan;
use super::routes::Routes;
use leadmesh_core::app::App;
use leadmesh_core::audit;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::texts;
use leadmesh_leads::compile::Snapshots;

/// Most characters of a recipient's own name for a lead.
const MAX_EXTERNAL_ID: usize = 255;
/// Most characters of a note.
const MAX_NOTE: usize = 1_000;

/// The outcome of a delivery that the network left open.
#[derive(Clone, Debug, InputObject)]
#[graphql(name = "ResolveDeliveryInput")]
pub struct Settlement {
    /// Identifier of the delivery: by webhook or email, attempted, and RETRYING, FAILED or CANCELLED; with `delivered:
    /// false` also a DELIVERED email that bounced.
    #[graphql(name = "id")]
    pub delivery: DeliveryId,
    /// Whether the recipient has the lead.
    pub delivered: bool,
    /// The recipient's identifier for the lead, at most 255 characters. Only if the recipient has it.
    pub external_id: Option<String>,
    /// Note for the timeline, one line of at most 1,000 characters.
    pub note: Option<String>,
}

/// Settles a delivery by webhook or mail that was attempted and is not known to have arrived. A mail that a server has taken may
/// bounce later, so a DELIVERED mail can be settled as not delivered.
///
/// If the recipient has the lead, the delivery is DELIVERED and counts on its caps: one that had failed and given its places back takes
/// them again, even beyond the limit. If not, the delivery is FAILED, its places are given back, and the lead is re-routed if the
/// profile says so, as after any final failure.
pub async fn settle(app: &App, caller: &Caller, input: Settlement) -> Result<Model> {
    let account = caller.require(Action::ManageDeliveries)?;
    let input = checked(input)?;
    let seen = manage::find(app, caller, input.delivery).await?;
    let failed = seen.iter().filter(|_| !input.delivered);
    let leads = match &seen {
        Some(row) if !input.delivered => LeadContents::new(app.clone()).load(std::slice::from_ref(row)).await?,
        _ => HashMap::new(),
    };
    let (tx, routes) = Routes::begin(app, &Snapshots::default(), failed).await?;
    let row = manage::locked(&tx, account, input.delivery).await.map_err(at_input)?;
    if is_settled_so(&row, &input)? {
        return Ok(row);
    }
    let (now, from) = (app.clock.now(), row.status);
    let lead = leads.get(&row.lead_id).filter(|_| row.erased_at.is_none());
    let plan = lead.and_then(|lead| Plan::of(&routes, &row, lead, now));
    let ending = Ending::new(&row, input.status(), input.code(&row)).rerouted(plan);
    let effects = finish(app, &tx, vec![ending], now).await?;
    if !input.delivered && row.channel == Channel::Email {
        mail_recipient::Entity::take_back(&tx, row.id).await?;
    }
    let row = changed(caller, row, &input, now).update(&tx).await?;
    if input.delivered {
        let event = timeline_event(app, caller, &row, input.note.as_deref());
        bulk::insert::<lead_event::Entity>(&tx, vec![event]).await?;
    }
    // Without the note, which may repeat a value of the lead.
    let changes = json!({ "delivered": input.delivered, "from": from, "externalId": input.external_id });
    let entry = manage::audit_entry("delivery.resolved", &row, Some(changes));
    audit::record(&tx, &app.clock, account, &caller.actor(), entry).await?;
    effects.commit(app, tx, now).await?;
    Ok(row)
}

impl Settlement {
    fn status(&self) -> DeliveryStatus {
        if self.delivered {
            DeliveryStatus::Delivered
        } else {
            DeliveryStatus::Failed
        }
    }

    /// The code of the last failure, if there was one. A DELIVERED mail that did not arrive has bounced.
    fn code(&self, row: &Model) -> Option<DeliveryErrorCode> {
        let known = row.failure_code.unwrap_or(match row.status {
            DeliveryStatus::Delivered => DeliveryErrorCode::SmtpRejected,
            _ => DeliveryErrorCode::Network,
        });
        (!self.delivered).then_some(known)
    }
}

fn checked(input: Settlement) -> Result<Settlement> {
    let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let external_id = given(input.external_id)
        .map(|id| texts::line(&id, MAX_EXTERNAL_ID, "input.externalId"))
        .transpose()?;
    let note = given(input.note)
        .map(|note| texts::line(&note, MAX_NOTE, "input.note"))
        .transpose()?;
    if !input.delivered && external_id.is_some() {
        let advice = "a recipient that does not have the lead has no name for it: leave externalId out";
        return Err(Error::user(UserErrorCode::Invalid, "input.externalId", advice));
    }
    Ok(Settlement {
        external_id,
        note,
        ..input
    })
}

/// Whether the delivery has that outcome already. An error if its outcome is not open.
fn is_settled_so(row: &Model, input: &Settlement) -> Result<bool> {
    let open = |message: &str| Err(Error::user(UserErrorCode::Conflict, "input.id", message));
    if matches!(row.channel, Channel::Portal | Channel::Account) {
        return open("of a delivery into the portal or a connected account it is known whether the recipient has it");
    }
    if row.erased_at.is_some() {
        return open("the lead was erased: nothing of it is open");
    }
    match row.status {
        DeliveryStatus::Sending => open("the delivery is being sent this moment: try again in a few seconds"),
        DeliveryStatus::Refused => open("the recipient has refused the lead"),
        DeliveryStatus::Delivered if row.channel == Channel::Email && !input.delivered => Ok(false),
        DeliveryStatus::Delivered => match (&input.external_id, input.delivered) {
            (None, true) => Ok(true),
            (Some(id), true) if row.external_id.as_ref() == Some(id) => Ok(true),
            _ => open("the recipient has confirmed that it has the lead"),
        },
        DeliveryStatus::Failed | DeliveryStatus::Cancelled if !input.delivered => Ok(true),
        _ if row.attempt_count == 0 => open("nothing was sent yet: cancel the delivery if it shall not be"),
        DeliveryStatus::Queued | DeliveryStatus::Retrying | DeliveryStatus::Failed | DeliveryStatus::Cancelled => {
            Ok(false)
        }
    }
}

fn changed(caller: &Caller, row: Model, input: &Settlement, now: DateTime<Utc>) -> ActiveModel {
    let code = input.code(&row);
    let mut change: ActiveModel = row.into();
    change.due_at = Set(None);
    change.settled_at = Set(Some(now));
    change.status = Set(input.status());
    change.failure_code = Set(code);
    if input.delivered {
        change.failure_message = Set(None);
        if let Some(id) = &input.external_id {
            change.external_id = Set(Some(id.clone()));
        }
    } else {
        let message = message(caller, "the recipient does not have the lead", input.note.as_deref());
        change.failure_message = Set(Some(message));
        change.external_id = Set(None);
    }
    change
}

fn message(caller: &Caller, what: &str, note: Option<&str>) -> String {
    let note = note.map(|note| format!(": {note}")).unwrap_or_default();
    format!("settled by {}: {what}{note}", caller.actor().name)
}

fn timeline_event(app: &App, caller: &Caller, row: &Model, note: Option<&str>) -> lead_event::ActiveModel {
    lead_event::ActiveModel {
        id: Set(app.clock.id()),
        account_id: Set(row.account_id),
        lead_id: Set(row.lead_id),
        at: Set(app.clock.now()),
        kind: Set(LeadEventKind::Delivered),
        message: Set(message(caller, "the recipient has the lead", note)),
    }
}

fn at_input(error: Error) -> Error {
    match error {
        Error::User(broken) => Error::User(broken.into_iter().map(|rule| rule.within("input")).collect()),
        other => other,
    }
}
