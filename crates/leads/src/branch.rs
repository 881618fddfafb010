//! Where a lead goes from one account into others: for every buyer that it may reach, what would become of it there. Pure, like
//! [`decide`]: the flows that it may enter are looked up before.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::delivery_config::{FieldMapping, FieldSelection, FieldSelectionMode};
use entity::field::FieldDef;
use entity::ids::{AccountId, ConnectionId, LeadId};
use serde_json::{Map, Value};

use super::decide::{Draft, decide, typing};
use super::snapshot::{Action, Outlet, Snapshot, Source};
use leadmesh_core::crypto::Keys;
use leadmesh_forms::templates::wire_name;

/// Accounts that a lead may pass, the one that it was submitted to included: the sixth one gets nothing.
pub const MAX_HOPS: usize = 5;
/// Buyers for which a lead is decided together with it. What goes to further ones is left to the delivery worker, so that no web
/// of connections makes one submission arbitrarily large.
pub const MAX_BRANCHES: usize = 64;
/// Steps of conditions that deciding it there may take in all, its own account left out; the rest is left to the worker as well.
const COST: u64 = 4_000_000;

/// A lead of one account on its way in.
#[derive(Debug)]
pub struct Entering {
    /// Its identifier, should it be stored.
    pub id: LeadId,
    /// The flow that it enters.
    pub flow: Arc<Snapshot>,
    /// The version of the account's configuration that its decision rests on.
    pub version: i64,
    /// Place of its source among the flow's.
    pub source: usize,
    /// Keys of the flow's account, if the flow needs some.
    pub keys: Option<Arc<Keys>>,
    /// The accounts that it has passed before, in order.
    pub path: Vec<AccountId>,
    /// What is decided about it.
    pub draft: Draft,
}

impl Entering {
    /// Its source.
    pub fn source(&self) -> Option<&Source> {
        self.flow.sources.get(self.source)
    }

    /// Adds the accounts of the flows that it enters, here and at buyers, with the versions that they were compiled from.
    pub fn versions(&self, found: &mut Vec<(AccountId, i64)>) {
        found.push((self.flow.account, self.version));
        for branch in self.draft.routes.iter().flat_map(|route| &route.branches) {
            match &branch.way {
                Way::Into(nested) => nested.versions(found),
                Way::NotReady { buyer, version, .. } => found.push((*buyer, *version)),
                Way::Loop(_) | Way::Later => {}
            }
        }
    }

    /// Shows this lead, and after it those that it may become at buyers.
    pub fn visit(&mut self, visitor: &mut impl FnMut(&mut Self)) {
        visitor(self);
        for branch in self.draft.routes.iter_mut().flat_map(|route| &mut route.branches) {
            if let Way::Into(nested) = &mut branch.way {
                nested.visit(visitor);
            }
        }
    }
}

/// What would become of a lead at one buyer.
#[derive(Debug)]
pub struct Branch {
    /// Place of the candidate in the step's profile; 0 for a BUYER step.
    pub candidate: usize,
    /// The way there.
    pub way: Way,
    /// Fields of the lead that the flow there does not know and drops, by the names of the flow that they come from.
    pub not_taken: Vec<String>,
}

/// The way into a buyer's account.
#[derive(Debug)]
pub enum Way {
    /// Into its receiving flow, which may refuse the lead.
    Into(Box<Entering>),
    /// Not now.
    NotReady {
        /// Which account.
        buyer: AccountId,
        /// The version of its configuration that says so.
        version: i64,
        /// The cause, for people.
        why: &'static str,
    },
    /// The lead has come too far, or was there before; in words.
    Loop(&'static str),
    /// Decided by the delivery worker.
    Later,
}

/// The way in over a connection, as the account at its end has set it up.
#[derive(Debug)]
pub struct Entrance {
    /// Whose.
    pub buyer: AccountId,
    /// The version of that account's configuration.
    pub version: i64,
    /// The flow and its source for the seller, or why there is no way in.
    pub door: Result<(Arc<Snapshot>, usize), &'static str>,
}

/// An entrance with the keys of its account.
#[derive(Clone, Debug)]
pub struct Reached {
    /// The way in.
    pub entrance: Arc<Entrance>,
    /// Keys of the account, if its flow needs some.
    pub keys: Option<Arc<Keys>>,
}

/// The entrances that a lead may come to, by connection and by the account at its end.
pub type Reach = HashMap<(ConnectionId, AccountId), Reached>;

/// What leads are grown with.
pub struct Growing<'a> {
    reach: &'a Reach,
    now: DateTime<Utc>,
    new_id: &'a dyn Fn() -> LeadId,
    left: usize,
    cost: u64,
}

impl<'a> Growing<'a> {
    /// From these entrances at that time.
    pub fn new(reach: &'a Reach, now: DateTime<Utc>, new_id: &'a dyn Fn() -> LeadId) -> Self {
        Self {
            reach,
            now,
            new_id,
            left: MAX_BRANCHES,
            cost: 0,
        }
    }

