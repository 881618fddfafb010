//! Rules: one tree of conditions for acceptance, step criteria, filters, profiles and assignments.
//!
//! A rule is checked against the fields of a flow when it is saved ([`check`]), stored in the canonical form that
//! the check answers, shown in words ([`text`]), and compiled once ([`compile`]) to be evaluated many times.
//! All of it is pure: no clock, no database, no fields but those handed in.
//!
//! What a comparison means, in every use:
//! - Text compares without regard to case and to white space around the lead's value.
//! - Numbers compare exactly, also when the lead carries them as text; dates as days; times as instants.
//! - A value that is empty (absent, null, blank text, an empty list or object) or invalid makes a comparison false and
//!   a negated one (`NOT_EQUALS`, `NOT_CONTAINS`, `NOT_IN`) true. So does a value that is not of the field's type.
//! - `not` is plain negation: `not` of a comparison holds for an empty value.
//! - An empty `all` holds. An empty `any` is refused when saved, because it can never hold.

mod check;
mod effort;
mod evaluate;
mod fold;
mod operand;
mod operator;
mod pattern;
mod scalar;
mod search;
mod text;

#[cfg(test)]
mod tests;

use std::iter;

use serde::{Deserialize, Serialize};

pub use check::{Problem, ProblemKind, check, check_stored, check_weighed, compile, compile_within};
pub use effort::{Effort, Spent};
pub use evaluate::{CompiledRule, FieldValue, Verdict};
pub use operator::Operator;
pub use pattern::{Budget, Weighed};
pub use text::{ENCRYPTED_CONDITION, text};

/// How many `all`, `any` and `not` may be inside one another.
pub const MAX_DEPTH: usize = 10;
/// How many conditions a rule may have. A group without conditions counts as one.
pub const MAX_CONDITIONS: usize = 200;
/// How many values a list (`IN`, `NOT_IN`) may have.
pub const MAX_LIST: usize = 1_000;
/// How many characters a value that a rule compares with may have.
pub const MAX_VALUE_CHARS: usize = 1_000;
/// How many characters a pattern (`MATCHES`) may have.
pub const MAX_PATTERN_CHARS: usize = 500;
/// How many characters a pattern may have when its repetitions are written out: a text may be at so many places of it at once.
pub const MAX_PATTERN_PLACES: usize = 1_000;
/// How many all patterns of a rule may have.
pub const MAX_RULE_PLACES: usize = 10_000;

/// A rule as it is stored and shown: `{"all":[…]}`, `{"any":[…]}`, `{"not":…}` or `{"condition":{…}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Holds when every one of these holds; so it holds when there are none.
    All(Vec<Rule>),
    /// Holds when at least one of these holds.
    Any(Vec<Rule>),
    /// Holds when this does not.
    Not(Box<Rule>),
    /// Holds when the field meets the condition.
    Condition(Condition),
}

/// One look at one field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The field's name in the flow, exactly.
    pub field: String,
    /// How the field's value is looked at.
    pub operator: Operator,
    /// What it is compared with; none for the operators that only look at the field itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
}

impl Rule {
    /// The names of the fields that the rule looks at, in order of appearance, repeated if used repeatedly.
    pub fn fields_named(&self) -> impl Iterator<Item = &str> {
        self.conditions().map(|condition| condition.field.as_str())
    }

    /// Its conditions, in order of appearance.
    pub(super) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let mut pending = vec![self];
        iter::from_fn(move || {
            loop {
                match pending.pop()? {
                    Self::All(items) | Self::Any(items) => pending.extend(items.iter().rev()),
                    Self::Not(inner) => pending.push(inner),
                    Self::Condition(condition) => return Some(condition),
                }
            }
        })
    }
}
