//! Retrying deliveries by hand: by which settings, over which connection, and within which caps.

use entity::delivery::{self, DeliveryStatus, Model};
use entity::delivery_config::Channel;
use entity::event::EventKind;
use entity::ids::{AccountId, DeliveryId};
use entity::manual_retry::RetryRoute;
use entity::send_slot;
use sea_orm::DatabaseTransaction;
use serde_json::json;

use super::finish::Effects;
use super::manage;
use super::reservations;
use super::retry_route::{CurrentSetup, with_buyers};
pub use super::retry_route::{Refusal, RetrySettings};
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry};
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_leads::intake::portal_event;

const RETRIED: &str = "delivery.retried";

#[derive(Default)]
pub(super) struct Retried {
    /// Those that are due now, or in a portal, in order of identifier.
    pub(super) rows: Vec<Model>,
    /// Those that stay as they are, each with the reason.
    pub(super) refused: Vec<(Model, Refusal)>,
}

/// Retries a FAILED, CANCELLED or waiting delivery now, or one that a connected account has REFUSED, which may have changed its flow
/// since. The delivery gets a fresh budget of attempts and takes places on its recipient's caps, or is refused with `CAP_REACHED`. It
/// keeps its identifier, so that a recipient that has it already recognises it.
pub async fn retry(app: &App, caller: &Caller, id: DeliveryId, settings: RetrySettings) -> Result<delivery::Model> {
    let account = caller.require(Action::ManageDeliveries)?;
    let tx = app.db.begin().await?;
    let row = manage::locked(&tx, account, id).await?;
    if row.erased_at.is_some() {
        return Err(manage::conflict("the lead was erased: there is nothing left to send"));
    }
    match row.status {
        DeliveryStatus::Failed | DeliveryStatus::Cancelled | DeliveryStatus::Retrying => {}
        DeliveryStatus::Queued | DeliveryStatus::Sending => {
            return Err(manage::conflict("the delivery is under way already"));
        }
        DeliveryStatus::Delivered => return Err(manage::conflict("the recipient has the lead already")),
        DeliveryStatus::Refused if row.buyer_account_id.is_some() && !stopped_by_loop(&row) => {}
        DeliveryStatus::Refused => {
            return Err(manage::conflict(
                "the recipient has refused the lead: a retry would not change that",
            ));
        }
    }
    let mut retried = requeue(app, &tx, vec![row], settings).await?;
    if let Some((_, refusal)) = retried.refused.pop() {
        return Err(Error::user(refusal.code, "id", refusal.message));
    }
    let mut retried = retried.commit(app, tx, caller, settings).await?;
    retried
        .rows
        .pop()
        .ok_or_else(|| Error::Internal(anyhow::anyhow!("a delivery that was locked is gone")))
}

/// Whether the lead would come back to an account that it has passed: nothing changes that.
fn stopped_by_loop(row: &delivery::Model) -> bool {
    row.failure_message.as_ref().is_some_and(|why| why.starts_with("LOOP"))
}

/// Makes deliveries due again, in the order given, as far as their caps allow. The caller holds them locked.
pub(super) async fn requeue(
    app: &App,
    tx: &DatabaseTransaction,
    rows: Vec<Model>,
    settings: RetrySettings,
) -> Result<Retried> {
    let Some(account) = rows.first().map(|row| row.account_id) else {
        return Ok(Retried::default());
    };
    let (now, mut retried) = (app.clock.now(), Retried::default());
    let setup = CurrentSetup::load(tx, account, &rows).await?;
    let (going, refused) = routes(tx, &setup, rows, settings).await?;
    retried.refused = refused;
    let rows = going.iter().map(|(row, _)| row);
    let mut reserved = reservations::reserve_again(tx, rows, |row| setup.caps(row), now).await?;
    let mut alike: Vec<(RetryRoute, Vec<DeliveryId>)> = Vec::new();
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
            send_slot::Entity::forget(tx, ids.iter().copied()).await?;
        }
        let due = delivery::Entity::requeue(tx, ids, &again, now).await?;
        retried.rows.extend(due);
    }
    retried.rows.sort_by_key(|row| row.id);
    Ok(retried)
}

/// The route of each delivery that can be retried, and why the others cannot.
async fn routes(
    tx: &DatabaseTransaction,
    setup: &CurrentSetup,
    rows: Vec<Model>,
    settings: RetrySettings,
) -> Result<(Vec<(Model, RetryRoute)>, Vec<(Model, Refusal)>)> {
    let (mut routes, mut refused) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        match setup.route(&row, settings) {
            Ok(again) => routes.push((row, again)),
            Err(refusal) => refused.push((row, refusal)),
        }
    }
    let elsewhere = routes.iter().filter(|(row, again)| new_buyer(row, again).is_some());
    let leads = elsewhere.map(|(row, _)| row.lead_id).collect();
    let mut with_buyers = with_buyers(tx, setup.account, leads).await?;
    let mut going = Vec::with_capacity(routes.len());
    for (row, again) in routes {
        let buyer = new_buyer(&row, &again);
        if buyer.is_none_or(|buyer| with_buyers.insert((row.lead_id, buyer))) {
            going.push((row, again));
        } else {
            refused.push((row, with_buyer_already()));
        }
    }
    Ok((going, refused))
}

/// The account that gets the lead by this retry and did not before.
fn new_buyer(row: &Model, again: &RetryRoute) -> Option<AccountId> {
    again
        .buyer_account_id
        .filter(|buyer| row.buyer_account_id != Some(*buyer))
}

fn with_buyer_already() -> Refusal {
    let message = "the account to which the partner's settings lead has a delivery of this lead already, by another way: retry that one";
    Refusal {
        code: UserErrorCode::Conflict,
        message: message.to_owned(),
        of_this_delivery: true,
    }
}

fn cap_reached(full: &str) -> Refusal {
    Refusal {
        code: UserErrorCode::CapReached,
        message: format!("{full}: raise it, or retry the delivery in the next window"),
        of_this_delivery: false,
    }
}

impl Retried {
    /// Adds the retries to the audit log, and commits: what is due is attempted from then on.
    pub(super) async fn commit(
        self,
        app: &App,
        tx: Transaction,
        caller: &Caller,
        settings: RetrySettings,
    ) -> Result<Self> {
        let Some(account) = self.rows.first().map(|row| row.account_id) else {
            return Ok(self);
        };
        let entries = self.rows.iter().map(|row| audit_entry(row, settings));
        audit::record_all(&tx, &app.clock, account, &caller.actor(), entries).await?;
        let mut effects = Effects::changed(&self.rows);
        for row in &self.rows {
            if row.channel == Channel::Portal {
                effects.events.extend(portal_event(row, EventKind::PortalDelivered));
            } else {
                effects.waiting.push(row.id);
            }
        }
        effects.commit(app, tx, app.clock.now()).await?;
        Ok(self)
    }
}

fn audit_entry(row: &Model, settings: RetrySettings) -> Entry<'static> {
    let changes = json!({ "settings": "CURRENT", "settingsVersion": row.settings_id, "channel": row.channel });
    manage::audit_entry(RETRIED, row, (settings == RetrySettings::Current).then_some(changes))
}
