//! Handing leads to buyers: for every account that a lead may reach, what would become of it there. Pure, like
//! [`decide`]: the flows that the lead may enter are resolved before.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, LeadId};
use serde_json::{Map, Value};

use super::decide::decide;
use super::draft::{Handoff, HandoffPlan, InboundLead};
use super::sharing::Sharing;
use super::snapshot::{AccountRecipient, Action, Snapshot, TargetKey};
use leadmesh_core::crypto::Keys;

/// Accounts that a lead may pass, the one that it was submitted to included. The sixth one gets nothing.
pub const MAX_HOPS: usize = 5;
/// Buyers for which a lead is decided together with its submission. The delivery worker decides for further ones, so that no web of
/// connections makes one submission arbitrarily large.
pub const MAX_HANDOFFS: usize = 64;
/// Evaluation steps for all handoffs of a lead together, its own account not counted. The worker decides the rest as well.
const MAX_WORK: u64 = 4_000_000;

/// The far end of a connection: where its account takes leads.
#[derive(Debug)]
pub struct DownstreamTarget {
    pub buyer: AccountId,
    /// The version of that account's configuration.
    pub version: i64,
    /// Where the leads go, or why the buyer cannot take any.
    pub receiving_flow: Result<ReceivingFlow, &'static str>,
}

/// A flow that takes leads from a connection.
#[derive(Clone, Debug)]
pub struct ReceivingFlow {
    pub flow: Arc<Snapshot>,
    /// Index of its source for the seller.
    pub source: usize,
}

/// A target with the keys of its account.
#[derive(Clone, Debug)]
pub struct ResolvedTarget {
    pub target: Arc<DownstreamTarget>,
    /// Keys of the account, if its flow needs them.
    pub keys: Option<Arc<Keys>>,
}

/// The targets that a lead may reach.
pub type DownstreamTargets = HashMap<TargetKey, ResolvedTarget>;

/// Plans the handoffs of one lead, within [`MAX_HANDOFFS`] and a budget of work.
pub struct HandoffPlanner<'a> {
    targets: &'a DownstreamTargets,
    now: DateTime<Utc>,
    new_id: &'a dyn Fn() -> LeadId,
    left: usize,
    work: u64,
}

impl<'a> HandoffPlanner<'a> {
    /// Plans handoffs to these targets at that time.
    pub fn new(targets: &'a DownstreamTargets, now: DateTime<Utc>, new_id: &'a dyn Fn() -> LeadId) -> Self {
        Self {
            targets,
            now,
            new_id,
            left: MAX_HANDOFFS,
            work: 0,
        }
    }

    /// Decides what would become of a lead at each buyer that its routes name, and at their buyers.
    pub fn plan_handoffs(&mut self, lead: &mut InboundLead) {
        if !lead.draft.reasons.is_empty() || lead.draft.filtered.is_some() {
            return;
        }
        let mut passed = lead.path.clone();
        passed.push(lead.flow.account);
        let mut routes = std::mem::take(&mut lead.draft.routes);
        for route in &mut routes {
            match lead.flow.steps.get(route.step).map(|step| &step.action) {
                Some(Action::Buyer(buyer)) => route.handoffs.push(self.plan(lead, 0, &buyer.recipient, &passed)),
                Some(Action::Distribute(profile)) => {
                    for index in &route.candidates {
                        let candidate = profile.candidates.get(*index);
                        if let Some(recipient) = candidate.and_then(|candidate| candidate.recipient.as_ref()) {
                            route.handoffs.push(self.plan(lead, *index, recipient, &passed));
                        }
                    }
                }
                _ => {}
            }
        }
        lead.draft.routes = routes;
    }

    fn plan(
        &mut self,
        lead: &InboundLead,
        candidate: usize,
        recipient: &AccountRecipient,
        passed: &[AccountId],
    ) -> Handoff {
        let sharing = Sharing::new(&lead.flow.fields, &recipient.fields, &recipient.mapping);
        let plan = match (loop_reason(passed, recipient.buyer), self.targets.get(&recipient.key())) {
            (Some(why), _) => HandoffPlan::Loop(why),
            (None, Some(target)) => self.plan_entry(target, passed.to_vec(), &sharing.values_of(&lead.draft.fields)),
            (None, None) => HandoffPlan::Deferred,
        };
        let dropped_fields = match &plan {
            HandoffPlan::Enter(nested) => sharing.dropped_by(nested, &lead.draft.fields),
            _ => Vec::new(),
        };
        Handoff {
            candidate,
            plan,
            dropped_fields,
        }
    }

    /// Decides what would become of these values at a target. `path` names the accounts that the lead has passed, its sender
    /// included.
    pub fn plan_entry(
        &mut self,
        resolved: &ResolvedTarget,
        path: Vec<AccountId>,
        values: &Map<String, Value>,
    ) -> HandoffPlan {
        let target = &resolved.target;
        let ReceivingFlow { flow, source } = match &target.receiving_flow {
            Ok(receiving) => receiving,
            Err(why) => {
                return HandoffPlan::NotReady {
                    buyer: target.buyer,
                    version: target.version,
                    why,
                };
            }
        };
        let Some(from) = flow
            .sources
            .get(*source)
            .filter(|_| self.left > 0 && self.work < MAX_WORK)
        else {
            return HandoffPlan::Deferred;
        };
        self.left -= 1;
        let draft = decide(flow, from, values, self.now);
        self.work = self.work.saturating_add(draft.work());
        let mut nested = Box::new(InboundLead {
            id: (self.new_id)(),
            draft,
            flow: flow.clone(),
            version: target.version,
            source: *source,
            keys: resolved.keys.clone(),
            path,
        });
        self.plan_handoffs(&mut nested);
        HandoffPlan::Enter(nested)
    }
}

/// Why a lead that has passed these accounts may not go to this one.
pub fn loop_reason(passed: &[AccountId], buyer: AccountId) -> Option<&'static str> {
    if passed.contains(&buyer) {
        Some("the lead has passed this account already: it stops here")
    } else if passed.len() >= MAX_HOPS {
        Some("the lead has passed as many accounts as it may: it stops here")
    } else {
        None
    }
}