    /// Decides what would become of a lead at each buyer that its routes name, and at theirs.
    pub fn grow(&mut self, lead: &mut Entering) {
        if !lead.draft.reasons.is_empty() || lead.draft.filtered.is_some() {
            return;
        }
        let mut passed = lead.path.clone();
        passed.push(lead.flow.account);
        let mut routes = std::mem::take(&mut lead.draft.routes);
        for route in &mut routes {
            route.branches = match lead.flow.steps.get(route.step).map(|step| &step.action) {
                Some(Action::Buyer(buyer)) => vec![self.branch(lead, (0, &buyer.outlet), &passed)],
                Some(Action::Distribute(profile)) => {
                    let places = route.candidates.iter();
                    let outlets =
                        places.filter_map(|place| Some((*place, profile.candidates.get(*place)?.outlet.as_ref()?)));
                    outlets.map(|outlet| self.branch(lead, outlet, &passed)).collect()
                }
                _ => Vec::new(),
            };
        }
        lead.draft.routes = routes;
    }

    fn branch(&mut self, lead: &Entering, (candidate, outlet): (usize, &Outlet), passed: &[AccountId]) -> Branch {
        let way = self.way(lead, outlet, passed);
        let mut not_taken = Vec::new();
        if let Way::Into(nested) = &way
            && let Some(source) = nested.source()
        {
            let known = |name: &str| nested.flow.field(name).is_some();
            let there = |sent_as: &str| takes(&source.mapping, sent_as, known);
            let lost = self::not_taken(&lead.flow.fields, &outlet.fields, &outlet.mapping, there);
            let lost = lost.into_iter().filter(|name| lead.draft.fields.contains_key(*name));
            not_taken.extend(lost.map(str::to_owned));
        }
        Branch {
            candidate,
            way,
            not_taken,
        }
    }

    fn way(&mut self, lead: &Entering, outlet: &Outlet, passed: &[AccountId]) -> Way {
        if let Some(why) = loops(passed, outlet.buyer) {
            return Way::Loop(why);
        }
        match self.reach.get(&(outlet.connection, outlet.buyer)) {
            Some(reached) => {
                let values = shared(&lead.draft.fields, &lead.flow.fields, &outlet.fields, &outlet.mapping);
                self.enter(reached, passed.to_vec(), &values)
            }
            None => Way::Later,
        }
    }

    /// Decides what would become of these values behind an entrance. `path` names the accounts that the lead has passed, the
    /// one that it comes from included.
    pub fn enter(&mut self, reached: &Reached, path: Vec<AccountId>, values: &Map<String, Value>) -> Way {
        let entrance = &reached.entrance;
        let (flow, source) = match &entrance.door {
            Ok((flow, source)) => (flow, *source),
            Err(why) => {
                return Way::NotReady {
                    buyer: entrance.buyer,
                    version: entrance.version,
                    why,
                };
            }
        };
        let Some(from) = flow.sources.get(source).filter(|_| self.left > 0 && self.cost < COST) else {
            return Way::Later;
        };
        self.left -= 1;
        let draft = decide(flow, from, values, self.now);
        self.cost = self.cost.saturating_add(draft.cost());
        let mut nested = Box::new(Entering {
            id: (self.new_id)(),
            draft,
            flow: flow.clone(),
            version: entrance.version,
            source,
            keys: reached.keys.clone(),
            path,
        });
        self.grow(&mut nested);
        Way::Into(nested)
    }
}

/// Why a lead that has passed these accounts stops before it comes to this one.
pub fn loops(passed: &[AccountId], buyer: AccountId) -> Option<&'static str> {
    if passed.contains(&buyer) {
        Some("the lead has passed this account already: it stops here")
    } else if passed.len() >= MAX_HOPS {
        Some("the lead has passed as many accounts as it may: it stops here")
    } else {
        None
    }
}

/// Whether a flow has a field for what comes under that name through a source with these renamings.
pub fn takes(renamed: &[FieldMapping], sent_as: &str, known: impl Fn(&str) -> bool) -> bool {
    known(typing::own_name(renamed, sent_as))
}

/// The shared fields that the flow at the other end does not take, by their own names; `takes` is asked by the name that the buyer
/// gets.
pub fn not_taken<'a>(
    definitions: &'a [FieldDef],
    fields: &FieldSelection,
    mapping: &[FieldMapping],
    takes: impl Fn(&str) -> bool,
) -> Vec<&'a str> {
    let shared = definitions.iter().filter(|field| fields.shares(&field.name));
    let lost = shared.filter(|field| !takes(wire_name(&field.name, mapping)));
    lost.map(|field| field.name.as_str()).collect()
}

/// Encrypted fields that a selection shares without naming them.
pub fn encrypted_unnamed<'a>(definitions: &'a [FieldDef], fields: &FieldSelection) -> Vec<&'a str> {
    let named = |field: &FieldDef| fields.mode == FieldSelectionMode::Only && fields.fields.contains(&field.name);
    let encrypted = definitions.iter().filter(|field| field.encrypted);
    let unnamed = encrypted.filter(|field| fields.shares(&field.name) && !named(field));
    unnamed.map(|field| field.name.as_str()).collect()
}

/// The shared values of a lead by the names that the buyer gets.
pub fn shared(
    values: &Map<String, Value>,
    definitions: &[FieldDef],
    fields: &FieldSelection,
    mapping: &[FieldMapping],
) -> Map<String, Value> {
    let shared = definitions.iter().filter(|field| fields.shares(&field.name));
    let named = shared.filter_map(|field| {
        let value = values.get(&field.name)?;
        Some((wire_name(&field.name, mapping).to_owned(), value.clone()))
    });
    named.collect()
}
