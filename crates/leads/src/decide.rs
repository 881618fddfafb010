//! The part of a decision that needs no database: typing, required fields, rules, steps, and matching partners. Pure: the same
//! values, flow and time give the same draft. What depends on other leads (duplicates, caps) is left to
//! [`allocate`](super::allocate), in the transaction that stores the lead.

pub mod typing;

use chrono::{DateTime, Utc};
use entity::routed::Overwritten;
use serde_json::{Map, Value};

use super::draft::{Draft, Route, RoutedStep};
use super::outcome::{Reason, ReasonCode, Subject, add_reason};
use super::snapshot::{Action, Candidate, FieldTemplate, LoadedRule, Profile, Snapshot, Source, Step};
use leadmesh_flows::schedule;
use leadmesh_forms::rules::FieldValue;
use leadmesh_forms::templates::{Budget, Values};

/// Template units for all TRANSFORM steps of one lead: some milliseconds, for leads are decided in the request that submits them.
const TRANSFORM_WORK: u64 = 100_000;
/// Units for one assignment besides its template: its value is typed.
const ASSIGNMENT_WORK: usize = 40;
/// Evaluation steps that take as long as one template unit.
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
        // Missing and odd values become warnings, and nothing is a duplicate.
        draft.warnings.append(&mut draft.reasons);
        draft.walk(flow, source, now);
        draft.warnings.extend(draft.undecided_reason());
        return draft;
    }
    draft.duplicate_values = duplicate_values(flow, &draft);
    draft.accept(&flow.subject, flow.rule.as_ref());
    draft.accept(&source.subject, source.rule.as_ref());
    if draft.reasons.is_empty() && draft.undecided.is_none() {
        draft.walk(flow, source, now);
    }
    if let Some(reason) = draft.undecided_reason() {
        // To accept the lead would be as wrong as to route it past the rule.
        draft.routes.clear();
        draft.reasons.push(reason);
    }
    draft
}

fn is_open(flow: &Snapshot, source: &Source, draft: &mut Draft) -> bool {
    let (trace, reasons) = (&mut draft.trace, &mut draft.reasons);
    if !flow.enabled {
        trace.check(&flow.subject, "enabled", false, "the flow is disabled");
        reasons.push(Reason::new(
            ReasonCode::FlowDisabled,
            "the flow does not take leads now",
        ));
        return false;
    }
    trace.check(&flow.subject, "enabled", true, "the flow takes leads");
    let detail = if source.enabled {
        "the source may submit"
    } else {
        "the source is disabled"
    };
    trace.check(&source.subject, "enabled", source.enabled, detail);
    if flow.beyond_plan {
        let why = "PLAN_REQUIRED: on the FREE plan, the recipient takes leads in its Inbox only";
        trace.check(&flow.subject, "plan", false, why);
        reasons.push(Reason::new(ReasonCode::FlowDisabled, why));
        return false;
    }
    if !source.enabled {
        reasons.push(Reason::new(
            ReasonCode::SourceDisabled,
            "this source may not submit now",
        ));
    }
    source.enabled
}

