//! Attempting deliveries again by hand: by which settings, over which connection, and within which caps.

use entity::delivery::{self, DeliveryStatus, Model};
use entity::delivery_config::Channel;
use entity::event::EventKind;
use entity::ids::{AccountId, DeliveryId};
use entity::mail_turn;
use entity::retried::Again;
use sea_orm::DatabaseTransaction;
use serde_json::json;

use super::present::{Present, with_buyers};
pub use super::present::{Refusal, RetrySettings};
use super::reservations;
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry};
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::live::events::{self, NewEvent};
use leadmesh_leads::intake::{delivery_event, portal_event};

/// How the audit trail names a retry by hand.
const RETRY: &str = "delivery.retried";

/// What became of deliveries that were to be attempted again.
#[derive(Default)]
pub(super) struct Retried {
    /// Those that are due now, or in a portal, by identifier.
    pub(super) rows: Vec<Model>,
    /// Those that stay as they are, each with the reason.
    pub(super) refused: Vec<(Model, Refusal)>,
    /// To be appended to the logs, as the last act.
    pub(super) events: Vec<NewEvent>,
}

/// Makes deliveries due again that the caller holds locked, in the order given: as many as their caps let through. What is refused
/// stays as it is.
pub(super) async fn attempt_again(
    app: &App,
    tx: &DatabaseTransaction,
    rows: Vec<Model>,
    settings: RetrySettings,
) -> Result<Retried> {
    let Some(account) = rows.first().map(|row| row.account_id) else {
        return Ok(Retried::default());
    };
    let (now, mut retried) = (app.clock.now(), Retried::default());
    let present = Present::load(tx, account, &rows).await?;
    let (going, refused) = routed(tx, &present, rows, settings).await?;
    retried.refused = refused;
    let held: Vec<Model> = going.iter().map(|(row, _)| row.clone()).collect();
    let mut reserved = reservations::reserve_again(tx, &held, |row| present.caps(row), now).await?;
    let mut alike: Vec<(Again, Vec<DeliveryId>)> = Vec::new();
    for (row, mut again) in going {
        let Some(places) = reserved.places.remove(&row.id) else {
            let full = reserved.full.remove(&row.id).unwrap_or_default();
            retried.refused.push((row, cap_reached(&full)));
            continue;
        };
        again.reservations = places;
        match alike.iter_mut().find(|(other, _)| *other == again) {
            Some((_, ids)) => ids.push(row.id),
            None => alike.push((again, vec![row.id])),
        }
    }
    for (again, ids) in alike {
        if again.channel != Channel::Email {
            mail_turn::Entity::forget(tx, ids.iter().copied()).await?;
        }
        let due = delivery::Entity::try_again(tx, ids, &again, now).await?;
        retried.rows.extend(due);
    }
    retried.rows.sort_by_key(|row| row.id);
    retried.events = told(&retried.rows);
    Ok(retried)
}

/// How each goes, and why the others cannot.
async fn routed(
    tx: &DatabaseTransaction,
    present: &Present,
    rows: Vec<Model>,
    settings: RetrySettings,
) -> Result<(Vec<(Model, Again)>, Vec<(Model, Refusal)>)> {
    let (mut routes, mut refused) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        match present.route(&row, settings) {
            Ok(again) => routes.push((row, again)),
            Err(refusal) => refused.push((row, refusal)),
        }
    }
    let elsewhere = routes.iter().filter(|(row, again)| enters(row, again).is_some());
    let leads = elsewhere.map(|(row, _)| row.lead_id).collect();
    let mut with_buyers = with_buyers(tx, present.account, leads).await?;
    let mut going = Vec::with_capacity(routes.len());
    for (row, again) in routes {
        let buyer = enters(&row, &again);
        if buyer.is_none_or(|buyer| with_buyers.insert((row.lead_id, buyer))) {
            going.push((row, again));
        } else {
            refused.push((row, with_buyer_already()));
        }
    }
    Ok((going, refused))
}

/// The account into which a delivery comes to go that went elsewhere before.
fn enters(row: &Model, again: &Again) -> Option<AccountId> {
    again
        .buyer_account_id
        .filter(|buyer| row.buyer_account_id != Some(*buyer))
}

fn with_buyer_already() -> Refusal {
    let message = "the account to which the partner's settings lead has a delivery of this lead already, by another way: retry that one";
    Refusal {
        code: UserErrorCode::Conflict,
        message: message.to_owned(),
        of_one: true,
    }
}

fn cap_reached(full: &str) -> Refusal {
    Refusal {
        code: UserErrorCode::CapReached,
        message: format!("{full}: raise it, or retry the delivery in the next window"),
        of_one: false,
    }
}

fn told(rows: &[Model]) -> Vec<NewEvent> {
    let mut told: Vec<NewEvent> = rows.iter().map(delivery_event).collect();
    let in_portals = rows.iter().filter(|row| row.channel == Channel::Portal);
    told.extend(in_portals.filter_map(|row| portal_event(row, EventKind::PortalDelivered)));
    told
}

/// Writes retries into the audit trail and the logs, and commits. Answers nothing: what is due is attempted from then on.
pub(super) async fn commit(
    app: &App,
    tx: Transaction,
    caller: &Caller,
    (retried, settings): (&mut Retried, RetrySettings),
) -> Result<()> {
    let Some(account) = retried.rows.first().map(|row| row.account_id) else {
        return Ok(());
    };
    let now = app.clock.now();
    record(app, &tx, caller, (account, &retried.rows, settings)).await?;
    let told = std::mem::take(&mut retried.events);
    let in_portals = events::count(&told, EventKind::PortalDelivered);
    let heads = events::append(&tx, now, told).await?;
    tx.commit().await?;
    app.metrics.delivered_in_portals(in_portals);
    app.hub.tell(&heads);
    let due = retried.rows.iter().filter(|row| row.status == DeliveryStatus::Retrying);
    app.queue.wake(due.map(|row| row.id).collect());
    Ok(())
}

async fn record(
    app: &App,
    tx: &DatabaseTransaction,
    caller: &Caller,
    (account, rows, settings): (AccountId, &[Model], RetrySettings),
) -> Result<()> {
    let entries = rows.iter().map(|row| Entry {
        action: RETRY,
        subject_type: "Delivery",
        subject_id: row.id.to_string(),
        label: None,
        changes: (settings == RetrySettings::Current)
            .then(|| json!({ "settings": "CURRENT", "settingsVersion": row.settings_id, "channel": row.channel })),
    });
    audit::record_all(tx, &app.clock, account, &caller.who(), entries).await
}
