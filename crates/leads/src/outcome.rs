//! Reasons, warnings and trace entries of a lead. They are stored with it as JSON.

use serde::{Deserialize, Serialize};

use leadmesh_forms::rules::ENCRYPTED_CONDITION;

/// Why a lead was not taken, or what its sender should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    pub code: ReasonCode,
    /// The field, by the sender's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// For people. Never has a value of the lead.
    pub message: String,
}

impl Reason {
    /// The reason for a reader who may not learn whether a condition on an encrypted field holds.
    #[must_use]
    pub fn redacted(self) -> Self {
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

/// The most reasons, or warnings, of one lead. One more says that there were more.
pub const MAX_REASONS: usize = 250;
/// The most bytes of their texts.
pub const MAX_REASON_BYTES: usize = 32 * 1024;

/// The message of the reason that stands for omitted ones.
const OMITTED: &str = "there is more to say of this lead than is kept: the rest is left out";

/// Adds a reason or warning, within [`MAX_REASONS`] and [`MAX_REASON_BYTES`]: each recipient may add some, and all are stored with the
/// lead.
pub fn add_reason(reasons: &mut Vec<Reason>, reason: Reason) {
    if reasons.last().is_some_and(|last| last.message == OMITTED) {
        return;
    }
    let bytes: usize = reasons.iter().map(Reason::bytes).sum();
    if reasons.len() < MAX_REASONS && bytes.saturating_add(reason.bytes()) <= MAX_REASON_BYTES {
        reasons.push(reason);
    } else {
        reasons.push(Reason::new(reason.code, OMITTED));
    }
}

/// Reasons as one text: code, field and message of each.
pub fn display_reasons(reasons: &[Reason]) -> String {
    let texts = reasons.iter().map(|reason| {
        let code = serde_json::to_value(reason.code).unwrap_or_default();
        let code = code.as_str().unwrap_or_default();
        match &reason.field {
            Some(field) => format!("{code} {field}: {}", reason.message),
            None => format!("{code}: {}", reason.message),
        }
    });
    texts.collect::<Vec<_>>().join("; ")
}

/// One check of the decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceEntry {
    /// The name of the flow, source, step, profile or partner that was checked.
    pub subject: String,
    /// The subject's public identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_id: Option<String>,
    /// What was checked, such as `acceptance rule`.
    pub check: String,
    /// Whether it let the lead through.
    pub passed: bool,
    /// Which facts decided. Never has a value of an encrypted field.
    pub detail: String,
    /// The number of omitted checks, in an entry that counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub omitted: Option<usize>,
}

impl TraceEntry {
    /// Whether the result depends on a condition on an encrypted field.
    pub fn rests_on_encrypted(&self) -> bool {
        self.detail.contains(ENCRYPTED_CONDITION)
    }
}

/// A stored trace; empty if it cannot be read.
pub fn read_trace(stored: &serde_json::Value) -> Vec<TraceEntry> {
    Vec::deserialize(stored).unwrap_or_default()
}

/// The subject of checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Public identifier.
    pub id: String,
    pub name: String,
}

impl Subject {
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
    fn reasons_are_bounded() {
        for message in [String::new(), "x".repeat(10_000)] {
            let mut reasons = Vec::new();
            for _ in 0..5_000 {
                add_reason(&mut reasons, Reason::about(ReasonCode::Loop, "field", message.clone()));
            }
            let bytes: usize = reasons.iter().map(Reason::bytes).sum();
            assert!(reasons.len() <= MAX_REASONS + 1 && bytes <= MAX_REASON_BYTES + OMITTED.len());
            assert_eq!(reasons.iter().filter(|reason| reason.message == OMITTED).count(), 1);
        }
    }
}
