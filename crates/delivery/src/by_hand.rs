//! Many deliveries at once, and settling by hand what the network left open.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use entity::bulk;
use entity::delivery::{ActiveModel, Column, DeliveryErrorCode, DeliveryStatus, Entity, Model};
use entity::delivery_config::Channel;
use entity::event::EventKind;
use entity::ids::{AccountId, AssignmentId, DeliveryId, LeadId, PartnerId, StepId};
use entity::lead;
use entity::lead_event::{self, LeadEventKind};
use entity::retryable::Page;
use entity::{mail_recipient, mail_turn};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ActiveModelTrait, ColumnTrait, Condition, Iterable, QueryFilter, QuerySelect, Select, Set};
use serde_json::json;

use super::again::{self, Refusal, Retried, RetrySettings};
use super::chains;
use super::manage::{self, DeliveryFilter};
use super::reservations;
use super::worker::{self, Rerouted, Routes};
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry};
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::texts;
use leadmesh_core::live::events;
use leadmesh_leads::compile::Snapshots;
use leadmesh_leads::intake::delivery_event;

/// Deliveries that one call tries again at most.
pub const MOST: usize = 1_000;
/// Of these in one transaction.
const PART: usize = 200;
/// Deliveries looked at by one statement.
const PAGE: u64 = 1_000;
/// Looks of one call, should recipients whose caps are used up have filled those before.
const ROUNDS: u32 = 20;
/// Characters of a recipient's own name for a lead.
const EXTERNAL_ID: usize = 255;
/// Characters of a note.
const NOTE: usize = 1_000;

/// What came of trying many again.
#[derive(Clone, Debug, Default)]
pub struct RetriedMany {
    /// How many are due now, or in a portal.
    pub requeued: usize,
    /// Those that were looked at and stay as they are, by the reason.
    pub left_out: Vec<LeftOut>,
}

/// Deliveries that stay as they are for one reason.
#[derive(Clone, Debug)]
pub struct LeftOut {
    /// Why.
    pub refusal: Refusal,
    /// How many of those that were looked at.
    pub count: usize,
}

/// Attempts at once what fits and may be tried again, the oldest first and [`MOST`] at most. What another call has taken up is
/// not taken up again.
///
/// Those that have FAILED or wait for a retry; CANCELLED ones, and those that a connected account has REFUSED, only when the
/// filter names these states: somebody has decided so. Those whose lead another partner has got in their place, or may yet, are
/// left out, for it would be sold twice; of several partners that have failed one after another one is tried, the one that failed
/// first. `retryDelivery` tries a single one whatever the others do. Each takes a place on its recipient's caps; what finds none is left
/// out, and holds up nothing of other recipients.
pub async fn retry_many(
    app: &App,
    caller: &Caller,
    filter: DeliveryFilter,
    settings: RetrySettings,
) -> Result<RetriedMany> {
    let account = caller.require(Action::ManageDeliveries)?;
    let states = states(filter.statuses.as_deref());
    let (mut retried_so_far, mut full, mut passed) = (RetriedMany::default(), BTreeSet::new(), HashSet::new());
    for _ in 0..ROUNDS {
        let (most, left_out) = (MOST - retried_so_far.requeued, full.len() + passed.len());
        // Read where nobody waits for it, however long the history is; then written a part at a time, as it stands by then.
        let search = Search {
            account,
            among: among(account, &filter).filter(elsewhere(&full, settings)),
            few: filter.lead.is_some(),
            passed: &passed,
            now: app.clock.now(),
        };
        let mut found = search.candidates(app, &states).await?;
        found.truncate(most);
        for part in found.chunks(PART) {
            let retried = retry_part(app, caller, part, (&states, settings)).await?;
            retried_so_far.requeued += retried.rows.len();
            for (row, refusal) in retried.refused {
                if refusal.of_one {
                    passed.insert(row.id);
                } else {
                    full.insert((row.step_id, row.assignment_id, row.partner_id));
                }
                retried_so_far.leave_out(refusal);
            }
        }
        if found.len() < most || full.len() + passed.len() == left_out || retried_so_far.requeued == MOST {
            break;
        }
    }
    Ok(retried_so_far)
}

