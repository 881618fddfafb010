//! A submission on its way to a writer.

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use entity::ids::SourceId;
use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::Span;
use uuid::Uuid;

use super::memory::MemoryPermit;
use crate::decide::decide;
use crate::draft::InboundLead;
use crate::footprint;
use crate::handoff::{DownstreamTargets, HandoffPlanner};
use crate::receipts::Receipt;
use crate::snapshot::Versions;
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::identity::caller::Principal;

/// Submissions that wait for a writer. More are refused.
pub(super) const MAX_WAITING: usize = 2_048;

/// A decided submission.
pub(super) struct Job {
    pub(super) lead: InboundLead,
    pub(super) submitted: Map<String, Value>,
    /// Where the lead may go from here; none for a flow that delivers to no account.
    pub(super) targets: Option<Arc<DownstreamTargets>>,
    pub(super) idempotency: Option<Key>,
    pub(super) test: bool,
    pub(super) principal: Principal,
    pub(super) at: DateTime<Utc>,
    pub(super) started: Instant,
    /// Memory that it uses until it is answered.
    pub(super) memory: Option<MemoryPermit>,
    /// The span of the submission.
    pub(super) span: Span,
    pub(super) answer: oneshot::Sender<Answer>,
    /// The sender's share of waiting submissions, until it is answered.
    pub(super) _share: OwnedSemaphorePermit,
}

/// An idempotency key as it is stored.
pub(super) struct Key {
    /// The source that the key was first used with, else that of the lead.
    pub(super) source: SourceId,
    pub(super) text: String,
    /// Keyed hash of the submission, from which nobody without the account's keys can guess the values.
    pub(super) fingerprint: String,
}

/// What a writer answers.
pub(super) enum Answer {
    Done(Result<Receipt>),
    /// A flow has changed since it was compiled: decide again, by these versions.
    Outdated(Versions),
}

/// What a batch does with a job.
pub(super) enum JobState {
    /// Stores it.
    New,
    /// Answers it with the receipt of the job at this index, which comes before it and is stored.
    Repeats(usize),
    /// Answers it without storing anything.
    Answered(Answer),
}

impl Job {
    /// The account that submits it.
    pub(super) fn sender(&self) -> Uuid {
        self.principal.account().map(|account| account.0).unwrap_or_default()
    }

    /// Whether the lead comes from another account, or may go into one.
    pub(super) fn crosses_accounts(&self) -> bool {
        self.targets.is_some() || !self.lead.path.is_empty()
    }

    /// Decides from the beginning: the attempt to store a draft uses it up.
    pub(super) fn decide(&mut self, app: &App) {
        let lead = &mut self.lead;
        if let Some(source) = lead.flow.sources.get(lead.source) {
            lead.draft = decide(&lead.flow, source, &self.submitted, self.at);
        }
        if let Some(targets) = &self.targets {
            HandoffPlanner::new(targets, self.at, &|| app.clock.id()).plan_handoffs(lead);
        }
    }

    /// Bytes that it uses now.
    pub(super) fn footprint(&self) -> usize {
        footprint::of_object(&self.submitted).saturating_add(footprint::of_lead(&self.lead))
    }
}
