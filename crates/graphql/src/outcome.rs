//! Reasons and the trace of a decision.

use async_graphql::{ID, SimpleObject};

use leadmesh_leads::outcome::{Reason, ReasonCode, TraceEntry as Look};

/// Why a lead was not accepted, or a warning for its sender.
#[derive(Clone, Debug, SimpleObject)]
pub struct LeadReason {
    /// Code for programs. New codes may be added, so have a default branch.
    code: ReasonCode,
    /// The field, by the sender's name; null if it concerns the whole lead.
    field: Option<String>,
    /// Explanation for people. Never contains a value of the lead.
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

/// One check of a decision.
#[derive(Clone, Debug, SimpleObject)]
pub struct TraceEntry {
    /// Name of the flow, source, step, profile or partner that was checked.
    subject: String,
    /// Identifier.
    subject_id: Option<ID>,
    /// What was checked, such as `acceptance rule`, `caps`, `schedule`.
    check: String,
    /// Whether the lead passed.
    passed: bool,
    /// What decided, without values of encrypted fields.
    detail: String,
    /// Number of checks of a step that were left out here, in an entry with `check` `more`: a trace has at most 500
    /// entries and 64 KiB. Otherwise null.
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