/// An account's deliveries that fit, in whatever state.
fn among(account: AccountId, filter: &DeliveryFilter) -> Select<Entity> {
    let filter = DeliveryFilter {
        statuses: None,
        ..filter.clone()
    };
    manage::fitting(account, filter)
}

impl RetriedMany {
    fn leave_out(&mut self, refusal: Refusal) {
        match self.left_out.iter_mut().find(|left_out| left_out.refusal == refusal) {
            Some(left_out) => left_out.count += 1,
            None => self.left_out.push(LeftOut { refusal, count: 1 }),
        }
    }
}

/// Where a delivery was routed: the step, the place in its profile, the partner.
type Place = (Option<StepId>, Option<AssignmentId>, Option<PartnerId>);

/// Not where deliveries were refused. By their own settings those that wait for a retry are not: they hold their places on caps.
fn elsewhere(full: &BTreeSet<Place>, settings: RetrySettings) -> Condition {
    let is = |column: Column, id: Option<uuid::Uuid>| match id {
        Some(id) => column.eq(id),
        None => column.is_null(),
    };
    let mut any = Condition::any();
    for (step, assignment, partner) in full {
        any = any.add(
            is(Column::StepId, step.map(|id| id.0))
                .and(is(Column::AssignmentId, assignment.map(|id| id.0)))
                .and(is(Column::PartnerId, partner.map(|id| id.0))),
        );
    }
    if full.is_empty() {
        return Condition::all();
    }
    let waits = (settings == RetrySettings::Frozen).then(|| Column::Status.eq(DeliveryStatus::Retrying));
    Condition::any().add(any.not()).add_option(waits)
}

/// In which states deliveries are tried again.
fn states(named: Option<&[DeliveryStatus]>) -> Vec<DeliveryStatus> {
    match named {
        None => vec![DeliveryStatus::Failed, DeliveryStatus::Retrying],
        Some(named) => DeliveryStatus::iter().filter(|status| named.contains(status)).collect(),
    }
}

/// A look for deliveries that may be tried again.
struct Search<'a> {
    account: AccountId,
    /// Those that fit, in whatever state.
    among: Select<Entity>,
    /// Whether these are a few rows.
    few: bool,
    /// Those that this call has looked at and cannot try.
    passed: &'a HashSet<DeliveryId>,
    now: DateTime<Utc>,
}

impl Search<'_> {
    /// The oldest [`MOST`] in some states.
    async fn candidates(&self, app: &App, states: &[DeliveryStatus]) -> Result<Vec<(DeliveryId, LeadId)>> {
        let mut found = Vec::new();
        for status in states {
            found.extend(self.of_state(app, *status).await?);
        }
        found.sort_unstable();
        found.truncate(MOST);
        Ok(found)
    }

    /// The oldest [`MOST`] in one state, page by page: of a page those are left out whose lead is with another partner.
    async fn of_state(&self, app: &App, status: DeliveryStatus) -> Result<Vec<(DeliveryId, LeadId)>> {
        let (db, mut found) = (app.db.read(), Vec::new());
        let mut page = Page {
            status,
            after: None,
            most: PAGE,
        };
        loop {
            let rows = Entity::retryable(self.among.clone(), page, self.few, self.now);
            let rows = rows.select_only().columns([Column::Id, Column::LeadId]);
            let mut rows: Vec<(DeliveryId, LeadId)> = rows.into_tuple().all(db).await?;
            page.after = rows.last().map(|(id, _)| *id);
            let is_last = u64::try_from(rows.len()).is_ok_and(|count| count < PAGE);
            rows.retain(|(id, _)| !self.passed.contains(id));
            let chosen = chains::one_of_each(db, self.account, &rows).await?;
            found.extend(rows.into_iter().filter(|(id, _)| chosen.contains(id)));
            if is_last || found.len() >= MOST {
                return Ok(found);
            }
        }
    }
}

