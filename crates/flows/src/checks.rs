//! Checks before a change is saved. All errors are collected, so that one answer names every one.

pub(super) mod assignment;

use std::collections::HashSet;

use entity::account::{self, Plan};
use entity::cap_usage::Caps;
use entity::delivery_config::FieldMapping;
use entity::field::FieldDef;
use entity::source::Mappings;
use entity::step::TemplateAssignment;
use serde_json::Value;

use super::caps::{self, CapInput};
use super::price::{Price, PriceInput};
use leadmesh_core::app::App;
use leadmesh_core::clock::Clock;
use leadmesh_core::error::{Error, Result, UserError, UserErrorCode};
use leadmesh_forms::fields::{MAX_FIELDS, check_definitions};
use leadmesh_forms::rules::{self, PatternSizes, ProblemKind, Rule};
use leadmesh_forms::templates::FieldNames;

/// Longest name of a flow, source or step, in characters.
const MAX_NAME_CHARS: usize = 120;
/// Longest description of a flow, in characters.
const MAX_DESCRIPTION_CHARS: usize = 2_000;
/// Longest reason of a FILTER step, in characters.
const MAX_REASON_CHARS: usize = 500;
/// Most field mappings of a source.
const MAX_MAPPINGS: usize = 200;
/// Longest name of a sender's field, in characters.
const MAX_WIRE_NAME_CHARS: usize = 200;
/// Most fields of a duplicate check.
const MAX_DUPLICATE_KEYS: usize = 10;
/// Longest time of a duplicate check, in days.
const MAX_DUPLICATE_DAYS: i32 = 3_650;
/// Most fields that a TRANSFORM step sets.
const MAX_ASSIGNMENTS: usize = 50;

/// Checks values of one account and collects the errors. Its results for invalid values must not be used.
pub(super) struct Checker {
    plan: Plan,
    timezone: String,
    clock: Clock,
    /// Sizes of the patterns of the rules that are saved.
    pub(super) sizes: PatternSizes,
    found: Vec<UserError>,
}

impl Checker {
    pub(super) fn new(app: &App, account: &account::Model) -> Self {
        Self {
            plan: account.plan,
            timezone: account.timezone.clone(),
            clock: app.clock.clone(),
            sizes: PatternSizes::default(),
            found: Vec::new(),
        }
    }

    /// Fails with all errors, if there are any.
    pub(super) fn finish(&mut self) -> Result<()> {
        match std::mem::take(&mut self.found) {
            found if found.is_empty() => Ok(()),
            found => Err(Error::User(found)),
        }
    }

    pub(super) fn broken(&mut self, code: UserErrorCode, path: &str, message: impl Into<String>) {
        self.found.push(UserError::new(code, path, message));
    }

    /// Whether the plan includes all features.
    pub(super) fn is_paid(&self) -> bool {
        self.plan == Plan::Paid
    }

    /// Requires the PAID plan.
    pub(super) fn paid(&mut self, path: &str, what: &str) {
        if !self.is_paid() {
            let text =
                format!("the FREE plan does not include {what}: leave it out, or ask the operator for the PAID plan");
            self.broken(UserErrorCode::PlanRequired, path, text);
        }
    }

    /// A name, trimmed.
    pub(super) fn name(&mut self, text: &str, path: &str) -> String {
        let name = self.line(text, path, MAX_NAME_CHARS);
        if name.is_empty() {
            self.broken(UserErrorCode::Required, path, "give it a name");
        }
        name
    }

    /// The reason of a FILTER step, which senders see.
    pub(super) fn reason(&mut self, text: &str, path: &str) -> String {
        let reason = self.line(text, path, MAX_REASON_CHARS);
        if reason.is_empty() {
            self.broken(
                UserErrorCode::Required,
                path,
                "say what the sender is told, such as \"only leads from Texas\"",
            );
        }
        reason
    }

    fn line(&mut self, text: &str, path: &str, longest: usize) -> String {
        let line = text.trim();
        if line.chars().count() > longest {
            self.broken(
                UserErrorCode::TooLong,
                path,
                format!("shorten it to at most {longest} characters"),
            );
        }
        if line.chars().any(char::is_control) {
            self.broken(
                UserErrorCode::Invalid,
                path,
                "write it without line breaks and control characters",
            );
        }
        line.to_owned()
    }

    /// A description; none if blank.
    pub(super) fn description(&mut self, text: &str, path: &str) -> Option<String> {
        let text = text.trim();
        if text.chars().count() > MAX_DESCRIPTION_CHARS {
            let message = format!("shorten it to at most {MAX_DESCRIPTION_CHARS} characters");
            self.broken(UserErrorCode::TooLong, path, message);
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            self.broken(UserErrorCode::Invalid, path, "write it without control characters");
        }
        Some(text.to_owned()).filter(|text| !text.is_empty())
    }

    /// Definitions of fields.
    pub(super) fn fields(&mut self, fields: &[FieldDef], path: &str) {
        if fields.len() > MAX_FIELDS {
            let text = format!("a flow has at most {MAX_FIELDS} fields: this is {}", fields.len());
            return self.broken(UserErrorCode::LimitReached, path, text);
        }
        for problem in check_definitions(fields) {
            let path = format!("{path}.{}.{}", problem.index, problem.part);
            self.broken(UserErrorCode::Invalid, &path, problem.message);
        }
    }

