//! What becomes of a lead, as far as that can be said without the database: typing, required fields, rules, steps, and which
//! partners would get it. Pure: the same values, flow and time give the same draft. What depends on what other leads have
//! done (duplicates, caps) is settled by [`allocate`](super::allocate) in the transaction that stores the lead.

pub mod typing;

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::branch::Branch;
use super::outcome::{Reason, ReasonCode, tell};
use super::rules::FieldValue;
use super::snapshot::{Action, Candidate, Gate, Profile, Snapshot, Source, Step};
use super::trace::Trace;
use crate::delivery::templates::{Budget, Values};
use crate::flows::schedule;

/// A lead on its way to a decision.
#[derive(Debug, Default)]
pub struct Draft {
    /// Values by field name: normalised, or as sent where an optional one is invalid.
    pub fields: Map<String, Value>,
    /// Values as sent, where they differ.
    pub raw: Map<String, Value>,
    /// Fields whose value is not of its type.
    pub invalid: HashSet<String>,
    /// Why it is not taken; empty means that it may be.
    pub reasons: Vec<Reason>,
    /// What the sender should know.
    pub warnings: Vec<Reason>,
    /// The looks so far.
    pub trace: Trace,
    /// The normalised values of the duplicate keys; none when there is nothing to compare.
    pub duplicate_values: Option<String>,
    /// A filter step's verdict: applies unless a cap stops the lead before.
    pub filtered: Option<Reason>,
    /// Where it goes, step by step.
    pub routes: Vec<Route>,
}

/// What one DISTRIBUTE or BUYER step would do.
#[derive(Debug)]
pub struct Route {
    /// Place of the step in the snapshot.
    pub step: usize,
    /// Places in the profile of the candidates that passed everything but caps, best first; none of a BUYER step.
    pub candidates: Vec<usize>,
    /// What would become of the lead at those that are accounts; filled in by [`Growing`](super::branch::Growing).
    pub branches: Vec<Branch>,
}

/// Units of work for all TRANSFORM steps of one lead: some milliseconds, for leads are decided where they are received.
const TRANSFORM_WORK: u64 = 100_000;

/// Decides a lead as far as it goes without the database.
pub fn decide(flow: &Snapshot, source: &Source, submitted: &Map<String, Value>, now: DateTime<Utc>) -> Draft {
    let mut draft = Draft::default();
    if !is_open(flow, source, &mut draft) {
        return draft;
    }
    typing::take_values(flow, source, submitted, &mut draft);
    typing::require(flow, source, &mut draft);
    if flow.takes_all_from(source) {
        // What is missing or odd is told, and nothing is a duplicate.
        draft.warnings.append(&mut draft.reasons);
        draft.walk(flow, source, now);
        return draft;
    }
    draft.duplicate_values = duplicate_values(flow, &draft);
    let holds = draft.holds_rule(flow.rule.as_ref());
    draft.accept("acceptance rule", &flow.subject, holds);
    let holds = draft.holds_rule(source.rule.as_ref());
    draft.accept("acceptance rule", &source.subject, holds);
    if draft.reasons.is_empty() {
        draft.walk(flow, source, now);
    }
    draft
}

fn is_open(flow: &Snapshot, source: &Source, draft: &mut Draft) -> bool {
    draft.trace.look(
        &flow.subject,
        "enabled",
        flow.enabled,
        if flow.enabled {
            "the flow takes leads"
        } else {
            "the flow is disabled"
        },
    );
    if !flow.enabled {
        draft.reasons.push(Reason::new(
            ReasonCode::FlowDisabled,
            "the flow does not take leads now",
        ));
        return false;
    }
    draft.trace.look(
        &source.subject,
        "enabled",
        source.enabled,
        if source.enabled {
            "the source may submit"
        } else {
            "the source is disabled"
        },
    );
    if flow.beyond_plan {
        let why = "PLAN_REQUIRED: on the FREE plan, the recipient takes leads in its Inbox only";
        draft.trace.look(&flow.subject, "plan", false, why);
        draft.reasons.push(Reason::new(ReasonCode::FlowDisabled, why));
        return false;
    }
    if !source.enabled {
        draft.reasons.push(Reason::new(
            ReasonCode::SourceDisabled,
            "this source may not submit now",
        ));
    }
    source.enabled
}

/// The values that make two leads the same. A lead without any of them is like no other.
fn duplicate_values(flow: &Snapshot, draft: &Draft) -> Option<String> {
    let values: Vec<String> = flow
        .duplicate_keys
        .iter()
        .map(|key| {
            draft
                .fields
                .get(key)
                .map(|value| match value {
                    Value::String(text) => text.to_lowercase(),
                    other => other.to_string(),
                })
                .unwrap_or_default()
        })
        .collect();
    let comparable = values.iter().any(|value| !value.is_empty())
        && flow.duplicate_keys.iter().all(|key| !draft.invalid.contains(key));
    comparable.then(|| values.join("\u{1f}"))
}

/// What a rule said: whether it lets the lead through, and what decided.
struct Look {
    passed: bool,
    detail: String,
}

