//! What attempts use: ways to send, caches, and the way to the recorder.

use tokio::sync::mpsc;

use super::outcome::PendingOutcome;
use super::prepared::PreparedCache;
use crate::contents::LeadContents;
use crate::email::Mailer;
use crate::webhook::Sender;
use leadmesh_core::app::App;
use leadmesh_leads::compile::Snapshots;

#[derive(Clone)]
pub(super) struct Tools {
    pub(super) app: App,
    pub(super) sender: Sender,
    pub(super) mailer: Mailer,
    pub(super) prepared: PreparedCache,
    pub(super) contents: LeadContents,
    /// Compiled flows of accounts that leads are delivered into.
    pub(super) snapshots: Snapshots,
    pub(super) outcomes: mpsc::UnboundedSender<PendingOutcome>,
}

impl Tools {
    pub(super) fn record(&self, outcome: PendingOutcome) {
        if self.outcomes.send(outcome).is_err() {
            tracing::error!("the recorder of outcomes has ended: the delivery will be repeated");
            self.app.queue.abandon_lease();
        }
    }
}