    /// The canonical rule. Rules require PAID; `what` names its use.
    pub(super) fn rule(&mut self, rule: &Rule, fields: &[FieldDef], path: &str, what: &str) -> Option<Value> {
        self.paid(path, what);
        match rules::check_with_sizes(rule, fields, &self.sizes) {
            Ok(canonical) => serde_json::to_value(canonical).ok(),
            Err(problems) => {
                let broken = problems.into_iter().map(|problem| broken_rule(problem, path));
                self.found.extend(broken);
                None
            }
        }
    }

    /// The fields of a duplicate check.
    pub(super) fn duplicate_keys(&mut self, keys: &[String], fields: &[FieldDef], path: &str) {
        if keys.len() > MAX_DUPLICATE_KEYS {
            let text = format!("name at most {MAX_DUPLICATE_KEYS} fields");
            return self.broken(UserErrorCode::LimitReached, path, text);
        }
        let mut seen = HashSet::new();
        for (index, key) in keys.iter().enumerate() {
            let path = format!("{path}.{index}");
            if !knows(fields, key) {
                self.unknown_field(key, &path);
            } else if !seen.insert(key) {
                self.broken(
                    UserErrorCode::Invalid,
                    &path,
                    format!("\"{key}\" is there twice: keep one"),
                );
            }
        }
    }

    /// The days of a duplicate check.
    pub(super) fn duplicate_window(&mut self, days: i32, path: &str) {
        if !(1..=MAX_DUPLICATE_DAYS).contains(&days) {
            let text = format!("give 1 to {MAX_DUPLICATE_DAYS} days");
            self.broken(UserErrorCode::Invalid, path, text);
        }
    }

    /// Caps that replace `before`. Any cap requires PAID.
    pub(super) fn caps(&mut self, inputs: &[CapInput], before: &Caps, path: &str) -> Caps {
        if !inputs.is_empty() {
            self.paid(path, "caps");
        }
        let clock = &self.clock;
        let caps = caps::check(inputs, before, &self.timezone, path, || clock.id());
        caps.unwrap_or_else(|broken| {
            self.found.push(broken);
            Caps::default()
        })
    }

    /// A price as its two columns.
    pub(super) fn price(&mut self, price: Option<&PriceInput>, path: &str) -> (Option<i64>, Option<String>) {
        let price = price
            .map(|price| Price::check(price.amount.0, &price.currency, path))
            .transpose();
        Price::columns(price.unwrap_or_else(|broken| {
            self.found.push(broken);
            None
        }))
    }

    /// The field mappings of a source.
    pub(super) fn mapping(&mut self, mapping: &[FieldMapping], fields: &[FieldDef], path: &str) -> Mappings {
        if mapping.len() > MAX_MAPPINGS {
            let text = format!("a source has at most {MAX_MAPPINGS} renamings");
            self.broken(UserErrorCode::LimitReached, path, text);
            return Mappings::default();
        }
        let (mut froms, mut tos) = (HashSet::new(), HashSet::new());
        for (index, renaming) in mapping.iter().enumerate() {
            let path = |part: &str| format!("{path}.{index}.{part}");
            let from = self.line(&renaming.from, &path("from"), MAX_WIRE_NAME_CHARS);
            if from.is_empty() {
                self.broken(
                    UserErrorCode::Required,
                    &path("from"),
                    "name the field as the sender does",
                );
            } else if !froms.insert(renaming.from.trim()) {
                self.broken(
                    UserErrorCode::Invalid,
                    &path("from"),
                    format!("\"{from}\" is renamed twice: keep one"),
                );
            }
            if !knows(fields, &renaming.to) {
                self.unknown_field(&renaming.to, &path("to"));
            } else if !tos.insert(renaming.to.as_str()) {
                let text = format!("\"{}\" would come from two fields of the sender: keep one", renaming.to);
                self.broken(UserErrorCode::Invalid, &path("to"), text);
            }
        }
        Mappings(mapping.iter().map(trimmed).collect())
    }

    /// The assignments of a TRANSFORM step.
    pub(super) fn assignments(&mut self, assignments: &[TemplateAssignment], fields: &[FieldDef], path: &str) {
        if !(1..=MAX_ASSIGNMENTS).contains(&assignments.len()) {
            let text = format!("set 1 to {MAX_ASSIGNMENTS} fields");
            return self.broken(UserErrorCode::Invalid, path, text);
        }
        let names = FieldNames::new(fields);
        for (index, assignment) in assignments.iter().enumerate() {
            let broken = assignment::problems(assignment, fields, &names);
            let outer = format!("{path}.{index}");
            self.found
                .extend(broken.into_iter().map(|broken| broken.within(&outer)));
        }
    }

    fn unknown_field(&mut self, name: &str, path: &str) {
        let name: String = name.chars().take(MAX_NAME_CHARS).collect();
        let text = format!("the flow has no field \"{name}\": use one of its field names");
        self.broken(UserErrorCode::UnknownField, path, text);
    }
}

fn knows(fields: &[FieldDef], name: &str) -> bool {
    fields.iter().any(|field| field.name == name)
}

fn trimmed(renaming: &FieldMapping) -> FieldMapping {
    FieldMapping {
        from: renaming.from.trim().to_owned(),
        to: renaming.to.clone(),
    }
}

fn broken_rule(problem: rules::Problem, path: &str) -> UserError {
    let code = match problem.kind {
        ProblemKind::UnknownField => UserErrorCode::UnknownField,
        ProblemKind::Invalid => UserErrorCode::InvalidRule,
    };
    UserError::new(code, &problem.path.join("."), problem.message).within(path)
}
