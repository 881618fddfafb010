//! What attempts use: ways to send, caches, and the way to the recorder.

use tokio::sync::mpsc;

use super::outcome::PendingOutcome;
use super::prepared::PreparedCache;
use crate::app::App;
use crate::delivery::contents::LeadContents;
use crate::delivery::email::Mailer;
use crate::delivery::webhook::Sender;
use crate::leads::compile::Snapshots;

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
    /// Hands an outcome to the recorder.
    pub(super) fn record(&self, outcome: PendingOutcome) {
        if self.outcomes.send(outcome).is_err() {
            tracing::error!("the recorder of outcomes has ended: the delivery will be repeated");
            self.app.queue.abandon_lease();
        }
    }
}
