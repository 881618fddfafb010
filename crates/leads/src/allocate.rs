//! The second half of a decision, taken in the transaction that stores the lead: caps of the flow and the source, then of each
//! partner in turn. Pure over a [`Ledger`] of counters and over [`Turns`], which the transaction holds locked, so caps and shares
//! are exact: whoever counts next waits for this commit.

mod ledger;
mod pick;
mod turns;

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Duration, Utc};
use entity::cap_usage::Cap;
use entity::delivery::Reservation;
use entity::ids::{FlowId, LeadId, ProfileId};
use uuid::Uuid;

use super::branch::{Entering, Way};
use super::decide::typing::sent_name;
use super::decide::{Draft, Route};
use super::outcome::{Reason, ReasonCode, Subject};
use super::snapshot::{Action, Candidate, Profile, Snapshot, Source, Step};
pub use ledger::{Counter, Ledger, cap_text, counter};
pub use pick::{Had, Picking, pick, pick_next, words};
pub use turns::Turns;

/// What leads may change of what others have left: locked before they are settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Counters of caps.
    pub counters: BTreeSet<Counter>,
    /// Profiles whose partners take turns.
    pub turns: BTreeSet<ProfileId>,
}

impl Touched {
    /// Adds what a lead may touch, here and at the buyers that it may reach.
    pub fn add(&mut self, lead: &Entering, now: DateTime<Utc>) {
        let Some(source) = lead.source().filter(|_| lead.draft.reasons.is_empty()) else {
            return;
        };
        let flow = &lead.flow;
        self.add_caps(flow.caps.iter().chain(&source.caps), now);
        for route in &lead.draft.routes {
            match flow.steps.get(route.step).map(|step| &step.action) {
                Some(Action::Buyer(buyer)) => self.add_caps(&buyer.caps, now),
                Some(Action::Distribute(profile)) => self.add_places(profile, &route.candidates, now),
                _ => {}
            }
            for branch in &route.branches {
                if let Way::Into(nested) = &branch.way {
                    self.add(nested, now);
                }
            }
        }
    }

    /// Adds what picking among these places of a profile may touch.
    pub fn add_places(&mut self, profile: &Profile, places: &[usize], now: DateTime<Utc>) {
        let candidates = places.iter().filter_map(|place| profile.candidates.get(*place));
        self.add_caps(candidates.flat_map(|candidate: &Candidate| &candidate.caps), now);
        if profile.takes_turns() {
            self.turns.insert(profile.id);
        }
    }

    /// Adds what something else touches.
    pub fn extend(&mut self, other: Self) {
        self.counters.extend(other.counters);
        self.turns.extend(other.turns);
    }

    /// Adds what was counted for a delivery, which may be released.
    pub fn add_reservations(&mut self, reservations: &[Reservation]) {
        let counters = reservations.iter().map(|one| (one.cap, one.window));
        self.counters.extend(counters);
    }

    /// Adds the counters on which these caps count at that time.
    pub fn add_caps<'a>(&mut self, caps: impl IntoIterator<Item = &'a Cap>, now: DateTime<Utc>) {
        self.counters.extend(caps.into_iter().map(|cap| counter(cap, now)));
    }
}

/// Refuses a lead whose duplicate values the flow has accepted at `last`, if that was within its window; answers whether.
pub fn refuse_duplicate(flow: &Snapshot, draft: &mut Draft, last: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    if last + Duration::days(i64::from(flow.duplicate_days)) <= now {
        return false;
    }
    let message = format!(
        "the flow has accepted a lead with the same {} within {} days",
        flow.duplicate_keys.join(", "),
        flow.duplicate_days
    );
    draft.trace.look(&flow.subject, "duplicates", false, &message);
    draft.reasons.push(Reason::new(ReasonCode::Duplicate, message));
    true
}

