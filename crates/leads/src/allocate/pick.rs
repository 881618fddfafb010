//! Picking who gets a lead, among those that passed everything else.

use std::collections::HashSet;

use entity::cap_usage::Cap;
use entity::delivery::Reservation;
use entity::ids::{AccountId, PartnerId};
use entity::profile::{OnFailure, Strategy};

use super::ledger::cap_text;
use super::turns::Contender;
use super::{Chosen, Fate, Settling, allocate};
use crate::branch::{Branch, Way};
use crate::decide::Draft;
use crate::lost_fields;
use crate::outcome::{Reason, ReasonCode, Subject, tell};
use crate::snapshot::{Buyer, Candidate, Profile};
use crate::trace::Trace;

/// Who has a lead already, or was offered it.
#[derive(Debug, Default)]
pub struct Had {
    /// Partners.
    pub partners: HashSet<PartnerId>,
    /// Connected accounts.
    pub accounts: HashSet<AccountId>,
}

/// What picking recipients for one lead looks at and adds to.
pub struct Picking<'a> {
    settling: &'a mut Settling,
    had: &'a mut Had,
    trace: &'a mut Trace,
    warnings: &'a mut Vec<Reason>,
}

impl<'a> Picking<'a> {
    /// For that lead.
    pub fn new(settling: &'a mut Settling, had: &'a mut Had, draft: &'a mut Draft) -> Self {
        Self {
            settling,
            had,
            trace: &mut draft.trace,
            warnings: &mut draft.warnings,
        }
    }

    /// What follows is picked for that step.
    pub(super) fn begin_step(&mut self, step: &Subject, many: bool) {
        self.trace.enter(step, many);
    }
}

/// Picks among the candidates that passed everything else, by the profile's strategy. With `NEXT_PARTNER`, one that an account
/// refuses does not count.
pub fn pick(profile: &Profile, candidates: &[usize], branches: Vec<Branch>, picking: &mut Picking<'_>) -> Vec<Chosen> {
    match profile.strategy {
        Strategy::FirstMatch => by_rank(profile, candidates, branches, (picking, 1)),
        Strategy::SendToAll => {
            let limit = profile.max_recipients.unwrap_or(usize::MAX);
            by_rank(profile, candidates, branches, (picking, limit))
        }
        Strategy::RoundRobin | Strategy::Weighted => by_turn(profile, candidates, branches, picking),
    }
}

/// Picks the one that comes next after others have failed: however many partners the strategy takes at once, one failure is
/// followed by one partner.
pub fn pick_next(profile: &Profile, candidates: &[usize], picking: &mut Picking<'_>) -> Option<Chosen> {
    let picked = if profile.takes_turns() {
        by_turn(profile, candidates, Vec::new(), picking)
    } else {
        by_rank(profile, candidates, Vec::new(), (picking, 1))
    };
    picked.into_iter().next()
}

