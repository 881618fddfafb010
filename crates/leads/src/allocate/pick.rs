//! Allocates leads: applies caps and chooses recipients, here and at every buyer that gets the lead.

use chrono::{DateTime, Duration, Utc};
use entity::cap_usage::Cap;
use entity::delivery::Reservation;
use entity::profile::{OnFailure, Strategy};

use super::context::{Accepted, AllocationContext, AlreadyOffered, Placement, Selection};
use super::ledger::cap_text;
use super::round_robin::Contender;
use crate::decide::typing::sent_name;
use crate::draft::{Draft, Handoff, HandoffPlan, InboundLead, Route};
use crate::outcome::{Reason, ReasonCode, Subject, add_reason, display_reasons};
use crate::sharing::warn_of_dropped;
use crate::snapshot::{Action, Buyer, Candidate, Profile, Snapshot, Source};
use crate::trace::Trace;

/// Rejects a lead if the flow has accepted another one with the same values at `last`, within its window. Answers whether.
pub fn refuse_duplicate(flow: &Snapshot, draft: &mut Draft, last: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    if last + Duration::days(i64::from(flow.duplicate_days)) <= now {
        return false;
    }
    let message = format!(
        "the flow has accepted a lead with the same {} within {} days",
        flow.duplicate_keys.join(", "),
        flow.duplicate_days
    );
    draft.trace.check(&flow.subject, "duplicates", false, &message);
    draft.reasons.push(Reason::new(ReasonCode::Duplicate, message));
    true
}

/// Decides whether caps let a lead in, and who gets it, recursively for every buyer that gets it.
pub fn allocate(lead: &mut InboundLead, context: &mut AllocationContext) -> Vec<Selection> {
    let flow = lead.flow.clone();
    let Some(source) = flow.sources.get(lead.source) else {
        return Vec::new();
    };
    let draft = &mut lead.draft;
    let counts = !context.test && !flow.takes_all_from(source);
    let duplicate = draft.duplicate_values.take_if(|_| counts);
    let key = duplicate.map(|values| (flow.flow, values));
    // A lead that is rejected for another reason gets this one as well, as if the first had been stored long before.
    if let Some(first) = key.as_ref().and_then(|key| context.accepted.get(key)) {
        refuse_duplicate(&flow, draft, first.at, context.now.max(first.at));
    }
    if !draft.reasons.is_empty() || (counts && !reserve_entry(&flow, source, draft, context)) {
        return Vec::new();
    }
    if let Some(filtered) = draft.filtered.take() {
        draft.reasons.push(filtered);
        return Vec::new();
    }
    if let Some(key) = key {
        let accepted = Accepted {
            lead: lead.id,
            at: context.now,
        };
        context.accepted.insert(key, accepted);
    }
    let mut offered = AlreadyOffered::default();
    let mut selections = Vec::new();
    for route in std::mem::take(&mut draft.routes) {
        selections.extend(Picker::new(context, &mut offered, draft).follow(&flow, route));
    }
    limit_dropped_warnings(&flow, source, draft);
    let mut actions = flow.steps.iter().filter(|step| step.enabled).map(|step| &step.action);
    let delivers = actions.any(|action| matches!(action, Action::Distribute(_) | Action::Buyer(_)));
    if delivers && !selections.iter().any(|selection| selection.placement.is_placed()) {
        draft.warnings.push(Reason::new(
            ReasonCode::NoMatchingPartner,
            "no partner took the lead; it is stored",
        ));
    }
    selections
}

/// Only the account that shares fields is warned of those that buyers drop, by the names under which it submits. Its trace has them
/// for every lead.
fn limit_dropped_warnings(flow: &Snapshot, source: &Source, draft: &mut Draft) {
    let own = source.sender == flow.account;
    let is_dropped = |warning: &Reason| warning.code == ReasonCode::FieldNotTaken;
    draft.warnings.retain(|warning| own || !is_dropped(warning));
    for warning in draft.warnings.iter_mut().filter(|warning| is_dropped(warning)) {
        let sent_as = warning.field.as_deref().map(|name| sent_name(source, name).to_owned());
        warning.field = sent_as;
    }
}

