//! What an account on the FREE plan has of its setup. What it made while it paid stays stored, and is passed over until it pays
//! again: rules, filters, caps, buyer steps, and every destination but the first.

use std::collections::HashSet;

use entity::account::Plan;
use entity::cap_usage::Caps;

use super::Compiled;
use super::profiles::Parts;
use crate::snapshot::{Action, Step};

/// Takes away what the plan does not have, before the rest is compiled.
pub(super) fn keep_to(compiled: &mut Compiled, parts: &mut Parts) {
    if compiled.account.plan == Plan::Paid {
        return;
    }
    compiled.flow.acceptance_rule = None;
    compiled.flow.caps = Caps::default();
    for source in &mut compiled.sources {
        source.acceptance_rule = None;
        source.caps = Caps::default();
    }
    for step in &mut compiled.steps {
        step.criteria = None;
    }
    for profile in &mut parts.profiles {
        profile.rule = None;
    }
    for partner in parts.partners.values_mut() {
        partner.caps = Caps::default();
    }
    let mut with_place = HashSet::new();
    parts
        .assignments
        .retain(|place| place.enabled && with_place.insert(place.profile_id));
    for place in &mut parts.assignments {
        place.rule = None;
        place.caps = Caps::default();
    }
}

/// Makes steps that the plan does not have such that leads pass them.
pub(super) fn pass_over(plan: Plan, steps: &mut [Step]) {
    if plan == Plan::Paid {
        return;
    }
    let mut destinations = 0;
    for step in steps.iter_mut().filter(|step| step.enabled) {
        destinations += usize::from(matches!(step.action, Action::Distribute(_)));
        let what = match step.action {
            Action::Filter { .. } => "filters",
            Action::Buyer(_) => "buyer steps",
            Action::Distribute(_) if destinations > 1 => "more than one destination",
            _ => continue,
        };
        step.action = Action::Unusable(format!("PLAN_REQUIRED: an account on the FREE plan has no {what}"));
    }
}
