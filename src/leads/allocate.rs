//! The second half of a decision, taken in the transaction that stores the lead: caps of the flow and the source, then of each
//! partner in turn. Pure over a [`Ledger`] of counters that the transaction holds locked, so caps are exact: whoever counts
//! next waits for this commit.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Duration, Utc};
use entity::cap_usage::Cap;
use entity::delivery::Reservation;
use entity::ids::{CapId, PartnerId};
use entity::profile::Strategy;

use super::decide::Draft;
use super::outcome::{Reason, ReasonCode, Subject, Trace};
use super::snapshot::{Action, Candidate, Profile, Snapshot, Source};
use crate::flows::caps::window;

/// A counter: which cap, in which of its windows.
pub type Counter = (CapId, DateTime<Utc>);

/// Counters held locked, as they are and as they will be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    used: BTreeMap<Counter, i32>,
    changed: HashSet<Counter>,
}

impl Ledger {
    /// The counters as the database has them; one that it lacks stands at zero.
    pub fn new(used: BTreeMap<Counter, i32>) -> Self {
        Self {
            used,
            changed: HashSet::new(),
        }
    }

    /// What has to be written back.
    pub fn changes(&self) -> Vec<(Counter, i32)> {
        let mut changes: Vec<_> = self
            .changed
            .iter()
            .filter_map(|key| self.used.get_key_value(key))
            .map(|(key, used)| (*key, *used))
            .collect();
        changes.sort_unstable();
        changes
    }

    /// Counts once on every cap, or on none: then the full one is named.
    fn reserve<'a>(&mut self, caps: &'a [Cap], now: DateTime<Utc>) -> Result<Vec<Reservation>, &'a Cap> {
        let counters: Vec<(&Cap, Counter)> = caps.iter().map(|cap| (cap, counter(cap, now))).collect();
        if let Some((full, _)) = counters
            .iter()
            .find(|(cap, key)| self.used.get(key).copied().unwrap_or_default() >= cap.limit)
        {
            return Err(full);
        }
        for (_, key) in &counters {
            *self.used.entry(*key).or_default() += 1;
            self.changed.insert(*key);
        }
        Ok(counters
            .into_iter()
            .map(|(_, (cap, window))| Reservation { cap, window })
            .collect())
    }

    /// Takes back what was counted.
    fn release(&mut self, reservations: &[Reservation]) {
        for Reservation { cap, window } in reservations {
            if let Some(used) = self.used.get_mut(&(*cap, *window)) {
                *used -= 1;
            }
        }
    }
}

/// The counter on which a cap counts at that time.
pub fn counter(cap: &Cap, now: DateTime<Utc>) -> Counter {
    (cap.id, window(cap, now).0)
}

/// Every counter that a draft may touch.
pub fn counters(flow: &Snapshot, source: &Source, draft: &Draft, now: DateTime<Utc>) -> Vec<Counter> {
    if !draft.reasons.is_empty() {
        return Vec::new();
    }
    let own = flow.caps.iter().chain(&source.caps);
    let partners = draft
        .routes
        .iter()
        .filter_map(|route| Some((route, profile_of(flow, route.step)?)))
        .flat_map(|(route, profile)| {
            route
                .candidates
                .iter()
                .filter_map(|place| profile.candidates.get(*place))
                .flat_map(|candidate| &candidate.caps)
        });
    own.chain(partners).map(|cap| counter(cap, now)).collect()
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

/// A partner that gets the lead.
#[derive(Debug)]
pub struct Chosen {
    /// Place of the step in the snapshot.
    pub step: usize,
    /// Place in the step's profile.
    pub candidate: usize,
    /// What was counted, to be released if the delivery finally fails.
    pub reservations: Vec<Reservation>,
}

/// Settles a draft: whether caps let it in, and who gets it.
#[expect(
    clippy::too_many_arguments,
    reason = "a lead with its flow, the counters, and the occasion"
)]
pub fn allocate(
    flow: &Snapshot,
    source: &Source,
    draft: &mut Draft,
    ledger: &mut Ledger,
    now: DateTime<Utc>,
    test: bool,
) -> Vec<Chosen> {
    if !draft.reasons.is_empty() {
        return Vec::new();
    }
    if !test && !enter(flow, source, draft, ledger, now) {
        return Vec::new();
    }
    if let Some(filtered) = draft.filtered.take() {
        draft.reasons.push(filtered);
        return Vec::new();
    }
    let mut sent = HashSet::new();
    let mut chosen = Vec::new();
    for route in std::mem::take(&mut draft.routes) {
        let Some(profile) = profile_of(flow, route.step) else {
            continue;
        };
        let picked = pick(
            profile,
            &route.candidates,
            ledger,
            &mut Picking {
                now,
                test,
                sent: &mut sent,
                trace: &mut draft.trace,
            },
        );
        chosen.extend(picked.into_iter().map(|(candidate, reservations)| Chosen {
            step: route.step,
            candidate,
            reservations,
        }));
    }
    let distributes = flow
        .steps
        .iter()
        .any(|step| step.enabled && matches!(step.action, Action::Distribute(_)));
    if chosen.is_empty() && distributes {
        draft.warnings.push(Reason::new(
            ReasonCode::NoMatchingPartner,
            "no partner took the lead; it is stored",
        ));
    }
    chosen
}

