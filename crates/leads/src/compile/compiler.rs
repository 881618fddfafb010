//! Compiles rows into a snapshot.

use std::cell::RefCell;
use std::sync::Arc;

use entity::account::Plan;
use entity::connection::ConnectionStatus;
use entity::field::FieldDef;
use entity::ids::AccountId;
use entity::source::SourceKind;
use entity::step::{StepConfig, TemplateAssignment};
use entity::{assignment, connection, delivery, partner, profile, source, step};
use serde_json::Value;

use super::plan;
use super::rows::Rows;
use crate::outcome::Subject;
use crate::snapshot::{self, Access, Action, Buyer, Candidate, FieldTemplate, LoadedRule, Price, Profile};
use crate::snapshot::{Snapshot, Source, Step};
use leadmesh_core::error::{Error, Result};
use leadmesh_forms::rules::{self, PatternBudget, Rule};
use leadmesh_forms::templates::{Escape, Template};

/// Compiles one flow.
pub(super) struct Compiler<'r> {
    rows: &'r Rows,
    /// What the patterns of all rules together may still use.
    patterns: RefCell<PatternBudget>,
}

impl<'r> Compiler<'r> {
    pub(super) fn new(rows: &'r Rows) -> Self {
        Self {
            rows,
            patterns: RefCell::new(PatternBudget::of_routing()),
        }
    }

    pub(super) fn snapshot(&self) -> Result<Snapshot> {
        let (account, flow) = (&self.rows.account, &self.rows.flow);
        let names = flow.fields.0.iter().map(|field| field.name.clone());
        // Rules share a budget of patterns: the flow's comes first, then the sources', then the steps'.
        let rule = self.rule(flow.acceptance_rule.as_ref());
        let sources = self.rows.sources.iter().map(|source| self.source(source)).collect();
        let steps = self.rows.steps.iter().map(|step| self.step(step));
        let mut steps = steps.collect::<Result<Vec<Step>>>()?;
        plan::skip_paid_steps(account.plan, &mut steps);
        let former = self.rows.former_sources.iter();
        Ok(Snapshot {
            pattern_bytes: self.patterns.borrow().used(),
            account: account.id,
            paid: account.plan == Plan::Paid,
            config_version: account.config_version,
            flow: flow.id,
            version: flow.version,
            subject: Subject::new(flow.id, &flow.name),
            enabled: flow.enabled,
            beyond_plan: account.plan == Plan::Free && !flow.is_inbox,
            rule,
            duplicate_days: flow.duplicate_window_days.unwrap_or_default(),
            duplicate_keys: match flow.duplicate_window_days {
                Some(_) => flow.duplicate_keys.0.clone(),
                None => Vec::new(),
            },
            caps: flow.caps.0.clone(),
            price: Price::from_columns(flow.price_e4, flow.price_currency.clone()),
            sources,
            former_sources: former.map(|source| (source.id, sender(source))).collect(),
            field_index: names.zip(0..).collect(),
            fields: Arc::new(flow.fields.0.clone()),
            downstream_targets: snapshot::downstream_targets(&steps),
            steps,
        })
    }

    fn rule(&self, stored: Option<&Value>) -> Option<LoadedRule> {
        let compiled = serde_json::from_value::<Rule>(stored?.clone())
            .map_err(|error| error.to_string())
            .and_then(|rule| {
                let compiled = rules::compile_within(&rule, &self.rows.definitions, &mut self.patterns.borrow_mut());
                compiled.map_err(|problems| {
                    let texts: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
                    texts.join("; ")
                })
            });
        Some(match compiled {
            Ok(rule) => LoadedRule::Ready(rule),
            Err(why) => LoadedRule::Unusable(format!("the rule cannot be used: {why}")),
        })
    }

    /// A source takes leads only while its connection lets the sender send. Every change of a connection raises the version of
    /// both accounts, so the snapshot is outdated with it.
    fn source(&self, source: &source::Model) -> Source {
        let sender = sender(source);
        let link = source.connection_id.and_then(|id| self.rows.connections.get(&id));
        let linked = source.kind == SourceKind::Own || link.is_some_and(|link| link.lets_send(sender));
        Source {
            id: source.id,
            subject: Subject::new(source.id, &source.name),
            kind: source.kind,
            connection: source.connection_id,
            sender,
            access: access(source.kind, sender, link),
            enabled: source.enabled && linked,
            rule: self.rule(source.acceptance_rule.as_ref()),
            mapping: source.mapping.0.clone(),
            caps: source.caps.0.clone(),
            price: Price::from_columns(source.price_e4, source.price_currency.clone()),
        }
    }

