//! A snapshot: a flow at one version of its account's configuration, compiled for deciding leads. Rules and templates are parsed,
//! and candidates are in rank order. Pure data: deciding needs no database.

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
pub use leadmesh_flows::price::Price;
use leadmesh_forms::rules::CompiledRule;
use leadmesh_forms::templates::Template;

/// The newest configuration versions of accounts, as far as they are known.
pub type Versions = HashMap<AccountId, i64>;

/// A connected account, and the connection over which leads go to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetKey {
    pub connection: ConnectionId,
    /// The account at its other end.
    pub buyer: AccountId,
}

/// A stored rule as it can be used.
#[derive(Debug)]
pub enum LoadedRule {
    Ready(CompiledRule),
    /// Refers to something that is gone, and never holds. The text says what.
    Unusable(String),
}

/// A compiled flow.
#[derive(Debug)]
pub struct Snapshot {
    /// Compiled size of the patterns of its rules, in bytes.
    pub pattern_bytes: usize,
    pub account: AccountId,
    /// Whether the account has the PAID plan, by which a flow may reject what sellers deliver.
    pub paid: bool,
    /// The version of the account's configuration that it was compiled from.
    pub config_version: i64,
    pub flow: FlowId,
    /// The flow's own version.
    pub version: i32,
    pub subject: Subject,
    pub enabled: bool,
    /// Whether the account's plan does not include the flow any more: then it rejects every lead.
    pub beyond_plan: bool,
    /// Definitions of its fields, in order.
    pub fields: Arc<Vec<FieldDef>>,
    /// Indexes in `fields`, by name.
    pub field_index: HashMap<String, usize>,
    /// The acceptance rule.
    pub rule: Option<LoadedRule>,
    /// Fields that make two leads the same; empty means no duplicate check.
    pub duplicate_keys: Vec<String>,
    /// How long an accepted lead makes the same values a duplicate, in days.
    pub duplicate_days: i32,
    pub caps: Vec<Cap>,
    /// What a sender is paid for an accepted lead.
    pub price: Option<Price>,
    pub sources: Vec<Source>,
    /// The newest of the removed sources, with the accounts that submitted through them.
    pub former_sources: Vec<(SourceId, AccountId)>,
    pub steps: Vec<Step>,
    /// Connected accounts to which enabled steps may deliver now, each once.
    pub downstream_targets: Vec<TargetKey>,
}

/// Whether the sender of a source may submit through it with its own credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It may; its leads can still be rejected.
    Open,
    /// Not now: one side has suspended the connection.
    Suspended,
    /// The source does not exist for this sender.
    Closed,
}

/// Who may submit to the flow.
#[derive(Debug)]
pub struct Source {
    pub id: SourceId,
    pub subject: Subject,
    pub kind: SourceKind,
    /// The connection with its sender; none for the account itself.
    pub connection: Option<ConnectionId>,
    /// The account that submits.
    pub sender: AccountId,
    pub access: Access,
    /// Whether both its owner and the connection let it submit.
    pub enabled: bool,
    /// Checked after the flow's rule.
    pub rule: Option<LoadedRule>,
    /// The sender's field names to the flow's.
    pub mapping: Vec<FieldMapping>,
    /// Checked after the flow's caps.
    pub caps: Vec<Cap>,
    /// Overrides the flow's price.
    pub price: Option<Price>,
}

/// A step of the flow.
#[derive(Debug)]
pub struct Step {
    pub id: StepId,
    pub subject: Subject,
    pub enabled: bool,
    /// A lead that does not match skips the step.
    pub criteria: Option<LoadedRule>,
    pub action: Action,
}

/// What a step does.
#[derive(Debug)]
pub enum Action {
    /// Stops the lead when the rule holds.
    Filter { rule: LoadedRule, reason: String },
    /// Sets fields, in order.
    Transform(Vec<FieldTemplate>),
    /// Delivers to a connected account.
    Buyer(Box<Buyer>),
    /// Routes through a profile.
    Distribute(Arc<Profile>),
    /// Refers to something that is gone, and is skipped. The text says what.
    Unusable(String),
}

/// A field that a TRANSFORM step sets, and its template.
#[derive(Debug)]
pub struct FieldTemplate {
    pub field: FieldDef,
    pub template: Template,
}

/// What a BUYER step delivers.
#[derive(Debug)]
pub struct Buyer {
    pub recipient: AccountRecipient,
    pub settings: SettingsId,
    pub caps: Vec<Cap>,
    /// What the buyer pays.
    pub price: Option<Price>,
}

