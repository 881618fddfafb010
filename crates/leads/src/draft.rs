//! A lead between submission and storage: what was decided so far, and what becomes of it at the buyers that it may reach.

use std::collections::HashSet;
use std::sync::Arc;

use entity::ids::{AccountId, LeadId};
use entity::routed::Overwritten;
use serde_json::{Map, Value};

use super::outcome::Reason;
use super::snapshot::{Snapshot, Source};
use super::trace::Trace;
use leadmesh_core::crypto::Keys;
use leadmesh_forms::rules::EvalBudget;

/// The decision about a lead.
#[derive(Debug, Default)]
pub struct Draft {
    /// Values by field name: normalised, or as sent where an optional one is invalid.
    pub fields: Map<String, Value>,
    /// Values as sent, where they differ from `fields`.
    pub raw: Map<String, Value>,
    /// Fields whose value is not of its type.
    pub invalid: HashSet<String>,
    /// Why the lead is rejected; empty while it is not.
    pub reasons: Vec<Reason>,
    /// What the sender should know.
    pub warnings: Vec<Reason>,
    /// The checks so far.
    pub trace: Trace,
    /// The normalised values of the duplicate keys; none when there is nothing to compare.
    pub duplicate_values: Option<String>,
    /// The verdict of a FILTER step. It applies unless a cap rejects the lead first.
    pub filtered: Option<Reason>,
    /// Where the lead goes, step by step.
    pub routes: Vec<Route>,
    /// What is left for the conditions of all rules.
    pub eval_budget: EvalBudget,
    /// The rule that exceeded the budget. Nothing after it is decided.
    pub undecided: Option<String>,
    /// Work that TRANSFORM steps have used, in units of templates.
    pub rendered: u64,
    /// Values that steps have overwritten since the lead was first routed.
    pub overwritten: Vec<Overwritten>,
    /// The steps that have routed the lead. They stay when `routes` have become deliveries.
    pub routed_steps: Vec<RoutedStep>,
}

/// A step that has routed a lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutedStep {
    /// Index of the step in the flow.
    pub step: usize,
    /// Length of the draft's `overwritten` at that time.
    pub overwritten: usize,
}

/// What one DISTRIBUTE or BUYER step would do.
#[derive(Debug)]
pub struct Route {
    /// Index of the step in the flow.
    pub step: usize,
    /// Indexes in the profile of the candidates that passed everything but caps, best first; empty for a BUYER step.
    pub candidates: Vec<usize>,
    /// What would become of the lead at those candidates that are accounts.
    pub handoffs: Vec<Handoff>,
}

/// A lead that enters a flow.
#[derive(Debug)]
pub struct InboundLead {
    /// Its identifier, should it be stored.
    pub id: LeadId,
    pub flow: Arc<Snapshot>,
    /// The configuration version of the account that the decision rests on.
    pub version: i64,
    /// Index of the source in the flow.
    pub source: usize,
    /// Keys of the flow's account, if the flow needs them.
    pub keys: Option<Arc<Keys>>,
    /// The accounts that the lead has passed before, in order.
    pub path: Vec<AccountId>,
    /// What is decided.
    pub draft: Draft,
}

impl InboundLead {
    pub fn source(&self) -> Option<&Source> {
        self.flow.sources.get(self.source)
    }

    /// Collects the accounts of the flows that the lead enters, here and at buyers, with the versions that were compiled.
    pub fn versions(&self, found: &mut Vec<(AccountId, i64)>) {
        found.push((self.flow.account, self.version));
        for handoff in self.draft.routes.iter().flat_map(|route| &route.handoffs) {
            match &handoff.plan {
                HandoffPlan::Enter(nested) => nested.versions(found),
                HandoffPlan::NotReady { buyer, version, .. } => found.push((*buyer, *version)),
                HandoffPlan::Loop(_) | HandoffPlan::Deferred => {}
            }
        }
    }

    /// Visits this lead, then what it may become at buyers.
    pub fn visit(&mut self, visitor: &mut impl FnMut(&mut Self)) {
        visitor(self);
        for handoff in self.draft.routes.iter_mut().flat_map(|route| &mut route.handoffs) {
            if let HandoffPlan::Enter(nested) = &mut handoff.plan {
                nested.visit(visitor);
            }
        }
    }
}

/// What would become of a lead at one buyer.
#[derive(Debug)]
pub struct Handoff {
    /// Index of the candidate in the step's profile; 0 for a BUYER step.
    pub candidate: usize,
    /// What to do.
    pub plan: HandoffPlan,
    /// Shared fields that the buyer's flow does not know and drops, by the seller's names.
    pub dropped_fields: Vec<String>,
}

/// What to do with a lead that is handed to a buyer.
#[derive(Debug)]
pub enum HandoffPlan {
    /// Let it enter the receiving flow, which may reject it.
    Enter(Box<InboundLead>),
    /// The buyer cannot take leads now.
    NotReady {
        buyer: AccountId,
        /// The version of its configuration that says so.
        version: i64,
        /// The cause, for people.
        why: &'static str,
    },
    /// Stop: the lead has passed the account before, or too many accounts. The text is for people.
    Loop(&'static str),
    /// Leave the decision to the delivery worker.
    Deferred,
}
