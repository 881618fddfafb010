//! The second half of a decision, taken in the transaction that stores the lead: caps of the flow and the source, then of each
//! partner in turn. Pure over a [`Ledger`] of counters that the transaction holds locked, so caps are exact: whoever counts
//! next waits for this commit.

mod ledger;
mod pick;

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Duration, Utc};
use entity::cap_usage::Cap;
use entity::delivery::Reservation;
use entity::ids::{FlowId, LeadId};

use super::branch::{Entering, Way};
use super::decide::{Draft, Route};
use super::outcome::{Reason, ReasonCode, Subject};
use super::snapshot::{Action, Profile, Snapshot, Source, Step};
use ledger::cap_text;
pub use ledger::{Counter, Ledger, counter};
pub use pick::{Had, Picking, pick, words};

/// Every counter that a lead may touch, here and at the buyers that it may reach.
pub fn counters(lead: &Entering, now: DateTime<Utc>, found: &mut BTreeSet<Counter>) {
    let Some(source) = lead.source().filter(|_| lead.draft.reasons.is_empty()) else {
        return;
    };
    let flow = &lead.flow;
    let own = flow.caps.iter().chain(&source.caps);
    found.extend(own.map(|cap| counter(cap, now)));
    for route in &lead.draft.routes {
        match flow.steps.get(route.step).map(|step| &step.action) {
            Some(Action::Buyer(buyer)) => found.extend(buyer.caps.iter().map(|cap| counter(cap, now))),
            Some(Action::Distribute(profile)) => {
                let candidates = route
                    .candidates
                    .iter()
                    .filter_map(|place| profile.candidates.get(*place));
                let caps = candidates.flat_map(|candidate| &candidate.caps);
                found.extend(caps.map(|cap| counter(cap, now)));
            }
            _ => {}
        }
        for branch in &route.branches {
            if let Way::Into(nested) = &branch.way {
                counters(nested, now, found);
            }
        }
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
    draft.trace.look(&flow.subject, "duplicates", false, message.clone());
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

/// What leads are settled with.
#[derive(Debug)]
pub struct Settling {
    /// Caps, held locked.
    pub ledger: Ledger,
    /// What flows have accepted in this transaction, by the values of their duplicate keys.
    pub accepted: HashMap<(FlowId, String), LeadId>,
    /// The time.
    pub now: DateTime<Utc>,
    /// Tests touch no cap and are no duplicates.
    pub test: bool,
}

impl Settling {
    /// With these counters, at that time.
    pub fn new(ledger: Ledger, now: DateTime<Utc>) -> Self {
        Self {
            ledger,
            accepted: HashMap::new(),
            now,
            test: false,
        }
    }
}

/// Settles a lead: whether caps let it in, who gets it, and the same for every buyer that gets it.
pub fn allocate(lead: &mut Entering, settling: &mut Settling) -> Vec<Chosen> {
    let flow = lead.flow.clone();
    let Some(source) = flow.sources.get(lead.source).filter(|_| lead.draft.reasons.is_empty()) else {
        return Vec::new();
    };
    let draft = &mut lead.draft;
    let counts = !settling.test && !flow.takes_all_from(source);
    let duplicate = draft.duplicate_values.take_if(|_| counts);
    let key = duplicate.map(|values| (flow.flow, values));
    if key.as_ref().is_some_and(|key| settling.accepted.contains_key(key)) {
        refuse_duplicate(&flow, draft, settling.now, settling.now);
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
        settling.accepted.insert(key, lead.id);
    }
    let mut had = Had::default();
    let mut chosen = Vec::new();
    for route in std::mem::take(&mut draft.routes) {
        chosen.extend(send(&flow, route, &mut Picking::new(settling, &mut had, draft)));
    }
    let delivers = |step: &&Step| step.enabled && matches!(step.action, Action::Distribute(_) | Action::Buyer(_));
    if !chosen.iter().any(|chosen| chosen.fate.is_good()) && flow.steps.iter().any(|step| delivers(&step)) {
        draft.warnings.push(Reason::new(
            ReasonCode::NoMatchingPartner,
            "no partner took the lead; it is stored",
        ));
    }
    chosen
}

/// Sends a lead where one step routes it.
fn send(flow: &Snapshot, mut route: Route, picking: &mut Picking<'_>) -> Vec<Chosen> {
    let Some(step) = flow.steps.get(route.step) else {
        return Vec::new();
    };
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
    draft.trace.look(subject, "caps", false, detail.clone());
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