/// A connected account as a recipient.
#[derive(Debug)]
pub struct AccountRecipient {
    pub connection: ConnectionId,
    pub buyer: AccountId,
    /// The fields that are shared.
    pub fields: FieldSelection,
    /// Names that the buyer gets in place of the flow's.
    pub mapping: Vec<FieldMapping>,
    /// Why leads are blocked; none while they may go.
    pub blocked: Option<&'static str>,
}

impl AccountRecipient {
    pub fn key(&self) -> TargetKey {
        TargetKey {
            connection: self.connection,
            buyer: self.buyer,
        }
    }
}

/// Connected accounts to which enabled steps may deliver, each once.
pub fn downstream_targets(steps: &[Step]) -> Vec<TargetKey> {
    let enabled = steps.iter().filter(|step| step.enabled);
    let recipients = enabled.flat_map(|step| {
        let (buyer, candidates) = match &step.action {
            Action::Buyer(buyer) => (Some(&buyer.recipient), [].as_slice()),
            Action::Distribute(profile) => (None, profile.candidates.as_slice()),
            Action::Filter { .. } | Action::Transform(_) | Action::Unusable(_) => (None, [].as_slice()),
        };
        let partners = candidates.iter().filter_map(|candidate| candidate.recipient.as_ref());
        buyer.into_iter().chain(partners)
    });
    let open = recipients.filter(|recipient| recipient.blocked.is_none());
    let targets: BTreeSet<TargetKey> = open.map(AccountRecipient::key).collect();
    targets.into_iter().collect()
}

/// A distribution profile.
#[derive(Debug)]
pub struct Profile {
    pub id: ProfileId,
    pub subject: Subject,
    pub enabled: bool,
    pub strategy: Strategy,
    /// What follows a final failure.
    pub on_failure: OnFailure,
    /// The most partners that get one lead.
    pub max_recipients: Option<usize>,
    /// Checked before any candidate.
    pub rule: Option<LoadedRule>,
    /// Its assignments, best rank first.
    pub candidates: Vec<Candidate>,
}

impl Profile {
    /// Whether it shares leads out, so that who gets one depends on who got the ones before.
    pub fn is_round_robin(&self) -> bool {
        matches!(self.strategy, Strategy::RoundRobin | Strategy::Weighted)
    }

    /// How many of the matching candidates get a lead at the same time.
    pub fn most_recipients(&self) -> usize {
        match self.strategy {
            Strategy::SendToAll => self.max_recipients.unwrap_or(usize::MAX),
            Strategy::FirstMatch | Strategy::RoundRobin | Strategy::Weighted => 1,
        }
    }
}

/// A partner in a profile: its assignment, and what the partner brings with it.
#[derive(Debug)]
pub struct Candidate {
    pub assignment: AssignmentId,
    pub partner: PartnerId,
    pub subject: Subject,
    /// Whether the assignment is enabled.
    pub enabled: bool,
    /// Whether the partner is active.
    pub active: bool,
    pub weight: i32,
    pub rule: Option<LoadedRule>,
    pub schedule: Option<Schedule>,
    /// The partner's caps, then the assignment's.
    pub caps: Vec<Cap>,
    /// The assignment's price, else the profile's.
    pub price: Option<Price>,
    pub settings: SettingsId,
    pub channel: Channel,
    /// The endpoint whose circuit decides whether deliveries wait; none where nothing is sent out.
    pub endpoint: Option<Uuid>,
    /// The connected account, for the ACCOUNT channel.
    pub recipient: Option<AccountRecipient>,
}

impl Source {
    /// Whether the account at the other end of a connection delivers through it.
    pub fn is_for_seller(&self, connection: ConnectionId) -> bool {
        self.kind == SourceKind::Seller && self.connection == Some(connection)
    }

    /// A seller's source as the first lead will make it, for simulations.
    pub fn of_seller(connection: ConnectionId, seller: AccountId) -> Self {
        Self {
            id: SourceId(Uuid::nil()),
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
    /// Assignments that a lead is checked against, over all of its steps.
    pub fn assignment_count(&self) -> usize {
        let profiles = self.steps.iter().filter_map(|step| match &step.action {
            Action::Distribute(profile) => Some(profile.candidates.len()),
            _ => None,
        });
        profiles.sum()
    }

    /// Whether leads of the flow are sealed, or compared by keyed hashes.
    pub fn needs_keys(&self) -> bool {
        !self.duplicate_keys.is_empty() || self.fields.iter().any(|field| field.encrypted)
    }

    /// Whether the flow takes every lead of a source: a FREE account has no rules, filters or caps against its sellers.
    pub fn takes_all_from(&self, source: &Source) -> bool {
        source.kind == SourceKind::Seller && !self.paid
    }

    /// The definition of a field.
    pub fn field(&self, name: &str) -> Option<&FieldDef> {
        self.field_index.get(name).and_then(|index| self.fields.get(*index))
    }
}
