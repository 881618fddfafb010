//! What follows a final failure when the profile says so: the next partner that matches gets the lead, in the same transaction,
//! so that a crash can lose neither.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::bulk;
use entity::delivery::{self, Reservations};
use entity::delivery_config::Channel;
use entity::event::EventKind;
use entity::ids::DeliveryId;
use entity::lead_event::{self, LeadEventKind};
use entity::profile::OnFailure;
use sea_orm::{DatabaseTransaction, Set};

use super::routes::Routes;
use crate::chains::Chains;
use crate::reservations;
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::live::events::NewEvent;
use leadmesh_core::queue::LeadContent;
use leadmesh_leads::allocate::{Had, Picking, Settling, Touched, pick_next};
use leadmesh_leads::decide::Draft;
use leadmesh_leads::intake::{
    Recipient, delivery_event, fully_set, lock, look_at_turns, new_delivery, portal_event, write,
};
use leadmesh_leads::snapshot::{Action, Profile, Snapshot};

/// What was routed further.
#[derive(Default)]
pub(crate) struct Rerouted {
    pub(crate) waiting: Vec<DeliveryId>,
    pub(crate) events: Vec<NewEvent>,
}

/// How a failed delivery's lead could be routed further.
pub(super) struct Plan {
    snapshot: Arc<Snapshot>,
    profile: Arc<Profile>,
    draft: Draft,
    candidates: Vec<usize>,
}

impl Plan {
    /// If the delivery's profile says so. The lead is judged by the values by which it was routed when it came.
    pub(super) fn of(
        routes: &Routes,
        failed: &delivery::Model,
        lead: &LeadContent,
        now: DateTime<Utc>,
    ) -> Option<Self> {
        failed.profile_id?;
        let snapshot = routes.flow(failed.flow_id)?.clone();
        let profile = profile_of(&snapshot, failed);
        let profile = profile.filter(|profile| profile.on_failure == OnFailure::NextPartner)?;
        let (fields, invalid) = lead.routed.values_at(failed.step_id, &lead.fields, &lead.invalid);
        let mut draft = Draft {
            fields,
            invalid,
            ..Draft::default()
        };
        let candidates = draft.match_profile(&profile, now);
        Some(Self {
            snapshot,
            profile,
            draft,
            candidates,
        })
    }

    /// Routes to the next partner that matches, if there is one and no other has the lead in place of the one that failed. What [`touched`] names for the delivery is held locked.
    pub(super) async fn follow(
        mut self,
        app: &App,
        tx: &DatabaseTransaction,
        (failed, lead): (&delivery::Model, &Arc<LeadContent>),
        now: DateTime<Utc>,
    ) -> Result<Option<Rerouted>> {
        let held = delivery::Entity::of_lead(failed.account_id, failed.lead_id)
            .all(tx)
            .await?;
        // Somebody may have had one before this tried again, and it has arrived.
        if Chains::of_rows(&held).is_with_another(failed.id) {
            return Ok(None);
        }
        let mut had = Had {
            partners: held.iter().filter_map(|row| row.partner_id).collect(),
            accounts: held.iter().filter_map(|row| row.buyer_account_id).collect(),
        };
        let mut settling = self.settling(tx, failed, now).await?;
        let mut picking = Picking::new(&mut settling, &mut had, &mut self.draft);
        let picked = pick_next(&self.profile, &self.candidates, &mut picking);
        write(tx, &settling).await?;
        let picked = picked.and_then(|chosen| Some((self.profile.candidates.get(chosen.candidate)?, chosen)));
        let Some((candidate, chosen)) = picked else {
            return Ok(None);
        };
        let recipient = Recipient::Partner(&self.profile, candidate);
        let mut row = new_delivery(app, &self.snapshot, recipient, lead, now);
        row.step_id = failed.step_id;
        row.follows = Some(failed.id);
        row.reservations = Reservations(chosen.reservations);
        let message = format!(
            "another partner has not taken the lead: routed to {}",
            candidate.subject.name
        );
        bulk::insert::<lead_event::Entity>(tx, vec![routed(app, &row, message, now)]).await?;
        Ok(Some(insert(tx, row).await?))
    }

    async fn settling(
        &self,
        tx: &DatabaseTransaction,
        failed: &delivery::Model,
        now: DateTime<Utc>,
    ) -> Result<Settling> {
        let (mut touched, mut seen) = (Touched::default(), BTreeMap::new());
        touched.add_places(&self.profile, &self.candidates, now);
        if failed.test {
            seen = look_at_turns(tx, touched.turns).await?;
            touched = Touched::default();
        }
        let mut settling = Settling::new(lock(tx, touched, seen).await?, now);
        settling.test = failed.test;
        Ok(settling)
    }
}

/// Gives back what deliveries hold on caps that have ended without their recipient having the lead, and routes the lead further
/// where it is given, by the flows in `routes`. What all of them touch is locked first, at once and in the order in which everybody
/// locks it. `now` is the one time of the transaction.
pub(crate) async fn follow(
    app: &App,
    tx: &DatabaseTransaction,
    ended: &[(&delivery::Model, Option<&Arc<LeadContent>>)],
    routes: &Routes,
    now: DateTime<Utc>,
) -> Result<Rerouted> {
    let mut all = Rerouted::default();
    let (mut plans, mut touched) = (Vec::with_capacity(ended.len()), Touched::default());
    for (delivery, lead) in ended {
        let plan = lead.and_then(|lead| Some((Plan::of(routes, delivery, lead, now)?, lead)));
        touched.extend(self::touched(delivery, plan.as_ref().map(|(plan, _)| plan), now));
        plans.push((*delivery, plan));
    }
    if plans.is_empty() {
        return Ok(all);
    }
    lock(tx, touched, BTreeMap::new()).await?;
    for (delivery, plan) in plans {
        reservations::release(tx, delivery).await?;
        let Some((plan, lead)) = plan else { continue };
        if let Some(next) = plan.follow(app, tx, (delivery, lead), now).await? {
            all.waiting.extend(next.waiting);
            all.events.extend(next.events);
        }
    }
    Ok(all)
}

/// What the end of a delivery without success may touch: what was counted for it, and what routing its lead further needs.
pub(super) fn touched(failed: &delivery::Model, plan: Option<&Plan>, now: DateTime<Utc>) -> Touched {
    let mut touched = Touched::default();
    touched.add_reservations(&failed.reservations.0);
    if let Some(plan) = plan.filter(|_| !failed.test) {
        touched.add_places(&plan.profile, &plan.candidates, now);
    }
    touched
}

/// The profile by which the delivery was routed, as long as leads pass through its step: through another one with this profile where
/// that is gone.
fn profile_of(snapshot: &Snapshot, failed: &delivery::Model) -> Option<Arc<Profile>> {
    let mut with_profile = snapshot.steps.iter().filter_map(|step| match &step.action {
        Action::Distribute(profile) if Some(profile.id) == failed.profile_id => Some((step, profile)),
        _ => None,
    });
    let own = with_profile.clone().find(|(step, _)| Some(step.id) == failed.step_id);
    let found = own.or_else(|| with_profile.find(|(step, _)| step.enabled));
    found
        .filter(|(step, _)| step.enabled)
        .map(|(_, profile)| profile.clone())
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
