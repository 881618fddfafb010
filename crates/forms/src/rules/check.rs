//! Checking rules when they are saved.

use entity::field::FieldDef;
use serde_json::Value;

use super::brief::{brief, listed};
use super::evaluate::{CompiledRule, Leaf, Node};
use super::family::Family;
use super::operand::{self, Operand};
use super::operator::Operator;
use super::pattern::{PatternBudget, PatternSizes, Patterns};
use super::scalar::named_text;
use super::text::{discreet_phrase, phrase, type_name};
use super::{Condition, MAX_CONDITIONS, MAX_DEPTH, MAX_PATTERN_STATES, MAX_RULE_STATES, Rule, search};
use crate::limits::{RULE_BYTES, RULE_NODES};

/// An error in a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path within the rule, such as `all`, `1`, `condition`, `field`; empty for the rule itself.
    pub path: Vec<String>,
    pub kind: ProblemKind,
    /// What is wrong and what to do, for people.
    pub message: String,
}

/// The kinds of [`Problem`], each with an error code of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// The flow has no such field.
    UnknownField,
    /// An operator or value that does not fit the field, an invalid pattern, or an exceeded limit.
    Invalid,
}

/// Checks a rule against the fields of a flow. Answers its canonical form, or all problems. Compiles its patterns, which is slow: within
/// a transaction use [`check_with_sizes`].
///
/// In canonical form every value has its field's type (`"18"` for a NUMBER is `18`, times are in UTC, addresses in lower
/// case, choices as the field spells them), and lists have no repeated values. Checking that form again changes nothing.
pub fn check(rule: &Rule, fields: &[FieldDef]) -> Result<Rule, Vec<Problem>> {
    let mut budget = PatternBudget::of_rule();
    examine(rule, fields, Patterns::compiled(&mut budget), Size::bounded()).map(|(canonical, _)| canonical)
}

/// Checks a rule whose patterns were measured before.
pub fn check_with_sizes(rule: &Rule, fields: &[FieldDef], sizes: &PatternSizes) -> Result<Rule, Vec<Problem>> {
    examine(rule, fields, Patterns::sizes(sizes), Size::bounded()).map(|(canonical, _)| canonical)
}

/// Checks a stored rule against changed fields. Its patterns and its size were checked when it was saved.
pub fn check_stored(rule: &Rule, fields: &[FieldDef]) -> Result<Rule, Vec<Problem>> {
    examine(rule, fields, Patterns::stored(), Size::unbounded()).map(|(canonical, _)| canonical)
}

/// Compiles a rule. Checks it again, because the fields may have changed after it was saved.
pub fn compile(rule: &Rule, fields: &[FieldDef]) -> Result<CompiledRule, Vec<Problem>> {
    compile_within(rule, fields, &mut PatternBudget::of_rule())
}

/// Compiles a rule within a budget that it shares with other rules.
pub fn compile_within(
    rule: &Rule,
    fields: &[FieldDef],
    budget: &mut PatternBudget,
) -> Result<CompiledRule, Vec<Problem>> {
    examine(rule, fields, Patterns::compiled(budget), Size::unbounded()).map(|(_, root)| CompiledRule { root })
}

/// The size of a rule so far, and whether it is limited.
struct Size {
    bytes: usize,
    nodes: usize,
    /// Characters of all patterns, with their repetitions expanded.
    states: usize,
    is_bounded: bool,
}

impl Size {
    /// For a rule that is to be saved.
    fn bounded() -> Self {
        Self {
            bytes: 0,
            nodes: 0,
            states: 0,
            is_bounded: true,
        }
    }

    /// For a stored rule, which may be older than the limits.
    fn unbounded() -> Self {
        Self {
            is_bounded: false,
            ..Self::bounded()
        }
    }
}

fn examine(rule: &Rule, fields: &[FieldDef], patterns: Patterns<'_>, size: Size) -> Result<(Rule, Node), Vec<Problem>> {
    let mut checker = Checker {
        fields,
        patterns,
        size,
        path: Vec::new(),
        depth: 0,
        conditions: 0,
        problems: Vec::new(),
    };
    checker
        .rule(rule)
        .filter(|_| checker.problems.is_empty())
        .ok_or(checker.problems)
}