    fn step(&self, step: &step::Model) -> Result<Step> {
        let action = match &step.config {
            StepConfig::Filter { rule, reason } => Action::Filter {
                rule: self
                    .rule(Some(rule))
                    .ok_or_else(|| Error::Internal(anyhow::anyhow!("a filter without a rule")))?,
                reason: reason.clone(),
            },
            StepConfig::Transform { assignments } => transform(assignments, &self.rows.flow.fields.0),
            StepConfig::Buyer {
                settings_id,
                price_e4,
                price_currency,
                caps,
                ..
            } => match self.rows.recipients.of_step(*settings_id, step.connection_id) {
                Some(recipient) => Action::Buyer(Box::new(Buyer {
                    recipient,
                    settings: *settings_id,
                    caps: caps.clone(),
                    price: Price::from_columns(*price_e4, price_currency.clone()),
                })),
                None => Action::Unusable("the buyer has not accepted the invitation yet".into()),
            },
            StepConfig::Distribute { profile_id } => {
                match self.rows.profiles.iter().find(|profile| profile.id == *profile_id) {
                    Some(profile) => Action::Distribute(Arc::new(self.profile(profile))),
                    None => Action::Unusable("its distribution profile is gone".into()),
                }
            }
        };
        Ok(Step {
            id: step.id,
            subject: Subject::new(step.id, &step.name),
            enabled: step.enabled,
            criteria: self.rule(step.criteria.as_ref()),
            action,
        })
    }

    fn profile(&self, profile: &profile::Model) -> Profile {
        let base = Price::from_columns(profile.base_price_e4, profile.base_price_currency.clone());
        let assignments = self.rows.assignments.iter();
        let own = assignments.filter(|assignment| assignment.profile_id == profile.id);
        // The profile's rule before those of its assignments: they share the budget of patterns.
        let rule = self.rule(profile.rule.as_ref());
        Profile {
            id: profile.id,
            subject: Subject::new(profile.id, &profile.name),
            enabled: profile.enabled,
            strategy: profile.strategy,
            on_failure: profile.on_failure,
            max_recipients: profile.max_recipients.and_then(|limit| usize::try_from(limit).ok()),
            rule,
            candidates: own
                .filter_map(|assignment| self.candidate(assignment, base.as_ref()))
                .collect(),
        }
    }

    fn candidate(&self, assignment: &assignment::Model, base: Option<&Price>) -> Option<Candidate> {
        let partner: &partner::Model = self.rows.partners.get(&assignment.partner_id)?;
        let settings = assignment.settings_id.unwrap_or(partner.settings_id);
        let channel = *self.rows.channels.get(&settings)?;
        let price = Price::from_columns(assignment.price_e4, assignment.price_currency.clone());
        Some(Candidate {
            assignment: assignment.id,
            partner: partner.id,
            subject: Subject::new(partner.id, &partner.name),
            enabled: assignment.enabled,
            active: partner.active,
            weight: assignment.weight,
            rule: self.rule(assignment.rule.as_ref()),
            schedule: assignment.schedule.clone(),
            caps: partner.caps.0.iter().chain(&assignment.caps.0).cloned().collect(),
            price: price.or_else(|| base.cloned()),
            settings,
            channel,
            endpoint: delivery::endpoint(channel, partner.account_id, settings),
            recipient: self.rows.recipients.of_assignment(assignment, partner),
        })
    }
}

/// The account that submits through a source.
fn sender(source: &source::Model) -> AccountId {
    source.sender_account_id.unwrap_or(source.account_id)
}

/// Own sources and those of connected accounts take their senders' credentials. Sellers deliver without any.
fn access(kind: SourceKind, sender: AccountId, link: Option<&connection::Model>) -> Access {
    if kind == SourceKind::Own {
        return Access::Open;
    }
    let Some(link) = link.filter(|link| kind == SourceKind::Account && link.type_for(sender).sends()) else {
        return Access::Closed;
    };
    match link.status {
        ConnectionStatus::Active => Access::Open,
        ConnectionStatus::Suspended => Access::Suspended,
        ConnectionStatus::Terminated => Access::Closed,
    }
}

fn transform(assignments: &[TemplateAssignment], fields: &[FieldDef]) -> Action {
    let mut compiled = Vec::with_capacity(assignments.len());
    for assignment in assignments {
        let Some(field) = fields.iter().find(|field| field.name == assignment.field) else {
            return Action::Unusable(format!("it sets {}, which the flow no longer has", assignment.field));
        };
        match Template::parse(&assignment.template, Escape::None) {
            Ok(template) => compiled.push(FieldTemplate {
                field: field.clone(),
                template,
            }),
            Err(error) => {
                return Action::Unusable(format!("its template for {} cannot be used: {error}", assignment.field));
            }
        }
    }
    Action::Transform(compiled)
}
