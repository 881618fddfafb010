//! What is said of a lead: reasons, warnings, and the trace of the decision. Stored with the lead as JSON.

use serde::{Deserialize, Serialize};

use super::rules::ENCRYPTED_CONDITION;

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
}

/// Why a lead was not taken, or what its sender should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, async_graphql::Enum)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[graphql(name = "LeadReasonCode")]
pub enum ReasonCode {
    /// A required field is missing or empty.
    Required,
    /// A value is not of its field's type. In a warning: it was kept as sent; or the field is not known and was dropped.
    InvalidValue,
    /// An acceptance rule does not hold.
    NotAccepted,
    /// A filter step stopped it.
    Filtered,
    /// The flow has accepted a lead with the same values lately.
    Duplicate,
    /// A cap of the flow or the source is used up.
    CapReached,
    /// The flow is disabled.
    FlowDisabled,
    /// The source is disabled.
    SourceDisabled,
    /// No partner took it; only ever a warning.
    NoMatchingPartner,
    /// It would come back to an account that it has passed.
    Loop,
    /// A buyer's flow does not know a field that is shared with it, and drops it; only ever a warning, and only to the account that
    /// shares it.
    FieldNotTaken,
    /// Something failed that is not the sender's doing.
    Error,
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
}

impl TraceEntry {
    /// Whether the verdict rests on a condition of an encrypted field.
    pub fn rests_on_encrypted(&self) -> bool {
        self.detail.contains(ENCRYPTED_CONDITION)
    }
}

/// A trace in the making.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace(pub Vec<TraceEntry>);

impl Trace {
    /// Adds a look.
    pub fn look(&mut self, subject: &Subject, check: &str, passed: bool, detail: impl Into<String>) {
        self.0.push(TraceEntry {
            subject: subject.name.clone(),
            subject_id: Some(subject.id.clone()),
            check: check.to_owned(),
            passed,
            detail: detail.into(),
        });
    }
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