/// Takes a place under the caps of the flow, then of the source. A lead that a filter stops is checked, but not counted.
fn reserve_entry(flow: &Snapshot, source: &Source, draft: &mut Draft, context: &mut AllocationContext) -> bool {
    let (ledger, now) = (&mut context.ledger, context.now);
    let of_flow = match ledger.reserve(&flow.caps, now) {
        Ok(reservations) => reservations,
        Err(full) => return reject_full(&flow.subject, full, draft),
    };
    match ledger.reserve(&source.caps, now) {
        Ok(of_source) => {
            if draft.filtered.is_some() {
                ledger.release(&of_flow);
                ledger.release(&of_source);
            }
            true
        }
        Err(full) => {
            ledger.release(&of_flow);
            reject_full(&source.subject, full, draft)
        }
    }
}

fn reject_full(subject: &Subject, full: &Cap, draft: &mut Draft) -> bool {
    let detail = cap_text(full);
    draft.trace.check(subject, "caps", false, &detail);
    draft.reasons.push(Reason::new(ReasonCode::CapReached, detail));
    draft.filtered = None;
    false
}

/// Picks the recipients of one lead.
pub struct Picker<'a> {
    context: &'a mut AllocationContext,
    offered: &'a mut AlreadyOffered,
    trace: &'a mut Trace,
    warnings: &'a mut Vec<Reason>,
}

impl<'a> Picker<'a> {
    /// Picks for the lead of that draft.
    pub fn new(context: &'a mut AllocationContext, offered: &'a mut AlreadyOffered, draft: &'a mut Draft) -> Self {
        Self {
            context,
            offered,
            trace: &mut draft.trace,
            warnings: &mut draft.warnings,
        }
    }

    /// Picks where one step routes the lead.
    fn follow(&mut self, flow: &Snapshot, mut route: Route) -> Vec<Selection> {
        let Some(step) = flow.steps.get(route.step) else {
            return Vec::new();
        };
        self.trace
            .enter(&step.subject, matches!(step.action, Action::Distribute(_)));
        let mut selections = match &step.action {
            Action::Buyer(buyer) => {
                let selection = self.offer_to_buyer(&step.subject, buyer, route.handoffs.pop());
                selection.into_iter().collect()
            }
            Action::Distribute(profile) => match profile.strategy {
                Strategy::RoundRobin | Strategy::Weighted => self.by_share(profile, &route.candidates, route.handoffs),
                Strategy::FirstMatch | Strategy::SendToAll => {
                    let limit = profile.most_recipients();
                    self.by_rank(profile, &route.candidates, route.handoffs, limit)
                }
            },
            Action::Filter { .. } | Action::Transform(_) | Action::Unusable(_) => Vec::new(),
        };
        for selection in &mut selections {
            selection.step = route.step;
        }
        selections
    }

    /// Picks the partner that comes next after others have failed. Whatever the strategy, one failure is followed by one partner.
    pub fn pick_next(&mut self, profile: &Profile, candidates: &[usize]) -> Option<Selection> {
        let picked = if profile.is_round_robin() {
            self.by_share(profile, candidates, Vec::new())
        } else {
            self.by_rank(profile, candidates, Vec::new(), 1)
        };
        picked.into_iter().next()
    }

    /// Offers the lead in rank order until `limit` candidates have it. With `NEXT_PARTNER`, a refusal does not count.
    fn by_rank(
        &mut self,
        profile: &Profile,
        candidates: &[usize],
        mut handoffs: Vec<Handoff>,
        limit: usize,
    ) -> Vec<Selection> {
        let (mut picked, mut counted) = (Vec::new(), 0);
        for index in candidates {
            let Some(candidate) = profile.candidates.get(*index) else {
                continue;
            };
            if counted >= limit {
                let detail = "matches, but enough partners have it already";
                self.trace.check_item(&candidate.subject, "strategy", false, detail);
                continue;
            }
            let handoff = take_handoff(&mut handoffs, *index);
            if let Some(mut selection) = self.offer_to_candidate(candidate, handoff, "") {
                selection.candidate = *index;
                if selection.placement.is_placed() || profile.on_failure == OnFailure::Stay {
                    counted += 1;
                }
                picked.push(selection);
            }
        }
        picked
    }

