//! One line for each lead that was stored and each delivery that has ended, after the commit; off unless `LEADMESH_LOG_OUTCOMES`
//! says otherwise. Lines hold identifiers and codes, never values of a lead.

use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus};
use entity::delivery_config::Channel;
use entity::ids::{AccountId, DeliveryId, FlowId, LeadId};
use entity::lead::LeadOutcome;
use sea_orm::ActiveEnum;
use tracing::Span;

use crate::spans;

/// The target of lines about leads.
pub const LEADS: &str = "leadmesh::outcome::lead";
/// The target of lines about deliveries.
pub const DELIVERIES: &str = "leadmesh::outcome::delivery";

/// What is logged after the commit.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A lead is stored.
    Lead(StoredLead),
    /// A delivery has ended.
    Delivery(EndedDelivery),
}

/// A lead that is stored.
#[derive(Clone, Debug)]
pub struct StoredLead {
    /// Which.
    pub lead: LeadId,
    /// In whose account.
    pub account: AccountId,
    /// In which flow.
    pub flow: FlowId,
    /// Whether the flow took it.
    pub outcome: LeadOutcome,
    /// Whether it is a test.
    pub test: bool,
    /// How it came.
    pub arrival: Arrival,
}

/// How a lead came.
#[derive(Clone, Debug)]
pub enum Arrival {
    /// By a submission, in that span.
    Submitted(Span),
    /// By a delivery of another account's lead.
    HandedOn {
        /// The lead that it comes from.
        from: LeadId,
        /// The delivery of that lead.
        delivery: DeliveryId,
    },
}

/// A delivery that has ended.
#[derive(Clone, Debug)]
pub struct EndedDelivery {
    delivery: DeliveryId,
    lead: LeadId,
    account: AccountId,
    channel: Channel,
    status: DeliveryStatus,
    error: Option<DeliveryErrorCode>,
    attempts: i32,
    test: bool,
}

impl Outcome {
    /// That of a delivery in its present state, if that is an end.
    pub fn of_delivery(row: &delivery::Model) -> Option<Self> {
        row.status.is_settled().then(|| {
            Self::Delivery(EndedDelivery {
                delivery: row.id,
                lead: row.lead_id,
                account: row.account_id,
                channel: row.channel,
                status: row.status,
                error: row.failure_code.filter(|_| row.status != DeliveryStatus::Delivered),
                attempts: row.attempt_count,
                test: row.test,
            })
        })
    }

    /// Writes the line. Of a lead that came from another account this is also its first span.
    pub fn log(&self) {
        match self {
            Self::Lead(stored) => stored.log(),
            Self::Delivery(ended) => ended.log(),
        }
    }
}

impl StoredLead {
    fn log(&self) {
        let (span, seller_delivery) = match &self.arrival {
            Arrival::Submitted(span) => (span.clone(), None),
            Arrival::HandedOn { from, delivery } => (
                spans::handed_on(self.lead, self.account, *from),
                Some(tracing::field::display(delivery)),
            ),
        };
        span.record("outcome", self.outcome.to_value());
        span.in_scope(|| {
            tracing::info!(
                target: LEADS,
                account = %self.account,
                lead = %self.lead,
                flow = %self.flow,
                outcome = self.outcome.to_value(),
                test = self.test,
                seller_delivery,
                "a lead is stored"
            );
        });
    }
}

impl EndedDelivery {
    fn log(&self) {
        tracing::info!(
            target: DELIVERIES,
            account = %self.account,
            lead = %self.lead,
            delivery = %self.delivery,
            channel = self.channel.to_value(),
            status = self.status.to_value(),
            error = self.error.map(|code| code.to_value()),
            attempts = self.attempts,
            test = self.test,
            "a delivery has ended"
        );
    }
}
