//! Picking who gets a lead, among those that passed everything else.

use std::collections::HashSet;

use entity::cap_usage::Cap;
use entity::delivery::Reservation;
use entity::ids::{AccountId, PartnerId};
use entity::profile::{OnFailure, Strategy};

use super::ledger::cap_text;
use super::{Chosen, Fate, Settling, allocate};
use crate::leads::branch::{Branch, Way};
use crate::leads::decide::Draft;
use crate::leads::outcome::{Reason, ReasonCode, Subject, Trace};
use crate::leads::snapshot::{Buyer, Candidate, Profile};

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
}

/// Picks among the candidates that passed everything else, by the profile's strategy. With `NEXT_PARTNER`, one that an account
/// refuses does not count.
pub fn pick(
    profile: &Profile,
    candidates: &[usize],
    mut branches: Vec<Branch>,
    picking: &mut Picking<'_>,
) -> Vec<Chosen> {
    let limit = match profile.strategy {
        Strategy::FirstMatch => 1,
        Strategy::SendToAll => profile.max_recipients.unwrap_or(usize::MAX),
    };
    let (mut picked, mut counted) = (Vec::new(), 0);
    for place in candidates {
        let Some(candidate) = profile.candidates.get(*place) else {
            continue;
        };
        if counted >= limit {
            picking.trace.look(
                &candidate.subject,
                "strategy",
                false,
                "matches, but enough partners have it already",
            );
            continue;
        }
        let branch = branches.iter().position(|branch| branch.candidate == *place);
        let branch = branch.map(|at| branches.swap_remove(at));
        if let Some(mut chosen) = picking.take(candidate, branch) {
            chosen.candidate = *place;
            if chosen.fate.is_good() || profile.on_failure == OnFailure::Stay {
                counted += 1;
            }
            picked.push(chosen);
        }
    }
    picked
}

impl Picking<'_> {
    fn take(&mut self, candidate: &Candidate, branch: Option<Branch>) -> Option<Chosen> {
        let buyer = candidate.outlet.as_ref().map(|outlet| outlet.buyer);
        if self.had.partners.contains(&candidate.partner) {
            self.not_again(&candidate.subject, "the partner has this lead already");
            return None;
        }
        if buyer.is_some_and(|buyer| self.had.accounts.contains(&buyer)) {
            self.not_again(&candidate.subject, "the account has this lead already");
            return None;
        }
        let reservations = self.reserve(&candidate.subject, &candidate.caps)?;
        self.had.partners.insert(candidate.partner);
        self.had.accounts.extend(buyer);
        Some(self.offer(&candidate.subject, reservations, branch))
    }

    pub(super) fn take_buyer(&mut self, subject: &Subject, buyer: &Buyer, branch: Option<Branch>) -> Option<Chosen> {
        if self.had.accounts.contains(&buyer.outlet.buyer) {
            self.not_again(subject, "the account has this lead already");
            return None;
        }
        let reservations = self.reserve(subject, &buyer.caps)?;
        self.had.accounts.insert(buyer.outlet.buyer);
        Some(self.offer(subject, reservations, branch))
    }

    fn not_again(&mut self, subject: &Subject, detail: &str) {
        self.trace.look(subject, "not sent before", false, detail);
    }

    fn reserve(&mut self, subject: &Subject, caps: &[Cap]) -> Option<Vec<Reservation>> {
        if self.settling.test {
            return Some(Vec::new());
        }
        match self.settling.ledger.reserve(caps, self.settling.now) {
            Ok(reservations) => Some(reservations),
            Err(full) => {
                self.trace.look(subject, "caps", false, cap_text(full));
                None
            }
        }
    }

    /// Offers the lead to a recipient; one that cannot take it keeps no place on caps.
    fn offer(&mut self, subject: &Subject, reservations: Vec<Reservation>, branch: Option<Branch>) -> Chosen {
        let fate = self.enter(branch);
        let detail = match &fate {
            Fate::Sent => "gets the lead".to_owned(),
            Fate::Entered(lead, _) if lead.draft.reasons.is_empty() => "gets the lead".to_owned(),
            Fate::Entered(lead, _) => format!("refuses the lead: {}", words(&lead.draft.reasons)),
            Fate::NotReady(why) => format!("cannot take leads now: {why}"),
            Fate::Loop(why) => {
                self.warnings.push(Reason::new(ReasonCode::Loop, *why));
                format!("LOOP: {why}")
            }
        };
        self.trace.look(subject, "chosen", fate.is_good(), detail);
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
