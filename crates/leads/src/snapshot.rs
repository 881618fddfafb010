//! A flow as it was at one version of its account's configuration, compiled for deciding leads: rules and templates parsed
//! once, partners of its profiles in rank order. Pure data: deciding touches no database.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use entity::assignment::Schedule;
use entity::cap_usage::Cap;
use entity::delivery_config::{Channel, FieldMapping, FieldSelection};
use entity::field::FieldDef;
use entity::ids::{AccountId, AssignmentId, ConnectionId, FlowId, PartnerId, ProfileId, SettingsId, SourceId, StepId};
use entity::profile::{OnFailure, Strategy};
use entity::source::SourceKind;
use uuid::Uuid;

use super::outcome::Subject;
use leadmesh_forms::rules::CompiledRule;
use leadmesh_forms::templates::Template;

/// A price, in 1/10,000 of the currency unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceE4 {
    /// How much.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
}

impl PriceE4 {
    /// From the two columns in which it is stored.
    pub fn from_columns(amount: Option<i64>, currency: Option<String>) -> Option<Self> {
        Some(Self {
            amount: amount?,
            currency: currency?,
        })
    }
}

/// A rule, compiled; or why it cannot be used, and then it never holds.
#[derive(Debug)]
pub enum Gate {
    /// Ready.
    Ready(CompiledRule),
    /// Names something that is gone since it was saved.
    Unusable(String),
}

/// A compiled flow.
#[derive(Debug)]
pub struct Snapshot {
    /// Bytes that the patterns of its rules take.
    pub pattern_bytes: usize,
    /// Whose.
    pub account: AccountId,
    /// Whether the account's plan lets its flow refuse what other accounts deliver.
    pub paid: bool,
    /// The version of the account's configuration that it was compiled from.
    pub config_version: i64,
    /// Which flow.
    pub flow: FlowId,
    /// The flow's own version.
    pub version: i32,
    /// For the trace.
    pub subject: Subject,
    /// Whether it takes leads.
    pub enabled: bool,
    /// Whether its account does not pay for it any more: then it takes none.
    pub beyond_plan: bool,
    /// What it knows about a lead, in order.
    pub fields: Arc<Vec<FieldDef>>,
    /// Places in `fields`, by name.
    pub places: HashMap<String, usize>,
    /// Acceptance rule.
    pub rule: Option<Gate>,
    /// Fields that make two leads the same; empty means no check.
    pub duplicate_keys: Vec<String>,
    /// For how many days.
    pub duplicate_days: i32,
    /// Limits of accepted leads.
    pub caps: Vec<Cap>,
    /// What is paid to sources.
    pub price: Option<PriceE4>,
    /// Who may submit.
    pub sources: Vec<Source>,
    /// The newest of the sources that were removed, with the accounts that submitted through them.
    pub former_sources: Vec<(SourceId, AccountId)>,
    /// In order.
    pub steps: Vec<Step>,
    /// Where enabled steps may deliver to now: connections and the accounts at their other ends, each once.
    pub exits: Vec<(ConnectionId, AccountId)>,
}

/// Whether the sender of a source may submit through it with its own credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It may; whether leads are taken is another matter.
    Open,
    /// Not for the moment: one side holds the connection up.
    Suspended,
    /// To this sender the source does not exist.
    Closed,
}

/// Who may submit.
#[derive(Debug)]
pub struct Source {
    /// Which.
    pub id: SourceId,
    /// For the trace.
    pub subject: Subject,
    /// What it is for.
    pub kind: SourceKind,
    /// The connection of a connected account's.
    pub connection: Option<ConnectionId>,
    /// The account whose credentials it takes.
    pub sender: AccountId,
    /// Whether it takes them now.
    pub access: Access,
    /// Whether it may submit: its owner lets it, and so does the connection of a connected account.
    pub enabled: bool,
    /// After the flow's rule.
    pub rule: Option<Gate>,
    /// The sender's names to the flow's.
    pub mapping: Vec<FieldMapping>,
    /// After the flow's caps.
    pub caps: Vec<Cap>,
    /// Overrides the flow's.
    pub price: Option<PriceE4>,
}

/// One step.
#[derive(Debug)]
pub struct Step {
    /// Which.
    pub id: StepId,
    /// For the trace.
    pub subject: Subject,
    /// Whether leads pass through it.
    pub enabled: bool,
    /// A lead that does not fit skips the step.
    pub criteria: Option<Gate>,
    /// What it does.
    pub action: Action,
}

/// What a step does.
#[derive(Debug)]
pub enum Action {
    /// Stops the lead when the rule holds.
    Filter {
        /// When.
        rule: Gate,
        /// What the sender is told.
        reason: String,
    },
    /// Sets fields, in order.
    Transform(Vec<(FieldDef, Template)>),
    /// Delivers to a connected account.
    Buyer(Box<Buyer>),
    /// Routes through a profile.
    Distribute(Arc<Profile>),
    /// Cannot be done as things are, and is skipped.
    Unusable(String),
}

/// What a step delivers to a connected account.
#[derive(Debug)]
pub struct Buyer {
    /// To whom, and what of the lead.
    pub outlet: Outlet,
    /// How it is delivered.
    pub settings: SettingsId,
    /// Limits of leads that the buyer takes.
    pub caps: Vec<Cap>,
    /// What the buyer pays.
    pub price: Option<PriceE4>,
}