/// Tries those of them again that may be by now.
async fn retry_part(
    app: &App,
    caller: &Caller,
    part: &[(DeliveryId, LeadId)],
    (states, settings): (&[DeliveryStatus], RetrySettings),
) -> Result<Retried> {
    let account = caller.require(Action::ManageDeliveries)?;
    let tx = app.db.begin().await?;
    // Whoever tries another delivery of these leads waits, and then sees what was done here.
    lead::Entity::lock(&tx, part.iter().map(|(_, lead)| *lead)).await?;
    let rows = Entity::still_retryable(&tx, part.iter().map(|(id, _)| *id), states, app.clock.now());
    let mut rows = rows.filter(Column::AccountId.eq(account)).all(&tx).await?;
    let stand: Vec<(DeliveryId, LeadId)> = rows.iter().map(|row| (row.id, row.lead_id)).collect();
    let chosen = chains::one_of_each(&*tx, account, &stand).await?;
    rows.retain(|row| chosen.contains(&row.id));
    let mut retried = again::attempt_again(app, &tx, rows, settings).await?;
    again::commit(app, tx, caller, (&mut retried, settings)).await?;
    Ok(retried)
}

/// What somebody knows of a delivery that the network left open.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// Which of the caller's deliveries.
    pub delivery: DeliveryId,
    /// Whether the recipient has the lead.
    pub delivered: bool,
    /// The recipient's own name for it; only where it has it.
    pub external_id: Option<String>,
    /// For whoever reads the timeline.
    pub note: Option<String>,
}

/// Settles a delivery by webhook or mail that was attempted and is not known to have arrived. A mail that a server has taken may
/// bounce later, so that one that is DELIVERED can be settled as not.
///
/// Where the recipient has the lead it is DELIVERED, and counts on its caps: one that had failed and given its places back takes
/// them again, whatever the limit. Where it has it not, a delivery that would be tried again is FAILED, its places are given back,
/// and the lead goes on to the next partner if the profile says so, as after any final failure.
pub async fn settle(app: &App, caller: &Caller, input: Settlement) -> Result<Model> {
    let account = caller.require(Action::ManageDeliveries)?;
    let input = checked(input)?;
    let seen = manage::find(app, caller, input.delivery).await?;
    let (snapshots, mut routes) = (Snapshots::default(), Routes::default());
    let failed = seen.iter().filter(|_| !input.delivered);
    let mut leads = match &seen {
        Some(row) if !input.delivered => worker::contents(app, std::slice::from_ref(row)).await?,
        _ => HashMap::new(),
    };
    let tx = loop {
        routes.look_up(app, &snapshots, failed.clone()).await?;
        let tx = app.db.begin().await?;
        if routes.hold(&tx).await? {
            break tx;
        }
    };
    let row = manage::locked(&tx, account, input.delivery).await.map_err(at_input)?;
    if stands(&row, &input)? {
        return Ok(row);
    }
    let (now, mut on) = (app.clock.now(), Rerouted::default());
    mail_turn::Entity::forget(&tx, [row.id]).await?;
    if input.delivered {
        reservations::take_again(&tx, &row).await?;
    } else {
        let lead = leads.remove(&row.lead_id).filter(|_| row.erased_at.is_none());
        on = worker::follow(app, &tx, &[(&row, lead.as_ref())], &routes, now).await?;
        if row.channel == Channel::Email {
            mail_recipient::Entity::take_back(&tx, row.id).await?;
        }
    }
    let from = row.status;
    let row = changed(caller, row, &input, now).update(&tx).await?;
    if input.delivered {
        let note = told(app, caller, &row, input.note.as_deref());
        bulk::insert::<lead_event::Entity>(&tx, vec![note]).await?;
    }
    // Without the note, which may hold a value of the lead.
    let told = json!({ "delivered": input.delivered, "from": from, "externalId": input.external_id });
    let entry = entry("delivery.resolved", &row, Some(told));
    audit::record(&tx, &app.clock, account, &caller.who(), entry).await?;
    commit(app, tx, &row, on).await?;
    Ok(row)
}

