//! A flow as it was at one version of its account's configuration, compiled for deciding leads: rules and templates parsed
//! once, partners of its profiles in rank order. Pure data: deciding touches no database.

use std::collections::HashMap;
use std::sync::Arc;

use entity::assignment::Schedule;
use entity::cap_usage::Cap;
use entity::delivery_config::{Channel, FieldMapping};
use entity::field::FieldDef;
use entity::ids::{AccountId, AssignmentId, FlowId, PartnerId, ProfileId, SettingsId, SourceId, StepId};
use entity::profile::{OnFailure, Strategy};

use super::outcome::Subject;
use super::rules::CompiledRule;
use crate::delivery::templates::Template;

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
    /// Whose.
    pub account: AccountId,
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
    /// In order.
    pub steps: Vec<Step>,
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
    /// Routes through a profile.
    Distribute(Arc<Profile>),
    /// Cannot be done as things are, and is skipped.
    Unusable(String),
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
}

impl Snapshot {
    /// The definition of a field.
    pub fn field(&self, name: &str) -> Option<&FieldDef> {
        self.places.get(name).and_then(|place| self.fields.get(*place))
    }
}
