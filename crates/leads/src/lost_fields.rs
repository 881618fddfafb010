//! What a seller is told of fields that a buyer's flow does not know, and drops.

use serde_json::{Map, Value};

use super::branch::{Entering, not_taken, takes};
use super::outcome::{Reason, ReasonCode, Subject, tell as add};
use super::trace::Trace;
use entity::delivery_config::AccountConfig;
use entity::field::FieldDef;

/// Fields of a lead that are told singly, for each recipient.
const TOLD: usize = 20;

/// Fields that a lead has and shares, and that the flow which it enters does not know, by their own names.
pub fn of(lead: &Map<String, Value>, definitions: &[FieldDef], config: &AccountConfig, into: &Entering) -> Vec<String> {
    let Some(source) = into.source() else { return Vec::new() };
    let known = |name: &str| into.flow.field(name).is_some();
    let lost = not_taken(definitions, &config.fields, &config.mapping, |sent_as| {
        takes(&source.mapping, sent_as, known)
    });
    let lost = lost.into_iter().filter(|name| lead.contains_key(*name));
    lost.map(str::to_owned).collect()
}

/// Adds them to the trace and the warnings of the lead.
pub fn tell(recipient: &Subject, fields: &[String], trace: &mut Trace, warnings: &mut Vec<Reason>) {
    if fields.is_empty() {
        return;
    }
    let detail = format!(
        "its flow does not know these fields, and drops them: {}",
        fields.join(", ")
    );
    trace.look_at(recipient, "shared fields", false, detail);
    for field in fields.iter().take(TOLD) {
        let message = format!(
            "the recipient of {} does not know this field, and drops it: rename it in the mapping, or share without it",
            recipient.name
        );
        add(warnings, Reason::about(ReasonCode::FieldNotTaken, field, message));
    }
    let untold = fields.len().saturating_sub(TOLD);
    if untold > 0 {
        let message = format!(
            "the recipient of {} does not know {untold} more fields, and drops them",
            recipient.name
        );
        add(warnings, Reason::new(ReasonCode::FieldNotTaken, message));
    }
}