/// Best rank first, as many as the limit says.
fn by_rank(
    profile: &Profile,
    candidates: &[usize],
    mut branches: Vec<Branch>,
    (picking, limit): (&mut Picking<'_>, usize),
) -> Vec<Chosen> {
    let (mut picked, mut counted) = (Vec::new(), 0);
    for place in candidates {
        let Some(candidate) = profile.candidates.get(*place) else {
            continue;
        };
        if counted >= limit {
            picking.trace.look_at(
                &candidate.subject,
                "strategy",
                false,
                "matches, but enough partners have it already",
            );
            continue;
        }
        let branch = branch_at(&mut branches, *place);
        if let Some(mut chosen) = picking.take(candidate, branch, "") {
            chosen.candidate = *place;
            if chosen.fate.is_good() || profile.on_failure == OnFailure::Stay {
                counted += 1;
            }
            picked.push(chosen);
        }
    }
    picked
}

/// The one whose turn it is. Being offered the lead is the turn: with `NEXT_PARTNER`, who comes after one that refuses is found
/// by the turns of the others.
fn by_turn(
    profile: &Profile,
    candidates: &[usize],
    mut branches: Vec<Branch>,
    picking: &mut Picking<'_>,
) -> Vec<Chosen> {
    let mut round = Round::new(profile, candidates, picking);
    let mut picked = Vec::new();
    while let Some((place, candidate, why)) = round.next(picking) {
        let branch = branch_at(&mut branches, place);
        let Some(mut chosen) = picking.take(candidate, branch, &why) else {
            continue;
        };
        chosen.candidate = place;
        let goes_on = !chosen.fate.is_good() && profile.on_failure == OnFailure::NextPartner;
        picked.push(chosen);
        if !goes_on {
            round.tell_others(candidate, picking);
            break;
        }
    }
    picked
}

fn branch_at(branches: &mut Vec<Branch>, place: usize) -> Option<Branch> {
    let at = branches.iter().position(|branch| branch.candidate == place)?;
    Some(branches.swap_remove(at))
}

/// Those between whom a lead's turn is decided.
struct Round<'a> {
    profile: &'a Profile,
    /// Places in the profile of those that match and have not been offered the lead.
    waiting: Vec<(usize, &'a Candidate)>,
    /// Sum of the weights among which the last turn was decided.
    total: i64,
}

impl<'a> Round<'a> {
    fn new(profile: &'a Profile, candidates: &[usize], picking: &mut Picking<'_>) -> Self {
        let mut round = Self {
            profile,
            waiting: Vec::new(),
            total: 0,
        };
        for place in candidates {
            let Some(candidate) = profile.candidates.get(*place) else {
                continue;
            };
            if round.weight(candidate) == 0 {
                picking.tell_of_no_share(candidate);
            } else if picking.may_take(candidate) {
                round.waiting.push((*place, candidate));
            }
        }
        round
    }

    fn weight(&self, candidate: &Candidate) -> i32 {
        match self.profile.strategy {
            Strategy::Weighted => candidate.weight,
            _ => 1,
        }
    }

    /// Whose turn it is, and why in words.
    fn next(&mut self, picking: &mut Picking<'_>) -> Option<(usize, &'a Candidate, String)> {
        let contender = |(_, candidate): &(usize, &Candidate)| Contender {
            assignment: candidate.assignment,
            weight: self.weight(candidate),
        };
        let contenders: Vec<_> = self.waiting.iter().map(contender).collect();
        let taken = picking.turn(self.profile, &contenders)?;
        self.total = contenders.iter().map(|one| i64::from(one.weight)).sum();
        let (place, candidate) = (taken < self.waiting.len()).then(|| self.waiting.remove(taken))?;
        let why = match self.profile.strategy {
            Strategy::Weighted => format!(": it is its turn, {}", self.share(candidate)),
            _ => format!(": it is its turn among {} that match", contenders.len()),
        };
        Some((place, candidate, why))
    }

    fn share(&self, candidate: &Candidate) -> String {
        format!(
            "by a share of {} in {} among those that match",
            candidate.weight, self.total
        )
    }

    /// Tells why the others do not get the lead.
    fn tell_others(&self, taken: &Candidate, picking: &mut Picking<'_>) {
        for (_, candidate) in &self.waiting {
            let whose = format!("matches, but it is the turn of {}", taken.subject.name);
            let detail = match self.profile.strategy {
                Strategy::Weighted => format!("{whose}; its own turn comes {}", self.share(candidate)),
                _ => whose,
            };
            picking.trace.look_at(&candidate.subject, "strategy", false, detail);
        }
    }
}

impl Picking<'_> {
    /// Takes a turn; a test only looks whose it would be.
    fn turn(&mut self, profile: &Profile, contenders: &[Contender]) -> Option<usize> {
        let turns = &mut self.settling.turns;
        if self.settling.test {
            return turns.look(profile.id, contenders);
        }
        turns.keep_only(profile.id, |place| {
            let mut places = profile.candidates.iter();
            places.any(|candidate| candidate.assignment == place)
        });
        turns.take(profile.id, contenders)
    }

    /// Tells that a partner has no share.
    fn tell_of_no_share(&mut self, candidate: &Candidate) {
        let detail = "its weight is 0: it gets no leads by shares";
        self.trace.look_at(&candidate.subject, "weight", false, detail);
    }

    /// Whether a partner could take the lead; if not, the trace says why.
    fn may_take(&mut self, candidate: &Candidate) -> bool {
        if !self.is_new(candidate) {
            return false;
        }
        let settling = &self.settling;
        if settling.test {
            return true;
        }
        let full = settling.ledger.full(&candidate.caps, settling.now);
        if let Some(full) = full {
            self.trace.look_at(&candidate.subject, "caps", false, cap_text(full));
        }
        full.is_none()
    }

    /// Whether a partner has not had the lead; if it has, the trace says so.
    fn is_new(&mut self, candidate: &Candidate) -> bool {
        if self.had.partners.contains(&candidate.partner) {
            self.not_again(&candidate.subject, "the partner has this lead already");
            return false;
        }
        let buyer = candidate.outlet.as_ref().map(|outlet| outlet.buyer);
        if buyer.is_some_and(|buyer| self.had.accounts.contains(&buyer)) {
            self.not_again(&candidate.subject, "the account has this lead already");
            return false;
        }
        true
    }

    /// Takes a partner, if it may have the lead; `why` follows the words that say that it gets it.
    fn take(&mut self, candidate: &Candidate, branch: Option<Branch>, why: &str) -> Option<Chosen> {
        if !self.is_new(candidate) {
            return None;
        }
        let reservations = self.reserve(&candidate.subject, &candidate.caps)?;
        self.had.partners.insert(candidate.partner);
        let buyer = candidate.outlet.as_ref().map(|outlet| outlet.buyer);
        self.had.accounts.extend(buyer);
        let closed = &self.settling.closed;
        let waits = candidate.endpoint.is_some_and(|endpoint| closed.contains(&endpoint));
        let how = if waits {
            format!("{why}; its destination is paused, so the delivery waits")
        } else {
            why.to_owned()
        };
        Some(self.offer(&candidate.subject, reservations, (branch, &how)))
    }

    pub(super) fn take_buyer(&mut self, subject: &Subject, buyer: &Buyer, branch: Option<Branch>) -> Option<Chosen> {
        if self.had.accounts.contains(&buyer.outlet.buyer) {
            self.not_again(subject, "the account has this lead already");
            return None;
        }
        let reservations = self.reserve(subject, &buyer.caps)?;
        self.had.accounts.insert(buyer.outlet.buyer);
        Some(self.offer(subject, reservations, (branch, "")))
    }

    fn not_again(&mut self, subject: &Subject, detail: &str) {
        self.trace.look_at(subject, "not sent before", false, detail);
    }

    fn reserve(&mut self, subject: &Subject, caps: &[Cap]) -> Option<Vec<Reservation>> {
        if self.settling.test {
            return Some(Vec::new());
        }
        match self.settling.ledger.reserve(caps, self.settling.now) {
            Ok(reservations) => Some(reservations),
            Err(full) => {
                self.trace.look_at(subject, "caps", false, cap_text(full));
                None
            }
        }
    }

    /// Offers the lead to a recipient; one that cannot take it keeps no place on caps.
    fn offer(
        &mut self,
        subject: &Subject,
        reservations: Vec<Reservation>,
        (branch, why): (Option<Branch>, &str),
    ) -> Chosen {
        let not_taken = branch
            .as_ref()
            .map(|branch| branch.not_taken.clone())
            .unwrap_or_default();
        let fate = self.enter(branch);
        let detail = match &fate {
            Fate::Sent => format!("gets the lead{why}"),
            Fate::Entered(lead, _) if lead.draft.reasons.is_empty() => format!("gets the lead{why}"),
            Fate::Entered(lead, _) => format!("refuses the lead: {}", words(&lead.draft.reasons)),
            Fate::NotReady(why) => format!("cannot take leads now: {why}"),
            Fate::Loop(why) => {
                tell(self.warnings, Reason::new(ReasonCode::Loop, *why));
                format!("LOOP: {why}")
            }
        };
        self.trace.choose(subject, fate.is_good(), detail);
        if fate.is_good() {
            lost_fields::tell(subject, &not_taken, self.trace, self.warnings);
        }
        let mut chosen = Chosen {
            step: 0,
            candidate: 0,
            reservations,
            fate,
        };
        if !chosen.fate.is_good() {
            let released = std::mem::take(&mut chosen.reservations);
            self.settling.ledger.release(&released);
        }
        chosen
    }

    fn enter(&mut self, branch: Option<Branch>) -> Fate {
        match branch.map(|branch| branch.way) {
            None | Some(Way::Later) => Fate::Sent,
            Some(Way::NotReady { why, .. }) => Fate::NotReady(why),
            Some(Way::Loop(why)) => Fate::Loop(why),
            Some(Way::Into(mut lead)) => {
                let chosen = allocate(&mut lead, self.settling);
                Fate::Entered(lead, chosen)
            }
        }
    }
}

/// Reasons as a sender is told them: code, field and message.
pub fn words(reasons: &[Reason]) -> String {
    let told = reasons.iter().map(|reason| {
        let code = serde_json::to_value(reason.code).ok();
        let code = code
            .as_ref()
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
            .to_owned();
        match &reason.field {
            Some(field) => format!("{code} {field}: {}", reason.message),
            None => format!("{code}: {}", reason.message),
        }
    });
    told.collect::<Vec<_>>().join("; ")
}
