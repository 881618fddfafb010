//! Reasons and the trace of a decision.

use async_graphql::{ID, SimpleObject};

use crate::leads::outcome::{Reason, ReasonCode, TraceEntry as Look};

/// Why a lead was not taken, or what its sender should know.
#[derive(Clone, Debug, SimpleObject)]
pub struct LeadReason {
    /// For programs; new codes may be added, so have a default branch.
    code: ReasonCode,
    /// The field, by the sender's name for it; null when it is about the whole lead.
    field: Option<String>,
    /// For people; never with a value of the lead.
    message: String,
}

impl From<Reason> for LeadReason {
    fn from(reason: Reason) -> Self {
        Self {
            code: reason.code,
            field: reason.field,
            message: reason.message,
        }
    }
}

/// One look that was taken on the way to the decision.
#[derive(Clone, Debug, SimpleObject)]
pub struct TraceEntry {
    /// Whose: a flow, source, step, profile or partner, by name.
    subject: String,
    /// Its identifier.
    subject_id: Option<ID>,
    /// What was looked at, such as `acceptance rule`, `caps`, `schedule`.
    check: String,
    /// Whether it let the lead through.
    passed: bool,
    /// What decided; values of encrypted fields are left out.
    detail: String,
    /// How many further looks at what a step goes through were left out here, in an entry whose `check` is `more`: a trace has at
    /// most 500 entries and 64 KiB. Null of a look.
    omitted: Option<i32>,
}

impl From<Look> for TraceEntry {
    fn from(look: Look) -> Self {
        Self {
            subject: look.subject,
            subject_id: look.subject_id.map(ID),
            check: look.check,
            passed: look.passed,
            detail: look.detail,
            omitted: look.omitted.map(|more| i32::try_from(more).unwrap_or(i32::MAX)),
        }
    }
}