impl Draft {
    fn value(&self, name: &str) -> FieldValue<'_> {
        FieldValue {
            value: self.fields.get(name),
            valid: !self.invalid.contains(name),
        }
    }

    /// No rule lets everything through; an unusable one, nothing.
    fn holds_rule(&self, gate: Option<&Gate>) -> Option<Look> {
        gate.map(|gate| self.look_through(gate))
    }

    fn look_through(&self, gate: &Gate) -> Look {
        match gate {
            Gate::Unusable(why) => Look {
                passed: false,
                detail: why.clone(),
            },
            Gate::Ready(rule) => {
                let verdict = rule.evaluate(&|name| self.value(name));
                let otherwise = if verdict.passed {
                    "the rule holds"
                } else {
                    "the rule does not hold"
                };
                Look {
                    passed: verdict.passed,
                    detail: verdict.decided_by.unwrap_or_else(|| otherwise.to_owned()),
                }
            }
        }
    }

    fn accept(&mut self, check: &str, subject: &super::outcome::Subject, look: Option<Look>) {
        let Some(look) = look else { return };
        self.trace.look(subject, check, look.passed, &look.detail);
        if !look.passed {
            tell(&mut self.reasons, Reason::new(ReasonCode::NotAccepted, look.detail));
        }
    }

    /// Goes through the steps in order, until a filter stops the lead.
    fn walk(&mut self, flow: &Snapshot, source: &Source, now: DateTime<Utc>) {
        let budget = Budget::default().with_work(TRANSFORM_WORK);
        self.trace
            .share(flow.steps.iter().filter(|step| goes_through_many(step)).count());
        for (place, step) in flow.steps.iter().enumerate() {
            self.trace.enter(&step.subject, goes_through_many(step));
            if !self.enters(step) {
                continue;
            }
            match &step.action {
                Action::Filter { rule, reason } => {
                    let look = self.look_through(rule);
                    self.trace.look(&step.subject, "filter", !look.passed, look.detail);
                    if look.passed && !flow.takes_all_from(source) {
                        self.filtered = Some(Reason::new(ReasonCode::Filtered, reason.clone()));
                        break;
                    }
                }
                Action::Transform(assignments) => self.transform(step, assignments, &budget),
                Action::Distribute(profile) => {
                    let candidates = self.match_profile(profile, now);
                    self.routes.push(Route {
                        step: place,
                        candidates,
                        branches: Vec::new(),
                    });
                }
                Action::Buyer(buyer) => match buyer.outlet.closed {
                    Some(why) => self
                        .trace
                        .look(&step.subject, "step", false, format!("disconnected: {why}")),
                    None => self.routes.push(Route {
                        step: place,
                        candidates: Vec::new(),
                        branches: Vec::new(),
                    }),
                },
                Action::Unusable(why) => self.trace.look(&step.subject, "step", false, why),
            }
        }
        self.trace.leave();
    }

    fn enters(&mut self, step: &Step) -> bool {
        if !step.enabled {
            self.trace
                .look(&step.subject, "enabled", false, "the step is disabled and was skipped");
            return false;
        }
        let Some(look) = self.holds_rule(step.criteria.as_ref()) else {
            return true;
        };
        self.trace.look(&step.subject, "criteria", look.passed, look.detail);
        look.passed
    }

    fn transform(
        &mut self,
        step: &Step,
        assignments: &[(entity::field::FieldDef, crate::delivery::templates::Template)],
        budget: &Budget,
    ) {
        for (field, template) in assignments {
            let rendered = template.render_value(&Values::all(&self.fields), budget);
            let detail = match rendered {
                Ok(value) => typing::set(self, field, &value),
                Err(error) => Err(error.to_string()),
            };
            let passed = detail.is_ok();
            let text = detail.map_or_else(
                |why| format!("{} was left as it is: {why}", field.name),
                |()| format!("{} was set", field.name),
            );
            self.trace.look_at(&step.subject, "transform", passed, text);
        }
    }

    /// The candidates of a profile that pass everything but caps.
    pub fn match_profile(&mut self, profile: &Profile, now: DateTime<Utc>) -> Vec<usize> {
        if !profile.enabled {
            self.trace
                .look(&profile.subject, "enabled", false, "the profile is disabled");
            return Vec::new();
        }
        if let Some(look) = self.holds_rule(profile.rule.as_ref()) {
            self.trace
                .look(&profile.subject, "profile rule", look.passed, look.detail);
            if !look.passed {
                return Vec::new();
            }
        }
        let candidates = profile.candidates.iter().enumerate();
        candidates
            .filter(|(_, candidate)| self.matches(candidate, now))
            .map(|(place, _)| place)
            .collect()
    }

    /// The first check that fails is told; a candidate that passes is told of when its caps are looked at.
    fn matches(&mut self, candidate: &Candidate, now: DateTime<Utc>) -> bool {
        if !candidate.active {
            self.trace
                .look_at(&candidate.subject, "active", false, "the partner is not active");
            return false;
        }
        if let Some(why) = candidate.outlet.as_ref().and_then(|outlet| outlet.closed) {
            self.trace
                .look_at(&candidate.subject, "connection", false, format!("disconnected: {why}"));
            return false;
        }
        if !candidate.enabled {
            self.trace
                .look_at(&candidate.subject, "enabled", false, "the assignment is disabled");
            return false;
        }
        if let Some(look) = self.holds_rule(candidate.rule.as_ref()).filter(|look| !look.passed) {
            self.trace.look_at(&candidate.subject, "rule", false, look.detail);
            return false;
        }
        if candidate
            .schedule
            .as_ref()
            .is_some_and(|schedule| !schedule::open_at(schedule, now))
        {
            self.trace.look_at(
                &candidate.subject,
                "schedule",
                false,
                "outside the hours of its schedule",
            );
            return false;
        }
        true
    }
}

/// Whether a step looks at many things: the places of a profile, or the fields that it sets.
fn goes_through_many(step: &Step) -> bool {
    step.enabled && matches!(step.action, Action::Distribute(_) | Action::Transform(_))
}
