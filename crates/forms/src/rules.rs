//! Rules: trees of conditions for acceptance, step criteria, filters, profiles and assignments.
//!
//! When a rule is saved, it is checked against the fields of a flow ([`check`]) and stored in the canonical form that the
//! check answers. It is displayed as text ([`text`]), and compiled once ([`compile`]) to be evaluated many times. All of it
//! is pure: no clock and no database.
//!
//! The meaning of comparisons:
//! - Text compares case-insensitively, without white space around the lead's value.
//! - Numbers compare exactly, also if the lead has them as text; dates compare as days, times as instants.
//! - A value that is empty (absent, null, blank text, an empty list or object) or invalid makes a comparison false and
//!   a negated one (`NOT_EQUALS`, `NOT_CONTAINS`, `NOT_IN`) true. So does a value that is not of the field's type.
//! - `not` is plain negation: `not` of a comparison holds for an empty value.
//! - An empty `all` holds. An empty `any` is refused when saved, because it can never hold.

mod brief;
mod check;
mod eval_budget;
mod evaluate;
mod family;
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

use async_graphql::{InputObject, OneofObject};
use serde::{Deserialize, Serialize};

pub use check::{Problem, ProblemKind, check, check_stored, check_with_sizes, compile, compile_within};
pub use eval_budget::{BudgetExceeded, EvalBudget};
pub use evaluate::{CompiledRule, FieldValue, Verdict};
pub use operator::Operator;
pub use pattern::{PatternBudget, PatternSizes};
pub use text::{ENCRYPTED_CONDITION, text};

/// The most levels of `all`, `any` and `not`.
pub const MAX_DEPTH: usize = 10;
/// The most conditions of a rule. A group without conditions counts as one.
pub const MAX_CONDITIONS: usize = 200;
/// The most values of a list (`IN`, `NOT_IN`).
pub const MAX_LIST: usize = 1_000;
/// Longest value of a condition, in characters.
pub const MAX_VALUE_CHARS: usize = 1_000;
/// Longest pattern (`MATCHES`), in characters.
pub const MAX_PATTERN_CHARS: usize = 500;
/// Longest pattern with its repetitions expanded, in characters: a search may be in so many states at the same time.
pub const MAX_PATTERN_STATES: usize = 1_000;
/// The same for all patterns of a rule together.
pub const MAX_RULE_STATES: usize = 10_000;

/// A rule on the fields of a lead: a tree of conditions, at most 10 levels deep, with at most 200 conditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, OneofObject)]
#[serde(rename_all = "lowercase")]
#[graphql(name = "RuleInput")]
pub enum Rule {
    /// Holds if all of these hold. An empty list always holds.
    All(Vec<Rule>),
    /// Holds if at least one of these holds. Must not be empty.
    Any(Vec<Rule>),
    /// Holds if this does not.
    Not(Box<Rule>),
    /// Holds if a field meets this condition.
    Condition(Condition),
}

/// Compares one field with a value. Text is compared case-insensitively, numbers as numbers, dates as dates. For an
/// empty or invalid value a comparison is false and its negation true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, InputObject)]
#[serde(deny_unknown_fields)]
#[graphql(name = "ConditionInput")]
pub struct Condition {
    /// The exact name of the field in the flow.
    pub field: String,
    /// The operator. Which operators apply depends on the field's type.
    pub operator: Operator,
    /// The value to compare with, in the form that the operator requires. Omit for operators without a value.
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