async fn commit(app: &App, tx: Transaction, row: &Model, on: Rerouted) -> Result<()> {
    let mut all = vec![delivery_event(row)];
    all.extend(on.events);
    let in_portals = events::count(&all, EventKind::PortalDelivered);
    let heads = events::append(&tx, app.clock.now(), all).await?;
    tx.commit().await?;
    app.metrics.delivered_in_portals(in_portals);
    app.hub.tell(&heads);
    app.queue.wake(on.waiting);
    Ok(())
}

fn checked(input: Settlement) -> Result<Settlement> {
    let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let external_id = given(input.external_id)
        .map(|id| texts::line(&id, EXTERNAL_ID, "input.externalId"))
        .transpose()?;
    let note = given(input.note)
        .map(|note| texts::line(&note, NOTE, "input.note"))
        .transpose()?;
    if !input.delivered && external_id.is_some() {
        let advice = "a lead that the recipient has not has no name there: leave externalId out";
        return Err(Error::broken(UserErrorCode::Invalid, "input.externalId", advice));
    }
    Ok(Settlement {
        external_id,
        note,
        ..input
    })
}

/// Whether the delivery stands so already. It is an error where nothing was left open.
fn stands(row: &Model, input: &Settlement) -> Result<bool> {
    let open = |message: &str| Err(Error::broken(UserErrorCode::Conflict, "input.id", message));
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
    let bounced = row.status == DeliveryStatus::Delivered;
    let code = row.failure_code.unwrap_or(if bounced {
        DeliveryErrorCode::SmtpRejected
    } else {
        DeliveryErrorCode::Network
    });
    let mut change: ActiveModel = row.into();
    change.due_at = Set(None);
    change.settled_at = Set(Some(now));
    if input.delivered {
        change.status = Set(DeliveryStatus::Delivered);
        change.failure_code = Set(None);
        change.failure_message = Set(None);
        if let Some(id) = &input.external_id {
            change.external_id = Set(Some(id.clone()));
        }
    } else {
        change.status = Set(DeliveryStatus::Failed);
        change.failure_code = Set(Some(code));
        let message = words(caller, "the recipient does not have the lead", input.note.as_deref());
        change.failure_message = Set(Some(message));
        change.external_id = Set(None);
    }
    change
}

fn words(caller: &Caller, what: &str, note: Option<&str>) -> String {
    let note = note.map(|note| format!(": {note}")).unwrap_or_default();
    format!("settled by {}: {what}{note}", caller.who().name)
}

fn told(app: &App, caller: &Caller, row: &Model, note: Option<&str>) -> lead_event::ActiveModel {
    lead_event::ActiveModel {
        id: Set(app.clock.id()),
        account_id: Set(row.account_id),
        lead_id: Set(row.lead_id),
        at: Set(app.clock.now()),
        kind: Set(LeadEventKind::Delivered),
        message: Set(words(caller, "the recipient has the lead", note)),
    }
}

fn entry(action: &'static str, row: &Model, changes: Option<serde_json::Value>) -> Entry<'static> {
    Entry {
        action,
        subject_type: "Delivery",
        subject_id: row.id.to_string(),
        label: None,
        changes,
    }
}

fn at_input(error: Error) -> Error {
    match error {
        Error::Broken(broken) => Error::Broken(broken.into_iter().map(|rule| rule.within("input")).collect()),
        other => other,
    }
}
