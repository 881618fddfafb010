//! The next partner gets the lead of a delivery that has failed, if the profile says so: in the same transaction, so that a crash
//! can lose neither.

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

use super::chains::Chains;
use super::routes::Routes;
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::live::events::NewEvent;
use leadmesh_core::queue::LeadContent;
use leadmesh_leads::allocate::{AllocationContext, AlreadyOffered, LockSet, Picker};
use leadmesh_leads::draft::Draft;
use leadmesh_leads::intake::{
    Recipient, delivery_event, fully_set, lock, new_delivery, portal_event, read_credits, write,
};
use leadmesh_leads::snapshot::{Action, Profile, Snapshot};

/// How the lead of a failed delivery goes to the next partner.
pub(super) struct Plan<'a> {
    failed: &'a delivery::Model,
    lead: &'a Arc<LeadContent>,
    snapshot: Arc<Snapshot>,
    profile: Arc<Profile>,
    draft: Draft,
    candidates: Vec<usize>,
}

/// The delivery to the next partner.
#[derive(Default)]
pub(super) struct Rerouted {
    pub(super) waiting: Option<DeliveryId>,
    pub(super) events: Vec<NewEvent>,
}

impl<'a> Plan<'a> {
    /// None unless the delivery's profile says so. The lead is judged by the values by which it was routed when it came.
    pub(super) fn of(
        routes: &Routes,
        failed: &'a delivery::Model,
        lead: &'a Arc<LeadContent>,
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
            failed,
            lead,
            snapshot,
            profile,
            draft,
            candidates,
        })
    }

    /// Adds the locks that [`Self::follow`] needs. A test counts nowhere.
    pub(super) fn add_locks(&self, locks: &mut LockSet, now: DateTime<Utc>) {
        if !self.failed.test {
            locks.add_candidates(&self.profile, &self.candidates, now);
        }
    }

    /// Makes the delivery to the next partner that matches; none where there is no such partner, or another one has the lead in
    /// place of the one that failed. The locks of [`Self::add_locks`] are held.
    pub(super) async fn follow(mut self, app: &App, tx: &DatabaseTransaction, now: DateTime<Utc>) -> Result<Rerouted> {
        let failed = self.failed;
        let of_lead = delivery::Entity::of_lead(failed.account_id, failed.lead_id)
            .all(tx)
            .await?;
        // After a retry by hand of this one, its successor may have delivered the lead.
        if Chains::of_rows(&of_lead).is_with_another(failed.id) {
            return Ok(Rerouted::default());
        }
        let mut offered = AlreadyOffered {
            partners: of_lead.iter().filter_map(|row| row.partner_id).collect(),
            accounts: of_lead.iter().filter_map(|row| row.buyer_account_id).collect(),
        };
        let mut allocation = self.allocation(tx, now).await?;
        let mut picker = Picker::new(&mut allocation, &mut offered, &mut self.draft);
        let selection = picker.pick_next(&self.profile, &self.candidates);
        write(tx, &allocation).await?;
        let selection = selection.and_then(|chosen| Some((self.profile.candidates.get(chosen.candidate)?, chosen)));
        let Some((candidate, chosen)) = selection else {
            return Ok(Rerouted::default());
        };
        let recipient = Recipient::Partner(&self.profile, candidate);
        let mut row = new_delivery(app, &self.snapshot, recipient, self.lead, now);
        row.step_id = failed.step_id;
        row.follows = Some(failed.id);
        row.reservations = Reservations(chosen.reservations);
        let event = lead_event::ActiveModel {
            id: Set(app.clock.id()),
            account_id: Set(row.account_id),
            lead_id: Set(row.lead_id),
            at: Set(now),
            kind: Set(LeadEventKind::Routed),
            message: Set(format!(
                "another partner has not taken the lead: routed to {}",
                candidate.subject.name
            )),
        };
        bulk::insert::<lead_event::Entity>(tx, vec![event]).await?;
        insert(tx, row).await
    }

    async fn allocation(&self, tx: &DatabaseTransaction, now: DateTime<Utc>) -> Result<AllocationContext> {
        let (mut locks, mut seen) = (LockSet::default(), BTreeMap::new());
        locks.add_candidates(&self.profile, &self.candidates, now);
        if self.failed.test {
            seen = read_credits(tx, locks.profiles).await?;
            locks = LockSet::default();
        }
        let (ledger, round_robin) = lock(tx, locks, seen).await?;
        let mut allocation = AllocationContext::new(ledger, round_robin, now);
        allocation.test = self.failed.test;
        Ok(allocation)
    }
}

/// The profile by which the delivery was routed, as long as leads pass through its step. Where that step is gone, an enabled step
/// with the same profile takes its place.
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
    let waiting = (!portal).then_some(row.id);
    bulk::insert::<delivery::Entity>(tx, vec![fully_set(row)]).await?;
    Ok(Rerouted { waiting, events })
}