    /// Offers the lead to the candidate whose turn it is. The offer takes the turn: with `NEXT_PARTNER`, a refusal is followed by the
    /// turn of one of the others.
    fn by_share(&mut self, profile: &Profile, candidates: &[usize], mut handoffs: Vec<Handoff>) -> Vec<Selection> {
        let mut rotation = Rotation::new(profile, candidates, self);
        let mut picked = Vec::new();
        while let Some(turn) = rotation.next(self) {
            let handoff = take_handoff(&mut handoffs, turn.index);
            let Some(mut selection) = self.offer_to_candidate(turn.candidate, handoff, &turn.why) else {
                continue;
            };
            selection.candidate = turn.index;
            let goes_on = !selection.placement.is_placed() && profile.on_failure == OnFailure::NextPartner;
            picked.push(selection);
            if !goes_on {
                rotation.trace_others(turn.candidate, self.trace);
                break;
            }
        }
        picked
    }

    /// Takes the next turn of a profile. A test only finds out whose it is.
    fn turn(&mut self, profile: &Profile, contenders: &[Contender]) -> Option<usize> {
        let round_robin = &mut self.context.round_robin;
        if self.context.test {
            return round_robin.peek(profile.id, contenders);
        }
        round_robin.keep_only(profile.id, |assignment| {
            let mut candidates = profile.candidates.iter();
            candidates.any(|candidate| candidate.assignment == assignment)
        });
        round_robin.take(profile.id, contenders)
    }

    /// Whether a candidate could take the lead; if not, the trace says why.
    fn may_take(&mut self, candidate: &Candidate) -> bool {
        if !self.is_new(candidate) {
            return false;
        }
        if self.context.test {
            return true;
        }
        let full = self.context.ledger.full(&candidate.caps, self.context.now);
        if let Some(full) = full {
            self.trace.check_item(&candidate.subject, "caps", false, cap_text(full));
        }
        full.is_none()
    }

    /// Whether neither the partner nor its account was offered the lead before; if one was, the trace says so.
    fn is_new(&mut self, candidate: &Candidate) -> bool {
        if self.offered.partners.contains(&candidate.partner) {
            self.trace_repeat(&candidate.subject, "the partner has this lead already");
            return false;
        }
        let buyer = candidate.recipient.as_ref().map(|recipient| recipient.buyer);
        if buyer.is_some_and(|buyer| self.offered.accounts.contains(&buyer)) {
            self.trace_repeat(&candidate.subject, "the account has this lead already");
            return false;
        }
        true
    }

    /// Offers the lead to a partner, if it may have it. `why` is appended to the trace detail.
    fn offer_to_candidate(&mut self, candidate: &Candidate, handoff: Option<Handoff>, why: &str) -> Option<Selection> {
        if !self.is_new(candidate) {
            return None;
        }
        let reservations = self.reserve(&candidate.subject, &candidate.caps)?;
        self.offered.partners.insert(candidate.partner);
        let buyer = candidate.recipient.as_ref().map(|recipient| recipient.buyer);
        self.offered.accounts.extend(buyer);
        let open_circuits = &self.context.open_circuits;
        let waits = candidate
            .endpoint
            .is_some_and(|endpoint| open_circuits.contains(&endpoint));
        let why = if waits {
            format!("{why}; its destination is paused, so the delivery waits")
        } else {
            why.to_owned()
        };
        Some(self.offer(&candidate.subject, reservations, handoff, &why))
    }

    fn offer_to_buyer(&mut self, subject: &Subject, buyer: &Buyer, handoff: Option<Handoff>) -> Option<Selection> {
        if self.offered.accounts.contains(&buyer.recipient.buyer) {
            self.trace_repeat(subject, "the account has this lead already");
            return None;
        }
        let reservations = self.reserve(subject, &buyer.caps)?;
        self.offered.accounts.insert(buyer.recipient.buyer);
        Some(self.offer(subject, reservations, handoff, ""))
    }

    fn trace_repeat(&mut self, subject: &Subject, detail: &str) {
        self.trace.check_item(subject, "not sent before", false, detail);
    }

    fn reserve(&mut self, subject: &Subject, caps: &[Cap]) -> Option<Vec<Reservation>> {
        if self.context.test {
            return Some(Vec::new());
        }
        match self.context.ledger.reserve(caps, self.context.now) {
            Ok(reservations) => Some(reservations),
            Err(full) => {
                self.trace.check_item(subject, "caps", false, cap_text(full));
                None
            }
        }
    }

