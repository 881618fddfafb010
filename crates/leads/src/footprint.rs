//! Memory footprints of leads on their way to the database: estimates that are never much too low. Values are counted, not their JSON: a
//! list of small numbers needs many times its text.

use serde_json::{Map, Value};

use super::draft::{HandoffPlan, InboundLead};
use super::outcome::Reason;
use super::snapshot::Action;

/// Bytes of a value besides its text.
const VALUE: usize = 40;
/// Bytes of a member of an object besides its name and value.
const MEMBER: usize = 48;
/// Bytes of a lead and its rows, besides its values.
const LEAD: usize = 2 * 1024;
/// Bytes of a delivery that may follow from it.
const DELIVERY: usize = 1024;

/// Bytes of a JSON object.
pub fn of_object(values: &Map<String, Value>) -> usize {
    let members = values.iter().map(|(name, value)| MEMBER + name.len() + of_value(value));
    members.fold(VALUE, usize::saturating_add)
}

fn of_value(of: &Value) -> usize {
    match of {
        Value::Null | Value::Bool(_) | Value::Number(_) => VALUE,
        Value::String(text) => VALUE + text.len(),
        Value::Array(items) => items.iter().map(of_value).fold(VALUE, usize::saturating_add),
        Value::Object(fields) => of_object(fields),
    }
}

/// Bytes of a decided lead, of its rows, and of what it may become at buyers.
pub fn of_lead(lead: &InboundLead) -> usize {
    let draft = &lead.draft;
    let reasons: usize = draft.reasons.iter().chain(&draft.warnings).map(Reason::bytes).sum();
    let before = draft.overwritten.iter().map(|before| {
        let value = before.value.as_ref().map_or(0, of_value);
        MEMBER + before.field.len() + value
    });
    let before = before.fold(0, usize::saturating_add);
    let own = LEAD + of_object(&draft.fields) + of_object(&draft.raw) + draft.trace.weight() + reasons + before;
    let routes = draft.routes.iter().map(|route| {
        let recipients = match lead.flow.steps.get(route.step).map(|step| &step.action) {
            Some(Action::Distribute(profile)) => route.candidates.len().min(profile.most_recipients()),
            _ => 1,
        };
        let handoffs = route.handoffs.iter().map(|handoff| match &handoff.plan {
            HandoffPlan::Enter(nested) => of_lead(nested),
            HandoffPlan::NotReady { .. } | HandoffPlan::Loop(_) | HandoffPlan::Deferred => 0,
        });
        let own = recipients.saturating_mul(DELIVERY) + size_of_val(&route.candidates[..]);
        handoffs.fold(own, usize::saturating_add)
    });
    routes.fold(own, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_small_as_text_is_not_taken_for_small() {
        let zeros = json!({ "a": vec![0; 10_000] });
        let held = of_object(zeros.as_object().unwrap());
        assert!(held >= 10_000 * size_of::<Value>(), "{held}");
        let text = json!({ "a": "x".repeat(10_000) });
        let held = of_object(text.as_object().unwrap());
        assert!((10_000..10_500).contains(&held), "{held}");
    }
}
