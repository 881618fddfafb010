//! The FREE plan. What an account made while it paid stays stored, but snapshots leave it out: rules, filters, caps, buyer steps, and
//! every destination but the first.

use std::collections::HashSet;

use entity::account::Plan;
use entity::cap_usage::Caps;

use super::rows::Rows;
use crate::snapshot::{Action, Step};

/// Removes what the plan does not include from the rows.
pub(super) fn remove_paid_parts(rows: &mut Rows) {
    if rows.account.plan == Plan::Paid {
        return;
    }
    rows.flow.acceptance_rule = None;
    rows.flow.caps = Caps::default();
    for source in &mut rows.sources {
        source.acceptance_rule = None;
        source.caps = Caps::default();
    }
    for step in &mut rows.steps {
        step.criteria = None;
    }
    for profile in &mut rows.profiles {
        profile.rule = None;
    }
    for partner in rows.partners.values_mut() {
        partner.caps = Caps::default();
    }
    let mut seen = HashSet::new();
    rows.assignments
        .retain(|assignment| assignment.enabled && seen.insert(assignment.profile_id));
    for assignment in &mut rows.assignments {
        assignment.rule = None;
        assignment.caps = Caps::default();
    }
}

/// Makes leads skip the steps that the plan does not include.
pub(super) fn skip_paid_steps(plan: Plan, steps: &mut [Step]) {
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