/// The values that make two leads the same. A lead without any of them equals no other one.
fn duplicate_values(flow: &Snapshot, draft: &Draft) -> Option<String> {
    let value = |key: &String| match draft.fields.get(key) {
        Some(Value::String(text)) => text.to_lowercase(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let values: Vec<String> = flow.duplicate_keys.iter().map(value).collect();
    let comparable = values.iter().any(|value| !value.is_empty())
        && flow.duplicate_keys.iter().all(|key| !draft.invalid.contains(key));
    comparable.then(|| values.join("\u{1f}"))
}

/// What a rule says of a lead, and which facts decided.
struct CheckResult {
    passed: bool,
    detail: String,
}

impl Draft {
    /// What the decision has used so far, in evaluation steps.
    pub fn work(&self) -> u64 {
        let rendered = self.rendered.saturating_mul(STEPS_PER_UNIT);
        self.eval_budget.used().saturating_add(rendered)
    }

    fn value(&self, name: &str) -> FieldValue<'_> {
        FieldValue {
            value: self.fields.get(name),
            valid: !self.invalid.contains(name),
        }
    }

    /// Why the lead cannot be decided; none if it can.
    fn undecided_reason(&self) -> Option<Reason> {
        let rule = self.undecided.as_ref()?;
        let message = format!(
            "the {rule} could not be answered: for this lead, the conditions take more work than one lead may; use simpler \
             patterns, or fewer conditions on long texts"
        );
        Some(Reason::new(ReasonCode::Error, message))
    }

    /// Evaluates a rule. One that is unusable, or exceeds the budget, does not hold; the latter ends the decision.
    fn evaluate(&mut self, check: &str, subject: &Subject, rule: &LoadedRule) -> CheckResult {
        let failed = |detail: &str| CheckResult {
            passed: false,
            detail: detail.to_owned(),
        };
        let rule = match rule {
            LoadedRule::Ready(rule) => rule,
            LoadedRule::Unusable(why) => return failed(why),
        };
        let mut budget = self.eval_budget;
        let verdict = rule.evaluate(&|name| self.value(name), &mut budget);
        self.eval_budget = budget;
        let Ok(verdict) = verdict else {
            let rule = || format!("{check} of \"{}\"", subject.name);
            self.undecided.get_or_insert_with(rule);
            return failed("unknown: the conditions take more work than one lead may");
        };
        let otherwise = if verdict.passed {
            "the rule holds"
        } else {
            "the rule does not hold"
        };
        CheckResult {
            passed: verdict.passed,
            detail: verdict.decided_by.unwrap_or_else(|| otherwise.to_owned()),
        }
    }

    fn accept(&mut self, subject: &Subject, rule: Option<&LoadedRule>) {
        let check = "acceptance rule";
        let Some(rule) = rule else { return };
        let result = self.evaluate(check, subject, rule);
        self.trace.check(subject, check, result.passed, &result.detail);
        if !result.passed && self.undecided.is_none() {
            add_reason(&mut self.reasons, Reason::new(ReasonCode::NotAccepted, result.detail));
        }
    }

    /// Walks the steps in order, until a filter stops the lead or a rule exceeds the budget.
    fn walk(&mut self, flow: &Snapshot, source: &Source, now: DateTime<Utc>) {
        let budget = Budget::default().with_work(TRANSFORM_WORK);
        let many = flow.steps.iter().filter(|step| has_many_items(step)).count();
        self.trace.share(flow.steps.len(), many);
        for (index, step) in flow.steps.iter().enumerate() {
            if self.undecided.is_some() {
                break;
            }
            self.trace.enter(&step.subject, has_many_items(step));
            if !self.enters(step) {
                continue;
            }
            match &step.action {
                Action::Filter { rule, reason } => {
                    let result = self.evaluate("filter", &step.subject, rule);
                    self.trace.check(&step.subject, "filter", !result.passed, result.detail);
                    if result.passed && !flow.takes_all_from(source) {
                        self.filtered = Some(Reason::new(ReasonCode::Filtered, reason.clone()));
                        break;
                    }
                }
                Action::Transform(assignments) => self.transform(flow, step, assignments, &budget),
                Action::Distribute(profile) => {
                    let candidates = self.match_profile(profile, now);
                    if self.undecided.is_none() {
                        self.route(index, candidates);
                    }
                }
                Action::Buyer(buyer) => match buyer.recipient.blocked {
                    Some(why) => self.skip(step, &format!("disconnected: {why}")),
                    None => self.route(index, Vec::new()),
                },
                Action::Unusable(why) => self.skip(step, why),
            }
        }
        self.trace.leave();
    }

    fn skip(&mut self, step: &Step, why: &str) {
        self.trace.check(&step.subject, "step", false, why);
    }

    fn enters(&mut self, step: &Step) -> bool {
        if !step.enabled {
            let detail = "the step is disabled and was skipped";
            self.trace.check(&step.subject, "enabled", false, detail);
            return false;
        }
        let Some(criteria) = &step.criteria else { return true };
        let result = self.evaluate("criteria", &step.subject, criteria);
        self.trace
            .check(&step.subject, "criteria", result.passed, result.detail);
        result.passed
    }

    /// Sets fields from templates. A template that sets an unencrypted field cannot read encrypted ones.
    fn transform(&mut self, flow: &Snapshot, step: &Step, assignments: &[FieldTemplate], budget: &Budget) {
        for FieldTemplate { field, template } in assignments {
            let is_readable = |name: &str| field.encrypted || !flow.field(name).is_some_and(|field| field.encrypted);
            let readable = self.fields.iter().filter(|(name, _)| is_readable(name));
            let values: Values<'_> = readable.map(|(name, value)| (name.as_str(), value)).collect();
            let rendered = budget
                .spend(ASSIGNMENT_WORK + self.fields.len() / 4)
                .and_then(|()| template.render_value(&values, budget));
            let before = self.before_it_is_set(&field.name);
            let set = match rendered {
                Ok(value) => typing::set(self, field, &value),
                Err(error) => Err(error.to_string()),
            };
            let passed = set.is_ok();
            self.overwritten.extend(before.filter(|_| passed));
            let detail = match set {
                Ok(()) => format!("{} was set", field.name),
                Err(why) => format!("{} was left as it is: {why}", field.name),
            };
            self.trace.check_item(&step.subject, "transform", passed, detail);
        }
        self.rendered = TRANSFORM_WORK.saturating_sub(budget.work_left());
    }

    fn route(&mut self, step: usize, candidates: Vec<usize>) {
        self.routed_steps.push(RoutedStep {
            step,
            overwritten: self.overwritten.len(),
        });
        self.routes.push(Route {
            step,
            candidates,
            handoffs: Vec::new(),
        });
    }

    /// The field before it is set, if an earlier step has routed the lead by it.
    fn before_it_is_set(&self, name: &str) -> Option<Overwritten> {
        (!self.routes.is_empty()).then(|| Overwritten {
            field: name.to_owned(),
            value: self.fields.get(name).cloned(),
            invalid: self.invalid.contains(name),
        })
    }

    /// Indexes of the candidates of a profile that pass everything but caps, best rank first.
    pub fn match_profile(&mut self, profile: &Profile, now: DateTime<Utc>) -> Vec<usize> {
        if !profile.enabled {
            self.trace
                .check(&profile.subject, "enabled", false, "the profile is disabled");
            return Vec::new();
        }
        if let Some(rule) = &profile.rule {
            let result = self.evaluate("profile rule", &profile.subject, rule);
            self.trace
                .check(&profile.subject, "profile rule", result.passed, result.detail);
            if !result.passed {
                return Vec::new();
            }
        }
        let mut matching = Vec::new();
        for (index, candidate) in profile.candidates.iter().enumerate() {
            match self.mismatch(candidate, now) {
                None => matching.push(index),
                Some((check, detail)) => self.trace.check_item(&candidate.subject, check, false, detail),
            }
            if self.undecided.is_some() {
                // Without this answer nobody knows which candidate is best.
                return Vec::new();
            }
        }
        matching
    }

    /// The first check that a candidate fails, with its detail. One that passes is traced when its caps are checked.
    fn mismatch(&mut self, candidate: &Candidate, now: DateTime<Utc>) -> Option<(&'static str, String)> {
        if !candidate.active {
            return Some(("active", "the partner is not active".to_owned()));
        }
        if let Some(why) = candidate.recipient.as_ref().and_then(|recipient| recipient.blocked) {
            return Some(("connection", format!("disconnected: {why}")));
        }
        if !candidate.enabled {
            return Some(("enabled", "the assignment is disabled".to_owned()));
        }
        if let Some(rule) = &candidate.rule {
            let result = self.evaluate("rule", &candidate.subject, rule);
            if !result.passed {
                return Some(("rule", result.detail));
            }
        }
        let is_closed = |schedule| !schedule::open_at(schedule, now);
        if candidate.schedule.as_ref().is_some_and(is_closed) {
            return Some(("schedule", "outside the hours of its schedule".to_owned()));
        }
        None
    }
}

/// Whether a step checks many items: the assignments of a profile, or the fields that it sets.
fn has_many_items(step: &Step) -> bool {
    step.enabled && matches!(step.action, Action::Distribute(_) | Action::Transform(_))
}

#[cfg(test)]
mod tests;