/// The way out to a connected account.
#[derive(Debug)]
pub struct Outlet {
    /// Over which connection.
    pub connection: ConnectionId,
    /// To whom.
    pub buyer: AccountId,
    /// What the buyer gets to see.
    pub fields: FieldSelection,
    /// Names that the buyer gets in place of the flow's.
    pub mapping: Vec<FieldMapping>,
    /// Why nothing may go out now; none while something may.
    pub closed: Option<&'static str>,
}

/// Where enabled steps may deliver to, each once.
pub fn exits(steps: &[Step]) -> Vec<(ConnectionId, AccountId)> {
    let enabled = steps.iter().filter(|step| step.enabled);
    let outlets = enabled.flat_map(|step| {
        let (buyer, candidates) = match &step.action {
            Action::Buyer(buyer) => (Some(&buyer.outlet), [].as_slice()),
            Action::Distribute(profile) => (None, profile.candidates.as_slice()),
            Action::Filter { .. } | Action::Transform(_) | Action::Unusable(_) => (None, [].as_slice()),
        };
        let partners = candidates.iter().filter_map(|candidate| candidate.outlet.as_ref());
        buyer.into_iter().chain(partners)
    });
    let open = outlets.filter(|outlet| outlet.closed.is_none());
    let exits: BTreeSet<_> = open.map(|outlet| (outlet.connection, outlet.buyer)).collect();
    exits.into_iter().collect()
}

/// A profile with its partners.
#[derive(Debug)]
pub struct Profile {
    /// Which.
    pub id: ProfileId,
    /// For the trace.
    pub subject: Subject,
    /// Whether it routes.
    pub enabled: bool,
    /// How it picks.
    pub strategy: Strategy,
    /// What follows a final failure.
    pub on_failure: OnFailure,
    /// At most so many partners per lead.
    pub max_recipients: Option<usize>,
    /// Before any partner is looked at.
    pub rule: Option<Gate>,
    /// Best rank first.
    pub candidates: Vec<Candidate>,
}

impl Profile {
    /// Whether who gets a lead depends on who got the ones before.
    pub fn takes_turns(&self) -> bool {
        matches!(self.strategy, Strategy::RoundRobin | Strategy::Weighted)
    }

    /// How many of those that match get a lead at once.
    pub fn most_recipients(&self) -> usize {
        match self.strategy {
            Strategy::SendToAll => self.max_recipients.unwrap_or(usize::MAX),
            Strategy::FirstMatch | Strategy::RoundRobin | Strategy::Weighted => 1,
        }
    }
}

/// A partner's place in a profile.
#[derive(Debug)]
pub struct Candidate {
    /// Which place.
    pub assignment: AssignmentId,
    /// Which partner.
    pub partner: PartnerId,
    /// For the trace.
    pub subject: Subject,
    /// Whether the place counts.
    pub enabled: bool,
    /// Whether the partner gets leads.
    pub active: bool,
    /// Share among the others, where the strategy shares leads out.
    pub weight: i32,
    /// Which leads.
    pub rule: Option<Gate>,
    /// When.
    pub schedule: Option<Schedule>,
    /// The partner's caps, then the place's.
    pub caps: Vec<Cap>,
    /// The place's price, else the profile's.
    pub price: Option<PriceE4>,
    /// How it is delivered.
    pub settings: SettingsId,
    /// By what.
    pub channel: Channel,
    /// What is known of by its failures; none when nothing is sent anywhere.
    pub endpoint: Option<Uuid>,
    /// The way to the connected account; ACCOUNT channel only.
    pub outlet: Option<Outlet>,
}

impl Source {
    /// Whether a connected account's buyer steps deliver through it.
    pub fn is_for_seller(&self, connection: ConnectionId) -> bool {
        self.kind == SourceKind::Seller && self.connection == Some(connection)
    }

    /// A seller's source as it is made, for trying leads out before there is one.
    pub fn of_seller(connection: ConnectionId, seller: AccountId) -> Self {
        Self {
            id: SourceId(uuid::Uuid::nil()),
            subject: Subject::new(seller, "the seller"),
            kind: SourceKind::Seller,
            connection: Some(connection),
            sender: seller,
            access: Access::Closed,
            enabled: true,
            rule: None,
            mapping: Vec::new(),
            caps: Vec::new(),
            price: None,
        }
    }
}

impl Snapshot {
    /// Places of partners that a lead may be looked at for, over all of its steps.
    pub fn places(&self) -> usize {
        let profiles = self.steps.iter().filter_map(|step| match &step.action {
            Action::Distribute(profile) => Some(profile.candidates.len()),
            _ => None,
        });
        profiles.sum()
    }

    /// Whether leads of the flow are sealed or compared by keyed hashes.
    pub fn needs_keys(&self) -> bool {
        !self.duplicate_keys.is_empty() || self.fields.iter().any(|field| field.encrypted)
    }

    /// Whether the flow takes whatever comes through a source: a FREE account has no rules, filters or caps against what its
    /// sellers deliver.
    pub fn takes_all_from(&self, source: &Source) -> bool {
        source.kind == SourceKind::Seller && !self.paid
    }

    /// The definition of a field.
    pub fn field(&self, name: &str) -> Option<&FieldDef> {
        self.places.get(name).and_then(|place| self.fields.get(*place))
    }
}
