//! Compiled rules, and their evaluation.

use std::collections::HashSet;
use std::fmt::Write;
use std::ops::{Bound, RangeBounds};

use serde_json::Value;

use super::eval_budget::{BudgetExceeded, EvalBudget};
use super::family::Family;
use super::scalar::Scalar;
use super::search::Pattern;

/// Facts that a verdict lists. The others are counted.
const MAX_FACTS: usize = 5;

/// The value of a field after typing.
#[derive(Debug, Clone, Copy)]
pub struct FieldValue<'a> {
    /// The canonical value, or the raw one if it is invalid; none if the lead does not have the field.
    pub value: Option<&'a Value>,
    /// Whether the value has the field's type. Meaningless for an empty value.
    pub valid: bool,
}

/// The result of a rule for a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the rule holds.
    pub passed: bool,
    /// The facts that decided, such as `State is not one of TX, CA`. It never has a value of the lead. For encrypted fields
    /// it has no value of the rule either, because that may reveal the lead's. None if the rule is empty.
    pub decided_by: Option<String>,
}

/// A rule with resolved fields, folded texts and compiled patterns.
#[derive(Debug)]
pub struct CompiledRule {
    pub(super) root: Node,
}

#[derive(Debug)]
pub(super) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Leaf(Box<Leaf>),
}

/// A compiled condition.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) field: String,
    pub(super) family: Family,
    pub(super) test: Test,
    pub(super) negated: bool,
    /// The fact, if the condition holds.
    pub(super) met: String,
    /// The fact, if it does not.
    pub(super) unmet: String,
}

#[derive(Debug)]
pub(super) enum Test {
    Empty,
    Valid,
    Invalid,
    Compare(Comparison),
}

/// A comparison with a value; the texts in it are folded.
#[derive(Debug)]
pub(super) enum Comparison {
    Equals(Scalar<'static>),
    OneOf(HashSet<Scalar<'static>>),
    Range(Bound<Scalar<'static>>, Bound<Scalar<'static>>),
    Contains(String),
    StartsWith(String),
    EndsWith(String),
    /// None in a rule that is only checked.
    Matches(Option<Pattern>),
}

/// The state of a value to compare.
#[derive(Clone, Copy)]
enum FieldState<'a> {
    Nothing,
    Invalid,
    Valid(&'a Value),
}

/// Something true of the lead that decided.
struct Fact<'r> {
    text: &'r str,
    because: &'static str,
}

impl CompiledRule {
    /// Evaluates the rule; `values` answers the value of a field. Stops at the first condition that decides. An error means that the
    /// budget ended before.
    pub fn evaluate<'v>(
        &self,
        values: &dyn Fn(&str) -> FieldValue<'v>,
        budget: &mut EvalBudget,
    ) -> Result<Verdict, BudgetExceeded> {
        let mut evaluation = Evaluation {
            values,
            budget,
            facts: Vec::new(),
        };
        let passed = self.root.holds(&mut evaluation)?;
        Ok(Verdict {
            passed,
            decided_by: describe(&evaluation.facts),
        })
    }
}

/// An evaluation in progress.
struct Evaluation<'l, 'r, 'v> {
    values: &'l dyn Fn(&str) -> FieldValue<'v>,
    budget: &'l mut EvalBudget,
    facts: Vec<Fact<'r>>,
}

impl Node {
    /// Adds the facts on which the result of this node rests.
    fn holds<'r>(&'r self, evaluation: &mut Evaluation<'_, 'r, '_>) -> Result<bool, BudgetExceeded> {
        match self {
            Self::All(nodes) => Ok(!decided(nodes, false, evaluation)?),
            Self::Any(nodes) => decided(nodes, true, evaluation),
            Self::Not(node) => Ok(!node.holds(evaluation)?),
            Self::Leaf(leaf) => leaf.holds(evaluation),
        }
    }
}

/// Whether one of the nodes has the result `decisive`. Then only its facts count, else those of all nodes.
fn decided<'r>(
    nodes: &'r [Node],
    decisive: bool,
    evaluation: &mut Evaluation<'_, 'r, '_>,
) -> Result<bool, BudgetExceeded> {
    let start = evaluation.facts.len();
    evaluation.budget.steps(1)?;
    for node in nodes {
        let own = evaluation.facts.len();
        if node.holds(evaluation)? == decisive {
            evaluation.facts.drain(start..own);
            return Ok(true);
        }
    }
    Ok(false)
}

impl Leaf {
    fn holds<'r>(&'r self, evaluation: &mut Evaluation<'_, 'r, '_>) -> Result<bool, BudgetExceeded> {
        let value = (evaluation.values)(&self.field);
        evaluation.budget.condition(value.bytes())?;
        let found = value.found();
        let holds = self.test.holds(self.family, found, evaluation.budget)? != self.negated;
        let text = if holds { &self.met } else { &self.unmet };
        let because = match (&self.test, found) {
            (Test::Compare(_), FieldState::Nothing) => " (it is empty)",
            (Test::Compare(_), FieldState::Invalid) => " (it is invalid)",
            _ => "",
        };
        evaluation.facts.push(Fact { text, because });
        Ok(holds)
    }
}

impl<'a> FieldValue<'a> {
    /// Bytes that a comparison reads.
    fn bytes(self) -> usize {
        self.value.and_then(Value::as_str).map_or(0, str::len)
    }

    fn found(self) -> FieldState<'a> {
        let full = self.value.filter(|value| match value {
            Value::Null => false,
            Value::String(text) => !text.trim().is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(entries) => !entries.is_empty(),
            Value::Bool(_) | Value::Number(_) => true,
        });
        match full {
            None => FieldState::Nothing,
            Some(_) if !self.valid => FieldState::Invalid,
            Some(value) => FieldState::Valid(value),
        }
    }
}

impl Test {
    fn holds(&self, family: Family, found: FieldState<'_>, budget: &mut EvalBudget) -> Result<bool, BudgetExceeded> {
        match (self, found) {
            (Self::Empty, FieldState::Nothing)
            | (Self::Valid, FieldState::Valid(_))
            | (Self::Invalid, FieldState::Invalid) => Ok(true),
            (Self::Compare(comparison), FieldState::Valid(value)) => match family.read(value) {
                Some(value) => comparison.holds(&value, budget),
                None => Ok(false),
            },
            _ => Ok(false),
        }
    }
}

impl Comparison {
    fn holds(&self, found: &Scalar<'_>, budget: &mut EvalBudget) -> Result<bool, BudgetExceeded> {
        Ok(match (self, found) {
            (Self::Equals(wanted), _) => wanted == found,
            (Self::OneOf(wanted), _) => wanted.contains(found),
            (Self::Range(low, high), _) => (low.as_ref(), high.as_ref()).contains(&found),
            (Self::Contains(part), Scalar::Text(text)) => text.contains(part),
            (Self::StartsWith(start), Scalar::Text(text)) => text.starts_with(start),
            (Self::EndsWith(end), Scalar::Text(text)) => text.ends_with(end),
            (Self::Matches(Some(pattern)), Scalar::Text(text)) => pattern.is_in(&text.0, budget)?,
            _ => false,
        })
    }
}

fn describe(facts: &[Fact<'_>]) -> Option<String> {
    let (first, rest) = facts.split_first()?;
    let mut describe = [first.text, first.because].concat();
    for fact in rest.iter().take(MAX_FACTS - 1) {
        describe.extend([" and ", fact.text, fact.because]);
    }
    if let Some(more @ 1..) = facts.len().checked_sub(MAX_FACTS) {
        let _ = write!(describe, " and {more} more");
    }
    Some(describe)
}
