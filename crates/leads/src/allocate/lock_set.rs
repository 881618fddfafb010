//! The rows that allocation shares with other transactions, and that are locked before it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entity::cap_usage::Cap;
use entity::delivery::Reservation;
use entity::ids::ProfileId;

use super::ledger::{Counter, counter};
use crate::draft::{HandoffPlan, InboundLead};
use crate::snapshot::{Action, Candidate, Profile};

/// Shared rows, in the order in which they are locked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockSet {
    /// Counters of caps.
    pub counters: BTreeSet<Counter>,
    /// Profiles that share leads out.
    pub profiles: BTreeSet<ProfileId>,
}

impl LockSet {
    /// Adds what a lead may change, here and at the buyers that it may reach.
    pub fn add(&mut self, lead: &InboundLead, now: DateTime<Utc>) {
        let Some(source) = lead.source().filter(|_| lead.draft.reasons.is_empty()) else {
            return;
        };
        let flow = &lead.flow;
        self.add_caps(flow.caps.iter().chain(&source.caps), now);
        for route in &lead.draft.routes {
            match flow.steps.get(route.step).map(|step| &step.action) {
                Some(Action::Buyer(buyer)) => self.add_caps(&buyer.caps, now),
                Some(Action::Distribute(profile)) => self.add_candidates(profile, &route.candidates, now),
                _ => {}
            }
            for handoff in &route.handoffs {
                if let HandoffPlan::Enter(nested) = &handoff.plan {
                    self.add(nested, now);
                }
            }
        }
    }

    /// Adds what a choice among these candidates of a profile may change.
    pub fn add_candidates(&mut self, profile: &Profile, indexes: &[usize], now: DateTime<Utc>) {
        let candidates = indexes.iter().filter_map(|index| profile.candidates.get(*index));
        self.add_caps(candidates.flat_map(|candidate: &Candidate| &candidate.caps), now);
        if profile.is_round_robin() {
            self.profiles.insert(profile.id);
        }
    }

    /// Adds the rows of another set.
    pub fn extend(&mut self, other: Self) {
        self.counters.extend(other.counters);
        self.profiles.extend(other.profiles);
    }

    /// Adds the counters of reservations that may be released.
    pub fn add_reservations(&mut self, reservations: &[Reservation]) {
        let counters = reservations.iter().map(|one| (one.cap, one.window));
        self.counters.extend(counters);
    }

    /// Adds the counters of caps in the windows of that time.
    pub fn add_caps<'a>(&mut self, caps: impl IntoIterator<Item = &'a Cap>, now: DateTime<Utc>) {
        self.counters.extend(caps.into_iter().map(|cap| counter(cap, now)));
    }
}
