//! Rules made ready to run, and running them.

use std::collections::HashSet;
use std::fmt::Write;
use std::ops::{Bound, RangeBounds};

use serde_json::Value;

use super::effort::{Effort, Spent};
use super::scalar::{Family, Scalar};
use super::search::Pattern;

/// How many facts a verdict tells before it only counts them.
const FACTS_TOLD: usize = 5;

/// A field of a lead, as typing left it.
#[derive(Debug, Clone, Copy)]
pub struct FieldValue<'a> {
    /// The canonical value, or the raw one where typing failed; none if the lead does not have the field.
    pub value: Option<&'a Value>,
    /// Whether the value is of the field's type. Means nothing for an empty value.
    pub valid: bool,
}

/// What a rule says of a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the rule holds.
    pub passed: bool,
    /// The facts that decided, in words, such as `State is not one of TX, CA`. It never has a value of the lead, and of
    /// encrypted fields not the rule's value either, as that may give the lead's away. None if the rule is empty.
    pub decided_by: Option<String>,
}

/// A rule ready to run: fields resolved, texts folded, patterns compiled. Share it between threads.
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

/// A condition ready to run.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) field: String,
    pub(super) family: Family,
    pub(super) test: Test,
    pub(super) negated: bool,
    /// The fact in words, if it is one.
    pub(super) met: String,
    /// The opposite in words.
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
    /// None where the rule is only checked: what is run has every pattern.
    Matches(Option<Pattern>),
}

/// What there is to compare.
#[derive(Clone, Copy)]
enum Found<'a> {
    Nothing,
    Invalid,
    Valid(&'a Value),
}

/// Something true of the lead that took part in the decision.
struct Fact<'r> {
    text: &'r str,
    because: &'static str,
}

impl CompiledRule {
    /// Runs the rule on the values of a lead, which it asks for by field name.
    ///
    /// It stops at the first condition that decides, so `values` may be asked for only some fields, or for one repeatedly. Whether
    /// it holds remains unknown where the effort ends before that.
    pub fn evaluate<'v>(&self, values: &dyn Fn(&str) -> FieldValue<'v>, effort: &mut Effort) -> Result<Verdict, Spent> {
        let mut look = Look {
            values,
            effort,
            facts: Vec::new(),
        };
        let passed = self.root.holds(&mut look)?;
        Ok(Verdict {
            passed,
            decided_by: told(&look.facts),
        })
    }
}

/// A look at a lead.
struct Look<'l, 'r, 'v> {
    values: &'l dyn Fn(&str) -> FieldValue<'v>,
    effort: &'l mut Effort,
    facts: Vec<Fact<'r>>,
}

impl Node {
    /// Leaves behind those facts that this node's answer rests on.
    fn holds<'r>(&'r self, look: &mut Look<'_, 'r, '_>) -> Result<bool, Spent> {
        match self {
            Self::All(nodes) => Ok(!decided(nodes, false, look)?),
            Self::Any(nodes) => decided(nodes, true, look),
            Self::Not(node) => Ok(!node.holds(look)?),
            Self::Leaf(leaf) => leaf.holds(look),
        }
    }
}

/// Whether one of the nodes answers `decisive`; then only that one's facts count, else those of all.
fn decided<'r>(nodes: &'r [Node], decisive: bool, look: &mut Look<'_, 'r, '_>) -> Result<bool, Spent> {
    let start = look.facts.len();
    look.effort.steps(1)?;
    for node in nodes {
        let own = look.facts.len();
        if node.holds(look)? == decisive {
            look.facts.drain(start..own);
            return Ok(true);
        }
    }
    Ok(false)
}

impl Leaf {
    fn holds<'r>(&'r self, look: &mut Look<'_, 'r, '_>) -> Result<bool, Spent> {
        let value = (look.values)(&self.field);
        look.effort.condition(value.bytes())?;
        let found = value.found();
        let holds = self.test.holds(self.family, found, look.effort)? != self.negated;
        let text = if holds { &self.met } else { &self.unmet };
        let because = match (&self.test, found) {
            (Test::Compare(_), Found::Nothing) => " (it is empty)",
            (Test::Compare(_), Found::Invalid) => " (it is invalid)",
            _ => "",
        };
        look.facts.push(Fact { text, because });
        Ok(holds)
    }
}

impl<'a> FieldValue<'a> {
    /// What a look at it goes through.
    fn bytes(self) -> usize {
        self.value.and_then(Value::as_str).map_or(0, str::len)
    }

    fn found(self) -> Found<'a> {
        let full = self.value.filter(|value| match value {
            Value::Null => false,
            Value::String(text) => !text.trim().is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(entries) => !entries.is_empty(),
            Value::Bool(_) | Value::Number(_) => true,
        });
        match full {
            None => Found::Nothing,
            Some(_) if !self.valid => Found::Invalid,
            Some(value) => Found::Valid(value),
        }
    }
}

impl Test {
    fn holds(&self, family: Family, found: Found<'_>, effort: &mut Effort) -> Result<bool, Spent> {
        match (self, found) {
            (Self::Empty, Found::Nothing) | (Self::Valid, Found::Valid(_)) | (Self::Invalid, Found::Invalid) => {
                Ok(true)
            }
            (Self::Compare(comparison), Found::Valid(value)) => match family.read(value) {
                Some(value) => comparison.holds(&value, effort),
                None => Ok(false),
            },
            _ => Ok(false),
        }
    }
}

impl Comparison {
    fn holds(&self, found: &Scalar<'_>, effort: &mut Effort) -> Result<bool, Spent> {
        Ok(match (self, found) {
            (Self::Equals(wanted), _) => wanted == found,
            (Self::OneOf(wanted), _) => wanted.contains(found),
            (Self::Range(low, high), _) => (low.as_ref(), high.as_ref()).contains(&found),
            (Self::Contains(part), Scalar::Text(text)) => text.contains(part),
            (Self::StartsWith(start), Scalar::Text(text)) => text.starts_with(start),
            (Self::EndsWith(end), Scalar::Text(text)) => text.ends_with(end),
            (Self::Matches(Some(pattern)), Scalar::Text(text)) => pattern.is_in(&text.0, effort)?,
            _ => false,
        })
    }
}

fn told(facts: &[Fact<'_>]) -> Option<String> {
    let (first, rest) = facts.split_first()?;
    let mut told = [first.text, first.because].concat();
    for fact in rest.iter().take(FACTS_TOLD - 1) {
        told.extend([" and ", fact.text, fact.because]);
    }
    if let Some(more @ 1..) = facts.len().checked_sub(FACTS_TOLD) {
        let _ = write!(told, " and {more} more");
    }
    Some(told)
}
