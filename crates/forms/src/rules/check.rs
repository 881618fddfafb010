//! Checking rules when they are saved.

use entity::field::FieldDef;
use serde_json::Value;

use super::evaluate::{CompiledRule, Leaf, Node};
use super::operand::{self, Operand};
use super::operator::Operator;
use super::pattern::{Budget, Patterns, Weighed};
use super::scalar::{Family, named_text};
use super::text::{brief, discreet_phrase, listed, phrase, type_name};
use super::{Condition, MAX_CONDITIONS, MAX_DEPTH, MAX_PATTERN_PLACES, MAX_RULE_PLACES, Rule, search};
use crate::limits::{RULE_BYTES, RULE_NODES};

/// Something that keeps a rule from being saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the offender is within the rule, such as `all`, `1`, `condition`, `field`; empty for the rule itself.
    pub path: Vec<String>,
    /// Which kind of problem it is.
    pub kind: ProblemKind,
    /// What is wrong and what would be right, for the user.
    pub message: String,
}

/// The kinds of [`Problem`]; they differ in the error code that a client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// The flow has no such field.
    UnknownField,
    /// An operator that does not fit, a value that cannot be compared with, a bad pattern, or a broken limit.
    Invalid,
}

/// Checks the rule against the fields of the flow and answers it in canonical form, or everything that is wrong with it. Compiles
/// its patterns, which is slow: within a transaction [`check_weighed`] is for that.
///
/// In canonical form every value is of its field's type (`"18"` for a NUMBER is `18`, times are in UTC, addresses in lower
/// case, choices as the field spells them), and lists name nothing twice. Checking that form again changes nothing.
pub fn check(rule: &Rule, fields: &[FieldDef]) -> Result<Rule, Vec<Problem>> {
    let mut budget = Budget::of_rule();
    examine(rule, fields, Patterns::compiled(&mut budget), Size::bounded()).map(|(canonical, _)| canonical)
}

/// The same of a rule whose patterns were compiled before.
pub fn check_weighed(rule: &Rule, fields: &[FieldDef], weighed: &Weighed) -> Result<Rule, Vec<Problem>> {
    examine(rule, fields, Patterns::weighed(weighed), Size::bounded()).map(|(canonical, _)| canonical)
}

/// The same of a stored rule, whose fields may have changed: its patterns and its size were good when it was saved.
pub fn check_stored(rule: &Rule, fields: &[FieldDef]) -> Result<Rule, Vec<Problem>> {
    examine(rule, fields, Patterns::stored(), Size::unbounded()).map(|(canonical, _)| canonical)
}

/// Makes the rule ready to run; it is checked again, since the fields may have changed after it was saved.
pub fn compile(rule: &Rule, fields: &[FieldDef]) -> Result<CompiledRule, Vec<Problem>> {
    compile_within(rule, fields, &mut Budget::of_rule())
}

/// The same with a budget that it shares with other rules.
pub fn compile_within(rule: &Rule, fields: &[FieldDef], budget: &mut Budget) -> Result<CompiledRule, Vec<Problem>> {
    examine(rule, fields, Patterns::compiled(budget), Size::unbounded()).map(|(_, root)| CompiledRule { root })
}

/// How much of a rule has been seen, in bytes and nodes, and how much may be.
struct Size {
    bytes: usize,
    nodes: usize,
    /// Of all patterns, their repetitions written out.
    places: usize,
    is_bounded: bool,
}

impl Size {
    /// Of a rule that is to be saved.
    fn bounded() -> Self {
        Self {
            bytes: 0,
            nodes: 0,
            places: 0,
            is_bounded: true,
        }
    }

    /// Of a stored rule, which may be older than the limits.
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

/// A walk through a rule. A part that has a problem answers none, and the walk goes on to find the others.
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
        self.node()?;
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
        self.weigh(condition)?;
        let Some(field) = self.fields.iter().find(|field| field.name == condition.field) else {
            return self.at("field", |this| this.unknown(&condition.field));
        };
        if !condition.operator.fits(field.field_type) {
            return self.at("operator", |this| this.invalid(misfit(condition.operator, field)));
        }
        if condition.operator == Operator::Matches {
            self.at("value", |this| this.bear(condition))?;
        }
        match operand::read(field, condition.operator, condition.value.as_ref(), &mut self.patterns) {
            Ok(operand) => Some(ready(field, condition.operator, operand)),
            Err(misfit) => self.at("value", |this| match misfit.index {
                Some(index) => this.at(index.to_string(), |this| this.invalid(misfit.message)),
                None => this.invalid(misfit.message),
            }),
        }
    }

    /// Refuses patterns that a long text could keep busy for long: a lead on which they do is refused.
    fn bear(&mut self, condition: &Condition) -> Option<()> {
        let text = condition.value.as_ref().and_then(|value| named_text(value).ok());
        let own = text.map_or(0, |text| search::places(&text));
        if self.size.is_bounded && own > MAX_PATTERN_PLACES {
            return self.invalid(format!(
                "with its repetitions written out this pattern has {own} characters, and it may have {MAX_PATTERN_PLACES}; use \
                 smaller repetitions, or + and * in place of counted ones"
            ));
        }
        let before = self.size.places;
        self.size.places = before.saturating_add(own);
        if !self.size.is_bounded || self.size.places <= MAX_RULE_PLACES {
            return Some(());
        }
        if before <= MAX_RULE_PLACES {
            return self.invalid(format!(
                "with their repetitions written out the patterns of a rule may have {MAX_RULE_PLACES} characters together, and \
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

    /// Counts a condition, or what stands in place of one; so it bounds the number of problems as well.
    fn count(&mut self) -> Option<()> {
        self.conditions += 1;
        if self.conditions == MAX_CONDITIONS + 1 {
            return self.invalid(format!(
                "a rule has {MAX_CONDITIONS} conditions at most; this is one more"
            ));
        }
        (self.conditions <= MAX_CONDITIONS).then_some(())
    }

    /// Counts a node; beyond the limit it is told once, and the walk ends.
    fn node(&mut self) -> Option<()> {
        self.size.nodes += 1;
        if self.size.is_bounded && self.size.nodes == RULE_NODES + 1 {
            return self.invalid(format!(
                "a rule has {RULE_NODES} conditions, groups and negations at most, and this is one more: put conditions on one \
                 field into one list with IN, or split the rule between the flow, its sources and its steps"
            ));
        }
        (!self.size.is_bounded || self.size.nodes <= RULE_NODES).then_some(())
    }

    /// Counts the bytes of a condition; beyond the limit it is told once, and the walk ends.
    fn weigh(&mut self, condition: &Condition) -> Option<()> {
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
        // No operator takes more than a list of plain values: the rest is refused by its operator.
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
    let told = |holds| {
        if field.encrypted {
            discreet_phrase(field, holds)
        } else {
            phrase(&condition, Some(field), holds)
        }
    };
    let (met, unmet) = (told(true), told(false));
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
