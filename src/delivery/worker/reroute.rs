//! What follows a final failure when the profile says so: the next partner that matches gets the lead, in the same transaction,
//! so that a crash can lose neither.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::bulk;
use entity::delivery::{self, Reservations};
use entity::delivery_config::Channel;
use entity::event::EventKind;
use entity::ids::{DeliveryId, FlowId};
use entity::lead_event::{self, LeadEventKind};
use entity::profile::OnFailure;
use sea_orm::{DatabaseTransaction, Set};

use crate::app::App;
use crate::error::Result;
use crate::leads::allocate::{Chosen, Counter, Had, Ledger, Picking, Settling, counter, pick};
use crate::leads::compile;
use crate::leads::decide::Draft;
use crate::leads::intake::{
    Recipient, delivery_event, fully_set, lock_counters, new_delivery, portal_event, write_caps,
};
use crate::leads::snapshot::{Action, Profile, Snapshot};
use crate::live::events::NewEvent;
use crate::queue::LeadContent;

/// What was routed further.
pub(super) struct Rerouted {
    pub(super) waiting: Vec<DeliveryId>,
    pub(super) events: Vec<NewEvent>,
}

/// The profiles by which leads of deliveries are routed further, should these fail.
#[derive(Default)]
pub(super) struct Reroutes(HashMap<DeliveryId, (Arc<Snapshot>, Arc<Profile>)>);

impl Reroutes {
    /// Those of these deliveries.
    pub(super) async fn load(tx: &DatabaseTransaction, ended: &[&delivery::Model]) -> Result<Self> {
        let mut flows: HashMap<FlowId, Option<Arc<Snapshot>>> = HashMap::new();
        let mut found = Self::default();
        for delivery in ended.iter().filter(|delivery| delivery.profile_id.is_some()) {
            let flow = match flows.get(&delivery.flow_id) {
                Some(flow) => flow.clone(),
                None => compile::load(tx, delivery.flow_id).await?.map(Arc::new),
            };
            flows.insert(delivery.flow_id, flow.clone());
            let Some(flow) = flow else { continue };
            let profile = profile_of(&flow, delivery).filter(|profile| profile.on_failure == OnFailure::NextPartner);
            if let Some(profile) = profile {
                found.0.insert(delivery.id, (flow, profile));
            }
        }
        Ok(found)
    }

    /// Every counter that the end of these deliveries may touch: those that are given back, and those of whoever may be next.
    /// They are to be locked at once, in the order in which everybody locks them.
    pub(super) fn counters(&self, ended: &[&delivery::Model], now: DateTime<Utc>) -> BTreeSet<Counter> {
        let mut counters = BTreeSet::new();
        for delivery in ended.iter().filter(|delivery| !delivery.test) {
            let held = delivery.reservations.0.iter();
            counters.extend(held.map(|reservation| (reservation.cap, reservation.window)));
            let next = self.0.get(&delivery.id).into_iter();
            let next = next.flat_map(|(_, profile)| &profile.candidates);
            counters.extend(next.flat_map(|next| &next.caps).map(|cap| counter(cap, now)));
        }
        counters
    }
}

/// Routes a failed delivery's lead to the next partner of its profile, if the profile says so and one matches.
pub(super) async fn to_next_partner(
    app: &App,
    tx: &DatabaseTransaction,
    (failed, reroutes): (&delivery::Model, &Reroutes),
    lead: &Arc<LeadContent>,
    now: DateTime<Utc>,
) -> Result<Option<Rerouted>> {
    let Some((snapshot, profile)) = reroutes.0.get(&failed.id) else {
        return Ok(None);
    };
    let held = delivery::Entity::of_lead(failed.account_id, failed.lead_id)
        .all(tx)
        .await?;
    let mut had = Had {
        partners: held.iter().filter_map(|row| row.partner_id).collect(),
        accounts: held.iter().filter_map(|row| row.buyer_account_id).collect(),
    };
    let mut draft = Draft {
        fields: lead.fields.clone(),
        ..Draft::default()
    };
    let candidates = draft.match_profile(profile, now);
    let ledger = if failed.test {
        Ledger::default()
    } else {
        lock(tx, profile, &candidates, now).await?
    };
    let mut settling = Settling::new(ledger, now);
    settling.test = failed.test;
    let picked = first(
        profile,
        &candidates,
        &mut Picking::new(&mut settling, &mut had, &mut draft),
    );
    write_caps(tx, &settling.ledger).await?;
    let Some((candidate, chosen)) = picked.and_then(|chosen| Some((profile.candidates.get(chosen.candidate)?, chosen)))
    else {
        return Ok(None);
    };
    let recipient = Recipient::Partner(profile, candidate);
    let mut row = new_delivery(app, snapshot, recipient, lead, now);
    row.step_id = failed.step_id;
    row.reservations = Reservations(chosen.reservations);
    let message = format!(
        "the delivery to another partner has failed: routed to {}",
        candidate.subject.name
    );
    bulk::insert::<lead_event::Entity>(tx, vec![routed(app, &row, message, now)]).await?;
    Ok(Some(insert(tx, row).await?))
}

fn profile_of(snapshot: &Snapshot, failed: &delivery::Model) -> Option<Arc<Profile>> {
    snapshot.steps.iter().find_map(|step| match &step.action {
        Action::Distribute(profile) if Some(profile.id) == failed.profile_id => Some(profile.clone()),
        _ => None,
    })
}

/// However many partners the strategy takes at once, one failure is followed by one partner.
fn first(profile: &Profile, candidates: &[usize], picking: &mut Picking<'_>) -> Option<Chosen> {
    candidates
        .iter()
        .find_map(|place| pick(profile, &[*place], Vec::new(), picking).into_iter().next())
}

async fn lock(tx: &DatabaseTransaction, profile: &Profile, candidates: &[usize], now: DateTime<Utc>) -> Result<Ledger> {
    let caps = candidates
        .iter()
        .filter_map(|place| profile.candidates.get(*place))
        .flat_map(|candidate| &candidate.caps);
    let wanted: BTreeSet<_> = caps.map(|cap| counter(cap, now)).collect();
    if wanted.is_empty() {
        Ok(Ledger::default())
    } else {
        lock_counters(tx, wanted).await
    }
}

async fn insert(tx: &DatabaseTransaction, row: delivery::Model) -> Result<Rerouted> {
    let mut events = vec![delivery_event(&row)];
    let portal = row.channel == Channel::Portal;
    if portal {
        events.extend(portal_event(&row, EventKind::PortalDelivered));
    }
    let waiting = if portal { Vec::new() } else { vec![row.id] };
    bulk::insert::<delivery::Entity>(tx, vec![fully_set(row)]).await?;
    Ok(Rerouted { waiting, events })
}

fn routed(app: &App, row: &delivery::Model, message: String, now: DateTime<Utc>) -> lead_event::ActiveModel {
    lead_event::ActiveModel {
        id: Set(app.clock.id()),
        account_id: Set(row.account_id),
        lead_id: Set(row.lead_id),
        at: Set(now),
        kind: Set(LeadEventKind::Routed),
        message: Set(message),
    }
}
