//! What is said of a lead: reasons, warnings, and the looks of the decision. Stored with the lead as JSON.

use serde::{Deserialize, Serialize};

use leadmesh_forms::rules::ENCRYPTED_CONDITION;

/// Why a lead was not taken, or what its sender should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// For programs.
    pub code: ReasonCode,
    /// The field, by the sender's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// For people; never with a value of the lead.
    pub message: String,
}

impl Reason {
    /// The same for those who may not learn whether a condition of an encrypted field holds.
    #[must_use]
    pub fn discreet(self) -> Self {
        if self.message.contains(ENCRYPTED_CONDITION) {
            return Self::new(self.code, "a rule does not hold");
        }
        self
    }

    /// A reason about the lead as a whole.
    pub fn new(code: ReasonCode, message: impl Into<String>) -> Self {
        Self {
            code,
            field: None,
            message: message.into(),
        }
    }

    /// A reason about one field.
    pub fn about(code: ReasonCode, field: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            field: Some(field.to_owned()),
            message: message.into(),
        }
    }

    /// Bytes of its texts.
    pub fn bytes(&self) -> usize {
        self.message.len() + self.field.as_ref().map_or(0, String::len)
    }
}

/// Why a lead was not accepted, or a warning for its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, async_graphql::Enum)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[graphql(name = "LeadReasonCode")]
pub enum ReasonCode {
    /// A required field is missing or empty.
    Required,
    /// A value is not of its field's type. As a warning: the value was kept as sent, or the field is unknown and was
    /// dropped.
    InvalidValue,
    /// An acceptance rule does not hold.
    NotAccepted,
    /// A filter step stopped it.
    Filtered,
    /// The flow recently accepted a lead with the same values.
    Duplicate,
    /// A cap of the flow or the source is used up.
    CapReached,
    /// The flow is disabled.
    FlowDisabled,
    /// The source is disabled.
    SourceDisabled,
    /// No partner took the lead. Only a warning.
    NoMatchingPartner,
    /// The lead would return to an account that it has passed.
    Loop,
    /// A buyer's flow does not have a shared field and drops it. Only a warning, and only to the account that shares
    /// it.
    FieldNotTaken,
    /// An error that the sender did not cause.
    Error,
}

/// Reasons, or warnings, of one lead at most, before one that says that there were more.
pub const MAX_TOLD: usize = 250;
/// Bytes of their texts at most.
pub const MAX_TOLD_BYTES: usize = 32 * 1024;

/// Said in place of what is left out.
const REST: &str = "there is more to say of this lead than is kept: the rest is left out";

/// Adds to the reasons or warnings of a lead. They are stored with it, and each recipient may have something to say, so they are
/// bounded: beyond [`MAX_TOLD`] and [`MAX_TOLD_BYTES`] one more says that the rest is left out.
pub fn tell(told: &mut Vec<Reason>, reason: Reason) {
    if told.last().is_some_and(|last| last.message == REST) {
        return;
    }
    let bytes: usize = told.iter().map(Reason::bytes).sum();
    if told.len() < MAX_TOLD && bytes.saturating_add(reason.bytes()) <= MAX_TOLD_BYTES {
        told.push(reason);
    } else {
        told.push(Reason::new(reason.code, REST));
    }
}

/// One look that was taken on the way to the decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceEntry {
    /// Whose: a flow, source, step, profile or partner, by name.
    pub subject: String,
    /// Its public identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_id: Option<String>,
    /// What was looked at, such as `acceptance rule`.
    pub check: String,
    /// Whether it let the lead through.
    pub passed: bool,
    /// What decided; never with a value of an encrypted field.
    pub detail: String,
    /// How many further looks the subject has left out; none of a look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub omitted: Option<usize>,
}

impl TraceEntry {
    /// Whether the verdict rests on a condition of an encrypted field.
    pub fn rests_on_encrypted(&self) -> bool {
        self.detail.contains(ENCRYPTED_CONDITION)
    }
}

/// A trace as it is stored, which is not copied first; nothing of one that cannot be read.
pub fn looks(stored: &serde_json::Value) -> Vec<TraceEntry> {
    Vec::deserialize(stored).unwrap_or_default()
}

/// Whom a look is about, ready for the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Public identifier.
    pub id: String,
    /// As shown.
    pub name: String,
}

impl Subject {
    /// A subject by its identifier and name.
    pub fn new(id: impl std::fmt::Display, name: &str) -> Self {
        Self {
            id: id.to_string(),
            name: name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_lead_is_bounded() {
        for message in [String::new(), "x".repeat(10_000)] {
            let mut told = Vec::new();
            for _ in 0..5_000 {
                tell(&mut told, Reason::about(ReasonCode::Loop, "field", message.clone()));
            }
            let bytes: usize = told.iter().map(Reason::bytes).sum();
            assert!(told.len() <= MAX_TOLD + 1 && bytes <= MAX_TOLD_BYTES + REST.len());
            assert_eq!(told.iter().filter(|reason| reason.message == REST).count(), 1);
        }
    }
}