/// A walk through a rule. A part with a problem answers none, and the walk goes on to find further problems.
struct Checker<'f> {
    fields: &'f [FieldDef],
    patterns: Patterns<'f>,
    size: Size,
    path: Vec<String>,
    depth: usize,
    conditions: usize,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn rule(&mut self, rule: &Rule) -> Option<(Rule, Node)> {
        self.count_node()?;
        match rule {
            Rule::All(items) => self
                .group("all", items)
                .map(|(rules, nodes)| (Rule::All(rules), Node::All(nodes))),
            Rule::Any(items) if items.is_empty() => self.at("any", |this| {
                this.count()?;
                this.invalid("an empty \"any\" never holds; give it at least one rule".to_owned())
            }),
            Rule::Any(items) => self
                .group("any", items)
                .map(|(rules, nodes)| (Rule::Any(rules), Node::Any(nodes))),
            Rule::Not(inner) => {
                let (rule, node) = self.at("not", |this| this.deeper(|this| this.rule(inner)))?;
                Some((Rule::Not(Box::new(rule)), Node::Not(Box::new(node))))
            }
            Rule::Condition(condition) => {
                let (condition, leaf) = self.at("condition", |this| this.condition(condition))?;
                Some((Rule::Condition(condition), Node::Leaf(Box::new(leaf))))
            }
        }
    }

    fn group(&mut self, name: &str, items: &[Rule]) -> Option<(Vec<Rule>, Vec<Node>)> {
        self.at(name, |this| {
            if items.is_empty() {
                this.count()?;
            }
            this.deeper(|this| {
                let each = |(index, item): (usize, &Rule)| this.at(index.to_string(), |this| this.rule(item));
                let checked: Vec<Option<(Rule, Node)>> = items.iter().enumerate().map(each).collect();
                checked.into_iter().collect()
            })
        })
    }

    fn condition(&mut self, condition: &Condition) -> Option<(Condition, Leaf)> {
        self.count()?;
        self.count_bytes(condition)?;
        let Some(field) = self.fields.iter().find(|field| field.name == condition.field) else {
            return self.at("field", |this| this.unknown(&condition.field));
        };
        if !condition.operator.fits(field.field_type) {
            return self.at("operator", |this| this.invalid(misfit(condition.operator, field)));
        }
        if condition.operator == Operator::Matches {
            self.at("value", |this| this.count_states(condition))?;
        }
        match operand::read(field, condition.operator, condition.value.as_ref(), &mut self.patterns) {
            Ok(operand) => Some(ready(field, condition.operator, operand)),
            Err(misfit) => self.at("value", |this| match misfit.index {
                Some(index) => this.at(index.to_string(), |this| this.invalid(misfit.message)),
                None => this.invalid(misfit.message),
            }),
        }
    }

    /// Limits the states of patterns: a lead on which a search takes too long is rejected.
    fn count_states(&mut self, condition: &Condition) -> Option<()> {
        let text = condition.value.as_ref().and_then(|value| named_text(value).ok());
        let own = text.map_or(0, |text| search::states(&text));
        if self.size.is_bounded && own > MAX_PATTERN_STATES {
            return self.invalid(format!(
                "with its repetitions written out this pattern has {own} characters, and it may have {MAX_PATTERN_STATES}; use \
                 smaller repetitions, or + and * in place of counted ones"
            ));
        }
        let before = self.size.states;
        self.size.states = before.saturating_add(own);
        if !self.size.is_bounded || self.size.states <= MAX_RULE_STATES {
            return Some(());
        }
        if before <= MAX_RULE_STATES {
            return self.invalid(format!(
                "with their repetitions written out the patterns of a rule may have {MAX_RULE_STATES} characters together, and \
                 this one goes beyond it; use smaller repetitions or fewer patterns"
            ));
        }
        None
    }

    fn at<T>(&mut self, step: impl Into<String>, walk: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.path.push(step.into());
        let walked = walk(self);
        self.path.pop();
        walked
    }

    fn deeper<T>(&mut self, walk: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.depth == MAX_DEPTH {
            self.count()?;
            return self.invalid(format!("rules may be inside one another {MAX_DEPTH} deep at most"));
        }
        self.depth += 1;
        let walked = walk(self);
        self.depth -= 1;
        walked
    }

    /// Counts a condition, or a group without any. That limits the number of problems too.
    fn count(&mut self) -> Option<()> {
        self.conditions += 1;
        if self.conditions == MAX_CONDITIONS + 1 {
            return self.invalid(format!(
                "a rule has {MAX_CONDITIONS} conditions at most; this is one more"
            ));
        }
        (self.conditions <= MAX_CONDITIONS).then_some(())
    }

    /// Counts a node. The first one beyond the limit is a problem, and the walk ends.
    fn count_node(&mut self) -> Option<()> {
        self.size.nodes += 1;
        if self.size.is_bounded && self.size.nodes == RULE_NODES + 1 {
            return self.invalid(format!(
                "a rule has {RULE_NODES} conditions, groups and negations at most, and this is one more: put conditions on one \
                 field into one list with IN, or split the rule between the flow, its sources and its steps"
            ));
        }
        (!self.size.is_bounded || self.size.nodes <= RULE_NODES).then_some(())
    }

    /// Counts the bytes of a condition. The first one beyond the limit is a problem, and the walk ends.
    fn count_bytes(&mut self, condition: &Condition) -> Option<()> {
        let before = self.size.bytes;
        let value = condition.value.as_ref().map_or(0, bytes_of);
        self.size.bytes = before.saturating_add(condition.field.len()).saturating_add(value);
        if !self.size.is_bounded || self.size.bytes <= RULE_BYTES {
            return Some(());
        }
        if before <= RULE_BYTES {
            return self.invalid(format!(
                "a rule has {} KiB at most, its names and values together, and this goes beyond it: shorten lists, or split the \
                 rule between the flow, its sources and its steps",
                RULE_BYTES >> 10
            ));
        }
        None
    }

    fn unknown<T>(&mut self, name: &str) -> Option<T> {
        let fields = match self.fields {
            [] => "the flow has no fields".to_owned(),
            fields => format!(
                "the flow has: {}",
                listed(fields.iter().map(|field| field.name.as_str()))
            ),
        };
        self.problem(
            ProblemKind::UnknownField,
            format!("unknown field \"{}\"; {fields}", brief(name)),
        )
    }

    fn invalid<T>(&mut self, message: String) -> Option<T> {
        self.problem(ProblemKind::Invalid, message)
    }

    fn problem<T>(&mut self, kind: ProblemKind, message: String) -> Option<T> {
        self.problems.push(Problem {
            path: self.path.clone(),
            kind,
            message,
        });
        None
    }
}

/// Roughly the bytes of a value as it is stored.
fn bytes_of(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| 1 + bytes_of(item)).sum(),
        // No operator takes an object: it is refused later.
        Value::Object(entries) => entries.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

fn misfit(operator: Operator, field: &FieldDef) -> String {
    let fitting: Vec<String> = Operator::fitting(field.field_type)
        .map(|fitting| fitting.to_string())
        .collect();
    let field_type = type_name(field.field_type);
    format!(
        "{operator} does not fit {field_type}; use one of {}",
        fitting.join(", ")
    )
}

fn ready(field: &FieldDef, operator: Operator, operand: Operand) -> (Condition, Leaf) {
    let condition = Condition {
        field: field.name.clone(),
        operator,
        value: operand.value,
    };
    let describe = |holds| {
        if field.encrypted {
            discreet_phrase(field, holds)
        } else {
            phrase(&condition, Some(field), holds)
        }
    };
    let (met, unmet) = (describe(true), describe(false));
    let leaf = Leaf {
        field: field.name.clone(),
        family: Family::of(field.field_type),
        test: operand.test,
        negated: operator.is_negated(),
        met,
        unmet,
    };
    (condition, leaf)
}
