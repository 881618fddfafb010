//! What becomes of a lead, as far as that can be said without the database: typing, required fields, rules, steps, and which
//! partners would get it. Pure: the same values, flow and time give the same draft. What depends on what other leads have
//! done (duplicates, caps) is settled by [`allocate`](super::allocate) in the transaction that stores the lead.

pub mod typing;

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use entity::routed::Overwritten;
use serde_json::{Map, Value};

use super::branch::Branch;
use super::outcome::{Reason, ReasonCode, Subject, tell};
use super::snapshot::{Action, Candidate, Gate, Profile, Snapshot, Source, Step};
use super::trace::Trace;
use leadmesh_flows::schedule;
use leadmesh_forms::rules::{Effort, FieldValue};
use leadmesh_forms::templates::{Budget, Values};

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
    /// What is left for the conditions of all rules.
    pub effort: Effort,
    /// The rule whose answer remains unknown because that was used up: nothing after it is decided.
    pub unanswered: Option<String>,
    /// What TRANSFORM steps have cost, in units of templates.
    pub rendered: u64,
    /// What was overwritten since the first of these.
    pub overwritten: Vec<Overwritten>,
    /// The steps that have routed the lead; stay when `routes` have become deliveries.
    pub marks: Vec<Mark>,
}

/// A step that has routed a lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its place in the flow.
    pub step: usize,
    /// How much of the draft's `overwritten` there was before.
    pub overwritten: usize,
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
/// Units of it for an assignment beside its template: its value is typed.
const ASSIGNMENT_WORK: usize = 40;
/// Steps of conditions that take as long as a unit of templates.
const STEPS_PER_UNIT: u64 = 10;

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
        draft.warnings.extend(draft.unanswered());
        return draft;
    }
    draft.duplicate_values = duplicate_values(flow, &draft);
    draft.accept(&flow.subject, flow.rule.as_ref());
    draft.accept(&source.subject, source.rule.as_ref());
    if draft.reasons.is_empty() && draft.unanswered.is_none() {
        draft.walk(flow, source, now);
    }
    if let Some(unanswered) = draft.unanswered() {
        // Neither to let it through nor to send it elsewhere would be what the rule says.
        draft.routes.clear();
        draft.reasons.push(unanswered);
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

    /// What deciding it has cost so far, in steps of conditions.
    pub fn cost(&self) -> u64 {
        let rendered = self.rendered.saturating_mul(STEPS_PER_UNIT);
        self.effort.spent().saturating_add(rendered)
    }

    /// Why the lead cannot be decided, if it cannot.
    fn unanswered(&self) -> Option<Reason> {
        let rule = self.unanswered.as_ref()?;
        let message = format!(
            "the {rule} could not be answered: for this lead, the conditions take more work than one lead may; use simpler \
             patterns, or fewer conditions on long texts"
        );
        Some(Reason::new(ReasonCode::Error, message))
    }

    /// No rule lets everything through; an unusable one, nothing.
    fn holds_rule(&mut self, check: &str, subject: &Subject, gate: Option<&Gate>) -> Option<Look> {
        gate.map(|gate| self.look_through(check, subject, gate))
    }

    /// What cannot be answered does not hold, and ends the decision.
    fn look_through(&mut self, check: &str, subject: &Subject, gate: &Gate) -> Look {
        let rule = match gate {
            Gate::Ready(rule) => rule,
            Gate::Unusable(why) => {
                return Look {
                    passed: false,
                    detail: why.clone(),
                };
            }
        };
        let mut effort = self.effort;
        let verdict = rule.evaluate(&|name| self.value(name), &mut effort);
        self.effort = effort;
        let Ok(verdict) = verdict else {
            let rule = || format!("{check} of \"{}\"", subject.name);
            self.unanswered.get_or_insert_with(rule);
            return Look {
                passed: false,
                detail: "unknown: the conditions take more work than one lead may".to_owned(),
            };
        };
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

    fn accept(&mut self, subject: &Subject, gate: Option<&Gate>) {
        let check = "acceptance rule";
        let Some(look) = self.holds_rule(check, subject, gate) else {
            return;
        };
        self.trace.look(subject, check, look.passed, &look.detail);
        if !look.passed && self.unanswered.is_none() {
            tell(&mut self.reasons, Reason::new(ReasonCode::NotAccepted, look.detail));
        }
    }

    /// Goes through the steps in order, until a filter stops the lead or a rule cannot be answered.
    fn walk(&mut self, flow: &Snapshot, source: &Source, now: DateTime<Utc>) {
        let budget = Budget::default().with_work(TRANSFORM_WORK);
        let many = flow.steps.iter().filter(|step| goes_through_many(step)).count();
        self.trace.share(flow.steps.len(), many);
        for (place, step) in flow.steps.iter().enumerate() {
            if self.unanswered.is_some() {
                break;
            }
            self.trace.enter(&step.subject, goes_through_many(step));
            if !self.enters(step) {
                continue;
            }
            match &step.action {
                Action::Filter { rule, reason } => {
                    let look = self.look_through("filter", &step.subject, rule);
                    self.trace.look(&step.subject, "filter", !look.passed, look.detail);
                    if look.passed && !flow.takes_all_from(source) {
                        self.filtered = Some(Reason::new(ReasonCode::Filtered, reason.clone()));
                        break;
                    }
                }
                Action::Transform(assignments) => self.transform(flow, step, assignments, &budget),
                Action::Distribute(profile) => {
                    let candidates = self.match_profile(profile, now);
                    if self.unanswered.is_some() {
                        break;
                    }
                    self.route(place, candidates);
                }
                Action::Buyer(buyer) => match buyer.outlet.closed {
                    Some(why) => self
                        .trace
                        .look(&step.subject, "step", false, format!("disconnected: {why}")),
                    None => self.route(place, Vec::new()),
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
        let Some(look) = self.holds_rule("criteria", &step.subject, step.criteria.as_ref()) else {
            return true;
        };
        self.trace.look(&step.subject, "criteria", look.passed, look.detail);
        look.passed
    }

    /// A template that sets an unencrypted field is not shown the encrypted ones: no way of asking copies their values.
    fn transform(
        &mut self,
        flow: &Snapshot,
        step: &Step,
        assignments: &[(entity::field::FieldDef, leadmesh_forms::templates::Template)],
        budget: &Budget,
    ) {
        for (field, template) in assignments {
            let is_shown = |name: &str| field.encrypted || !flow.field(name).is_some_and(|field| field.encrypted);
            let shown = self.fields.iter().filter(|(name, _)| is_shown(name));
            let values: Values<'_> = shown.map(|(name, value)| (name.as_str(), value)).collect();
            let around = ASSIGNMENT_WORK + self.fields.len() / 4;
            let rendered = budget
                .spend(around)
                .and_then(|()| template.render_value(&values, budget));
            let before = self.before_it_is_set(&field.name);
            let detail = match rendered {
                Ok(value) => typing::set(self, field, &value),
                Err(error) => Err(error.to_string()),
            };
            let passed = detail.is_ok();
            self.overwritten.extend(before.filter(|_| passed));
            let text = detail.map_or_else(
                |why| format!("{} was left as it is: {why}", field.name),
                |()| format!("{} was set", field.name),
            );
            self.trace.look_at(&step.subject, "transform", passed, text);
        }
        self.rendered = TRANSFORM_WORK.saturating_sub(budget.work_left());
    }

    fn route(&mut self, step: usize, candidates: Vec<usize>) {
        self.marks.push(Mark {
            step,
            overwritten: self.overwritten.len(),
        });
        self.routes.push(Route {
            step,
            candidates,
            branches: Vec::new(),
        });
    }

    /// A field as it is, where the lead was routed by it already.
    fn before_it_is_set(&self, name: &str) -> Option<Overwritten> {
        (!self.routes.is_empty()).then(|| Overwritten {
            field: name.to_owned(),
            value: self.fields.get(name).cloned(),
            invalid: self.invalid.contains(name),
        })
    }

    /// The candidates of a profile that pass everything but caps.
    pub fn match_profile(&mut self, profile: &Profile, now: DateTime<Utc>) -> Vec<usize> {
        if !profile.enabled {
            self.trace
                .look(&profile.subject, "enabled", false, "the profile is disabled");
            return Vec::new();
        }
        if let Some(look) = self.holds_rule("profile rule", &profile.subject, profile.rule.as_ref()) {
            self.trace
                .look(&profile.subject, "profile rule", look.passed, look.detail);
            if !look.passed {
                return Vec::new();
            }
        }
        let mut matching = Vec::new();
        for (place, candidate) in profile.candidates.iter().enumerate() {
            if self.matches(candidate, now) {
                matching.push(place);
            }
            if self.unanswered.is_some() {
                // Without it nobody knows who is best.
                return Vec::new();
            }
        }
        matching
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
        let look = self.holds_rule("rule", &candidate.subject, candidate.rule.as_ref());
        if let Some(look) = look.filter(|look| !look.passed) {
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

#[cfg(test)]
mod tests;