    /// Offers the lead to a recipient. A refusal releases the reservations.
    fn offer(
        &mut self,
        subject: &Subject,
        mut reservations: Vec<Reservation>,
        handoff: Option<Handoff>,
        why: &str,
    ) -> Selection {
        let (plan, dropped) = handoff.map_or_else(
            || (HandoffPlan::Deferred, Vec::new()),
            |handoff| (handoff.plan, handoff.dropped_fields),
        );
        let placement = self.place(plan);
        let detail = match &placement {
            Placement::Entered(lead, _) if !lead.draft.reasons.is_empty() => {
                format!("refuses the lead: {}", display_reasons(&lead.draft.reasons))
            }
            Placement::Sent | Placement::Entered(..) => format!("gets the lead{why}"),
            Placement::NotReady(why) => format!("cannot take leads now: {why}"),
            Placement::Loop(why) => {
                add_reason(self.warnings, Reason::new(ReasonCode::Loop, *why));
                format!("LOOP: {why}")
            }
        };
        self.trace.select(subject, placement.is_placed(), detail);
        if placement.is_placed() {
            warn_of_dropped(subject, &dropped, self.trace, self.warnings);
        } else {
            self.context.ledger.release(&reservations);
            reservations.clear();
        }
        Selection {
            step: 0,
            candidate: 0,
            reservations,
            placement,
        }
    }

    fn place(&mut self, plan: HandoffPlan) -> Placement {
        match plan {
            HandoffPlan::Deferred => Placement::Sent,
            HandoffPlan::NotReady { why, .. } => Placement::NotReady(why),
            HandoffPlan::Loop(why) => Placement::Loop(why),
            HandoffPlan::Enter(mut lead) => {
                let selections = allocate(&mut lead, self.context);
                Placement::Entered(lead, selections)
            }
        }
    }
}

fn take_handoff(handoffs: &mut Vec<Handoff>, candidate: usize) -> Option<Handoff> {
    let at = handoffs.iter().position(|handoff| handoff.candidate == candidate)?;
    Some(handoffs.swap_remove(at))
}

/// The candidates that share a lead out.
struct Rotation<'a> {
    profile: &'a Profile,
    /// Indexes and candidates that match and were not offered the lead.
    waiting: Vec<(usize, &'a Candidate)>,
    /// Sum of the weights when the last turn was taken.
    total: i64,
}

/// A candidate whose turn it is.
struct Turn<'a> {
    index: usize,
    candidate: &'a Candidate,
    /// For the trace.
    why: String,
}

impl<'a> Rotation<'a> {
    fn new(profile: &'a Profile, candidates: &[usize], picker: &mut Picker<'_>) -> Self {
        let mut rotation = Self {
            profile,
            waiting: Vec::new(),
            total: 0,
        };
        for index in candidates {
            let Some(candidate) = profile.candidates.get(*index) else {
                continue;
            };
            if rotation.weight(candidate) == 0 {
                let detail = "its weight is 0: it gets no leads by shares";
                picker.trace.check_item(&candidate.subject, "weight", false, detail);
            } else if picker.may_take(candidate) {
                rotation.waiting.push((*index, candidate));
            }
        }
        rotation
    }

    fn weight(&self, candidate: &Candidate) -> i32 {
        match self.profile.strategy {
            Strategy::Weighted => candidate.weight,
            _ => 1,
        }
    }

    fn next(&mut self, picker: &mut Picker<'_>) -> Option<Turn<'a>> {
        let contenders = self.waiting.iter().map(|(_, candidate)| Contender {
            assignment: candidate.assignment,
            weight: self.weight(candidate),
        });
        let contenders: Vec<_> = contenders.collect();
        let taken = picker.turn(self.profile, &contenders)?;
        self.total = contenders.iter().map(|one| i64::from(one.weight)).sum();
        let (index, candidate) = (taken < self.waiting.len()).then(|| self.waiting.remove(taken))?;
        let why = match self.profile.strategy {
            Strategy::Weighted => format!(": it is its turn, {}", self.share(candidate)),
            _ => format!(": it is its turn among {} that match", contenders.len()),
        };
        Some(Turn { index, candidate, why })
    }

    fn share(&self, candidate: &Candidate) -> String {
        format!(
            "by a share of {} in {} among those that match",
            candidate.weight, self.total
        )
    }

    /// Says in the trace why the others do not get the lead.
    fn trace_others(&self, taken: &Candidate, trace: &mut Trace) {
        for (_, candidate) in &self.waiting {
            let whose = format!("matches, but it is the turn of {}", taken.subject.name);
            let detail = match self.profile.strategy {
                Strategy::Weighted => format!("{whose}; its own turn comes {}", self.share(candidate)),
                _ => whose,
            };
            trace.check_item(&candidate.subject, "strategy", false, detail);
        }
    }
}
