//! What allocation works with, and what it answers.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use entity::delivery::Reservation;
use entity::ids::{AccountId, FlowId, LeadId, PartnerId};
use uuid::Uuid;

use super::ledger::Ledger;
use super::round_robin::RoundRobin;
use crate::draft::InboundLead;

/// What the leads of one transaction are allocated with.
#[derive(Debug)]
pub struct AllocationContext {
    /// Counters of caps, held locked.
    pub ledger: Ledger,
    /// Credits of profiles, held locked.
    pub round_robin: RoundRobin,
    /// Leads that flows have accepted in this transaction, by the values of their duplicate keys.
    pub accepted: HashMap<(FlowId, String), Accepted>,
    /// Endpoints whose circuit is open, for the trace.
    pub open_circuits: HashSet<Uuid>,
    /// When the lead was submitted.
    pub now: DateTime<Utc>,
    /// Whether the lead is a test, which uses no cap and no credit, and is no duplicate.
    pub test: bool,
}

impl AllocationContext {
    /// A context without open circuits, for leads that are no tests.
    pub fn new(ledger: Ledger, round_robin: RoundRobin, now: DateTime<Utc>) -> Self {
        Self {
            ledger,
            round_robin,
            accepted: HashMap::new(),
            open_circuits: HashSet::new(),
            now,
            test: false,
        }
    }
}

/// An accepted lead, as duplicates of it are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub lead: LeadId,
    /// When it was submitted.
    pub at: DateTime<Utc>,
}

/// Recipients to which a lead was offered before.
#[derive(Debug, Default)]
pub struct AlreadyOffered {
    pub partners: HashSet<PartnerId>,
    /// Connected accounts.
    pub accounts: HashSet<AccountId>,
}

/// A recipient that was chosen for a lead.
#[derive(Debug)]
pub struct Selection {
    /// Index of the step in the flow.
    pub step: usize,
    /// Index of the candidate in the step's profile; 0 for a BUYER step.
    pub candidate: usize,
    /// Reservations to release if the delivery finally fails.
    pub reservations: Vec<Reservation>,
    /// What becomes of the delivery.
    pub placement: Placement,
}

/// What becomes of a delivery when it is made.
#[derive(Debug)]
pub enum Placement {
    /// It goes out; in a portal it has arrived.
    Sent,
    /// The lead has entered the buyer's flow, which has accepted it and made these selections, or has reasons against it.
    Entered(Box<InboundLead>, Vec<Selection>),
    /// The buyer cannot take leads now. The text is for people.
    NotReady(&'static str),
    /// The lead would come back, or go too far. The text is for people.
    Loop(&'static str),
}

impl Placement {
    /// Whether the recipient has the lead or will get it.
    pub fn is_placed(&self) -> bool {
        match self {
            Self::Sent => true,
            Self::Entered(lead, _) => lead.draft.reasons.is_empty(),
            Self::NotReady(_) | Self::Loop(_) => false,
        }
    }
}