/// Caps of the flow, then of the source. A lead that a filter stops afterwards is looked at but not counted.
fn enter(flow: &Snapshot, source: &Source, draft: &mut Draft, ledger: &mut Ledger, now: DateTime<Utc>) -> bool {
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

fn cap_text(cap: &Cap) -> String {
    format!(
        "the cap of {} leads per {} ({}) is used up",
        cap.limit,
        period_word(cap),
        cap.timezone
    )
}

fn period_word(cap: &Cap) -> &'static str {
    use entity::cap_usage::CapPeriod::{Day, Hour, Lifetime, Month, Week};
    match cap.period {
        Hour => "hour",
        Day => "day",
        Week => "week",
        Month => "month",
        Lifetime => "lifetime",
    }
}

/// The profile of a DISTRIBUTE step.
pub fn profile_of(flow: &Snapshot, step: usize) -> Option<&Profile> {
    match flow.steps.get(step).map(|step| &step.action) {
        Some(Action::Distribute(profile)) => Some(profile),
        _ => None,
    }
}

/// What picking partners for one lead looks at and adds to.
pub struct Picking<'a> {
    /// The time.
    pub now: DateTime<Utc>,
    /// Tests touch no cap.
    pub test: bool,
    /// Partners that have the lead already.
    pub sent: &'a mut HashSet<PartnerId>,
    /// What was looked at.
    pub trace: &'a mut Trace,
}

/// Picks among the candidates that passed everything else, by the profile's strategy.
pub fn pick(
    profile: &Profile,
    candidates: &[usize],
    ledger: &mut Ledger,
    picking: &mut Picking<'_>,
) -> Vec<(usize, Vec<Reservation>)> {
    let limit = match profile.strategy {
        Strategy::FirstMatch => 1,
        Strategy::SendToAll => profile.max_recipients.unwrap_or(usize::MAX),
    };
    let mut picked = Vec::new();
    for place in candidates {
        let Some(candidate) = profile.candidates.get(*place) else {
            continue;
        };
        if picked.len() >= limit {
            picking.trace.look(
                &candidate.subject,
                "strategy",
                false,
                "matches, but enough partners have it already",
            );
            continue;
        }
        if let Some(reservations) = picking.take(candidate, ledger) {
            picked.push((*place, reservations));
        }
    }
    picked
}

impl Picking<'_> {
    fn take(&mut self, candidate: &Candidate, ledger: &mut Ledger) -> Option<Vec<Reservation>> {
        if self.sent.contains(&candidate.partner) {
            self.trace.look(
                &candidate.subject,
                "not sent before",
                false,
                "the partner has this lead already",
            );
            return None;
        }
        let reserved = if self.test {
            Ok(Vec::new())
        } else {
            ledger.reserve(&candidate.caps, self.now)
        };
        match reserved {
            Ok(reservations) => {
                self.sent.insert(candidate.partner);
                self.trace.look(&candidate.subject, "chosen", true, "gets the lead");
                Some(reservations)
            }
            Err(full) => {
                self.trace.look(&candidate.subject, "caps", false, cap_text(full));
                None
            }
        }
    }
}