/// A recipient that was chosen for a lead.
#[derive(Debug)]
pub struct Chosen {
    /// Place of the step in the snapshot.
    pub step: usize,
    /// Place in the step's profile; 0 for a BUYER step.
    pub candidate: usize,
    /// What was counted, to be released if the delivery finally fails.
    pub reservations: Vec<Reservation>,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a delivery.
#[derive(Debug)]
pub enum Fate {
    /// It is on its way; into a portal it has arrived.
    Sent,
    /// The lead has entered a buyer's flow, which has accepted it and chosen these, or has reasons against it.
    Entered(Box<Entering>, Vec<Chosen>),
    /// The buyer cannot take it now, in words.
    NotReady(&'static str),
    /// It stops before it comes back, in words.
    Loop(&'static str),
}

impl Fate {
    /// Whether the recipient has the lead or will get it.
    pub fn is_good(&self) -> bool {
        match self {
            Self::Sent => true,
            Self::Entered(lead, _) => lead.draft.reasons.is_empty(),
            Self::NotReady(_) | Self::Loop(_) => false,
        }
    }
}

/// A lead that was accepted, as duplicates of it are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Which.
    pub lead: LeadId,
    /// When it came.
    pub at: DateTime<Utc>,
}

/// What leads are settled with.
#[derive(Debug)]
pub struct Settling {
    /// Caps, held locked.
    pub ledger: Ledger,
    /// Whose turn it is, held locked.
    pub turns: Turns,
    /// What flows have accepted in this transaction, by the values of their duplicate keys.
    pub accepted: HashMap<(FlowId, String), Accepted>,
    /// Endpoints to which nothing is sent now: for the trace.
    pub closed: HashSet<Uuid>,
    /// The time.
    pub now: DateTime<Utc>,
    /// Tests touch no cap, take no turn and are no duplicates.
    pub test: bool,
}

impl Settling {
    /// With these counters, at that time.
    pub fn new((ledger, turns): (Ledger, Turns), now: DateTime<Utc>) -> Self {
        Self {
            ledger,
            turns,
            accepted: HashMap::new(),
            closed: HashSet::new(),
            now,
            test: false,
        }
    }
}

/// Settles a lead: whether caps let it in, who gets it, and the same for every buyer that gets it.
pub fn allocate(lead: &mut Entering, settling: &mut Settling) -> Vec<Chosen> {
    let flow = lead.flow.clone();
    let Some(source) = flow.sources.get(lead.source) else {
        return Vec::new();
    };
    let draft = &mut lead.draft;
    let counts = !settling.test && !flow.takes_all_from(source);
    let duplicate = draft.duplicate_values.take_if(|_| counts);
    let key = duplicate.map(|values| (flow.flow, values));
    // A lead that is refused for another reason is told this one as well, as if the first had been stored long before.
    if let Some(first) = key.as_ref().and_then(|key| settling.accepted.get(key)) {
        refuse_duplicate(&flow, draft, first.at, settling.now.max(first.at));
    }
    if !draft.reasons.is_empty() {
        return Vec::new();
    }
    if counts && !enter(&flow, source, draft, settling) {
        return Vec::new();
    }
    if let Some(filtered) = draft.filtered.take() {
        draft.reasons.push(filtered);
        return Vec::new();
    }
    if let Some(key) = key {
        let accepted = Accepted {
            lead: lead.id,
            at: settling.now,
        };
        settling.accepted.insert(key, accepted);
    }
    let mut had = Had::default();
    let mut chosen = Vec::new();
    for route in std::mem::take(&mut draft.routes) {
        chosen.extend(send(&flow, route, &mut Picking::new(settling, &mut had, draft)));
    }
    tell_of_lost(&flow, source, draft);
    let delivers = |step: &&Step| step.enabled && matches!(step.action, Action::Distribute(_) | Action::Buyer(_));
    if !chosen.iter().any(|chosen| chosen.fate.is_good()) && flow.steps.iter().any(|step| delivers(&step)) {
        draft.warnings.push(Reason::new(
            ReasonCode::NoMatchingPartner,
            "no partner took the lead; it is stored",
        ));
    }
    chosen
}

/// What buyers drop is the business of the account that shares it, which has it in its trace too, and of no other sender; by the
/// names under which it submits.
fn tell_of_lost(flow: &Snapshot, source: &Source, draft: &mut Draft) {
    let own = source.sender == flow.account;
    draft
        .warnings
        .retain(|warning| own || warning.code != ReasonCode::FieldNotTaken);
    for warning in draft
        .warnings
        .iter_mut()
        .filter(|warning| warning.code == ReasonCode::FieldNotTaken)
    {
        let sent_as = warning.field.as_deref().map(|name| sent_name(source, name).to_owned());
        warning.field = sent_as;
    }
}

/// Sends a lead where one step routes it.
fn send(flow: &Snapshot, mut route: Route, picking: &mut Picking<'_>) -> Vec<Chosen> {
    let Some(step) = flow.steps.get(route.step) else {
        return Vec::new();
    };
    picking.begin_step(&step.subject, matches!(step.action, Action::Distribute(_)));
    let mut chosen: Vec<Chosen> = match &step.action {
        Action::Buyer(buyer) => picking
            .take_buyer(&step.subject, buyer, route.branches.pop())
            .into_iter()
            .collect(),
        Action::Distribute(profile) => pick(profile, &route.candidates, route.branches, picking),
        Action::Filter { .. } | Action::Transform(_) | Action::Unusable(_) => Vec::new(),
    };
    for chosen in &mut chosen {
        chosen.step = route.step;
    }
    chosen
}

/// Caps of the flow, then of the source. A lead that a filter stops afterwards is looked at but not counted.
fn enter(flow: &Snapshot, source: &Source, draft: &mut Draft, settling: &mut Settling) -> bool {
    let (ledger, now) = (&mut settling.ledger, settling.now);
    let flow_caps = ledger.reserve(&flow.caps, now);
    let own = match flow_caps {
        Ok(own) => own,
        Err(full) => return refuse(&flow.subject, full, draft),
    };
    match ledger.reserve(&source.caps, now) {
        Ok(others) => {
            if draft.filtered.is_some() {
                ledger.release(&own);
                ledger.release(&others);
            }
            true
        }
        Err(full) => {
            ledger.release(&own);
            refuse(&source.subject, full, draft)
        }
    }
}

fn refuse(subject: &Subject, full: &Cap, draft: &mut Draft) -> bool {
    let detail = cap_text(full);
    draft.trace.look(subject, "caps", false, &detail);
    draft.reasons.push(Reason::new(ReasonCode::CapReached, detail));
    draft.filtered = None;
    false
}

/// The profile of a DISTRIBUTE step.
pub fn profile_of(flow: &Snapshot, step: usize) -> Option<&Profile> {
    match flow.steps.get(step).map(|step| &step.action) {
        Some(Action::Distribute(profile)) => Some(profile),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
