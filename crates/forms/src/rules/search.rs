//! Searches patterns in texts, and counts the steps, so that a search ends with the lead's budget. A regex engine that is faster on most
//! texts cannot be stopped on the few on which it takes seconds.

use std::fmt;

use regex_automata::nfa::thompson::{BuildError, Compiler, Config, NFA, State, WhichCaptures};
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;
use regex_syntax::ast::{Ast, RepetitionKind, RepetitionRange, parse::Parser};

use super::eval_budget::{BudgetExceeded, EvalBudget};

/// Byte ranges of a state that are compared in one step.
const RANGES: usize = 16;
/// States for which memory is allocated in one step.
const STATES_PER_STEP: usize = 64;

/// A compiled pattern: an automaton whose states are followed in parallel. It has no back-references and no look-around, so a search takes
/// at most one step for each state and byte of the text.
#[derive(Clone, Debug)]
pub(super) struct Pattern(NFA);

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CompileError {
    /// It is no pattern. The text says why.
    Invalid(String),
    /// It needs more bytes than the limit.
    TooLarge,
}

impl Pattern {
    /// Compiles a pattern within `most` bytes.
    pub(super) fn compile(text: &str, most: usize) -> Result<Self, CompileError> {
        let ignoring_case = syntax::Config::new().case_insensitive(true);
        let tree =
            syntax::parse_with(text, &ignoring_case).map_err(|error| CompileError::Invalid(last_line(&error)))?;
        let bounded = Config::new()
            .nfa_size_limit(Some(most))
            .which_captures(WhichCaptures::None);
        let machine = Compiler::new().configure(bounded).build_from_hir(&tree);
        machine.map(Self).map_err(|error| unfit(&error))
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.memory_usage()
    }

    /// Whether the text contains a match.
    pub(super) fn is_in(&self, text: &str, budget: &mut EvalBudget) -> Result<bool, BudgetExceeded> {
        let states = self.0.states().len();
        budget.steps(states / STATES_PER_STEP)?;
        let mut search = Search {
            machine: &self.0,
            text,
            budget,
            pending: Vec::new(),
        };
        search.run(&mut StateSet::of(states), &mut StateSet::of(states))
    }
}

/// The last line of an error. The lines before it draw the pattern with a marker.
fn last_line(error: &impl fmt::Display) -> String {
    let full = error.to_string();
    let last = full.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

fn unfit(error: &BuildError) -> CompileError {
    match error.size_limit() {
        Some(_) => CompileError::TooLarge,
        None => CompileError::Invalid(last_line(error)),
    }
}

/// A set of states, in the order of insertion.
struct StateSet {
    states: Vec<StateID>,
    known: Vec<bool>,
}

impl StateSet {
    fn of(states: usize) -> Self {
        Self {
            states: Vec::new(),
            known: vec![false; states],
        }
    }

    /// Adds a state. Answers whether it is new.
    fn add(&mut self, state: StateID) -> bool {
        let Some(known) = self.known.get_mut(state.as_usize()) else {
            return false;
        };
        if *known {
            return false;
        }
        *known = true;
        self.states.push(state);
        true
    }

    /// Removes all states, in as many steps as they were added.
    fn clear(&mut self) {
        for state in self.states.drain(..) {
            if let Some(known) = self.known.get_mut(state.as_usize()) {
                *known = false;
            }
        }
    }
}

struct Search<'s> {
    machine: &'s NFA,
    text: &'s str,
    budget: &'s mut EvalBudget,
    pending: Vec<StateID>,
}

impl Search<'_> {
    fn run<'p>(&mut self, mut here: &'p mut StateSet, mut next: &'p mut StateSet) -> Result<bool, BudgetExceeded> {
        let from_the_start_only = self.machine.is_always_start_anchored();
        for at in 0..=self.text.len() {
            let may_begin = at == 0 || (!from_the_start_only && self.text.is_char_boundary(at));
            if may_begin && self.arrive(self.machine.start_anchored(), at, here)? {
                return Ok(true);
            }
            if here.states.is_empty() && from_the_start_only {
                return Ok(false);
            }
            let Some(byte) = self.text.as_bytes().get(at) else {
                break;
            };
            for state in &here.states {
                if let Some(to) = self.step(*state, *byte)?
                    && self.arrive(to, at + 1, next)?
                {
                    return Ok(true);
                }
            }
            here.clear();
            std::mem::swap(&mut here, &mut next);
        }
        Ok(false)
    }

    /// The state that follows a state on a byte.
    fn step(&mut self, state: StateID, byte: u8) -> Result<Option<StateID>, BudgetExceeded> {
        let state = self.machine.state(state);
        let ranges = match state {
            State::Sparse(sparse) => sparse.transitions.len() / RANGES,
            _ => 0,
        };
        self.budget.steps(1 + ranges)?;
        Ok(match state {
            State::ByteRange { trans } => trans.matches_byte(byte).then_some(trans.next),
            State::Sparse(sparse) => sparse.matches_byte(byte),
            State::Dense(dense) => dense.matches_byte(byte),
            _ => None,
        })
    }

    /// Adds a state, and those that follow it without a byte. Answers whether the pattern matches.
    fn arrive(&mut self, state: StateID, at: usize, places: &mut StateSet) -> Result<bool, BudgetExceeded> {
        self.pending.clear();
        self.pending.push(state);
        while let Some(state) = self.pending.pop() {
            self.budget.steps(1)?;
            if !places.add(state) {
                continue;
            }
            match self.machine.state(state) {
                State::Match { .. } => return Ok(true),
                State::Look { look, next } => {
                    let here = self.machine.look_matcher();
                    if here.matches(*look, self.text.as_bytes(), at) {
                        self.pending.push(*next);
                    }
                }
                State::Union { alternates } => {
                    self.budget.steps(alternates.len())?;
                    self.pending.extend(alternates.iter());
                }
                State::BinaryUnion { alt1, alt2 } => self.pending.extend([alt1, alt2]),
                State::Capture { next, .. } => self.pending.push(*next),
                State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) | State::Fail => {}
            }
        }
        Ok(false)
    }
}

/// The characters of a pattern with its repetitions expanded: a bound on the parallel states of a search. 0 if it is no pattern.
pub(super) fn states(pattern: &str) -> usize {
    Parser::new().parse(pattern).map_or(0, |tree| states_of(&tree))
}

/// Recursion is bounded: the parser refuses deep nesting.
fn states_of(tree: &Ast) -> usize {
    match tree {
        Ast::Empty(_) | Ast::Flags(_) => 0,
        Ast::Literal(_)
        | Ast::Dot(_)
        | Ast::Assertion(_)
        | Ast::ClassUnicode(_)
        | Ast::ClassPerl(_)
        | Ast::ClassBracketed(_) => 1,
        Ast::Repetition(repetition) => {
            let copies = match &repetition.op.kind {
                RepetitionKind::ZeroOrOne | RepetitionKind::ZeroOrMore | RepetitionKind::OneOrMore => 1,
                RepetitionKind::Range(RepetitionRange::Exactly(most) | RepetitionRange::Bounded(_, most)) => *most,
                RepetitionKind::Range(RepetitionRange::AtLeast(least)) => least.saturating_add(1),
            };
            states_of(&repetition.ast).saturating_mul(usize::try_from(copies).unwrap_or(usize::MAX))
        }
        Ast::Group(group) => states_of(&group.ast),
        Ast::Alternation(alternation) => sum(&alternation.asts),
        Ast::Concat(concat) => sum(&concat.asts),
    }
}

fn sum(trees: &[Ast]) -> usize {
    trees.iter().map(states_of).fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use regex::RegexBuilder;

    const MOST: usize = 2 << 20;

    fn cost(pattern: &str, text: &str) -> (Result<bool, BudgetExceeded>, u64) {
        let mut budget = EvalBudget::default();
        let found = Pattern::compile(pattern, MOST).unwrap().is_in(text, &mut budget);
        (found, budget.used())
    }

    #[test]
    fn a_search_ends_where_the_budget_does() {
        let text = "ab".repeat(5_000);
        for pattern in [
            "[ab]*a[ab]{5000}c",
            "(?:[ab]{0,100}){50}c",
            "(?:[ab]{0,100}){100}[cd]",
            "(?:a?b?){2000}c",
            "(?:a?b?){3000}[cd]",
            "[ab]{1,3000}c",
            "(?:[ab]{1,50}[ab]{1,50}){20}c",
            "(?:(?:a|b|ab){0,40}){40}$",
        ] {
            let (found, spent) = cost(pattern, &text);
            assert_eq!((found, spent), (Err(BudgetExceeded), 2_000_000), "{pattern}");
        }
    }

    #[test]
    fn patterns_that_people_write_cost_little_even_of_the_longest_text() {
        let text = "Ana Söhne wants solar, ana@example.com. ".repeat(240);
        for pattern in [
            r"^\S+@\S+\.\S+$",
            "heat ?pump|battery|wallbox",
            r"\b\d{5}\b",
            r"[a-z0-9._%+-]+@[a-z0-9.-]+\.de\b",
            "^.{10,}$",
            r"\w{2,20}!",
            ".*lease.*",
            "^(mr|mrs|ms)\\b",
        ] {
            let (found, spent) = cost(pattern, &text);
            assert!(found.is_ok() && spent < 1_000_000, "{pattern}: {spent}");
        }
        let (_, spent) = cost("^[a-z]{5}$", &text);
        assert!(spent < 200, "{spent}");
    }

    #[test]
    fn the_states_of_a_pattern_are_those_of_its_expanded_repetitions() {
        for (pattern, expected) in [
            ("", 0),
            ("abc", 3),
            ("a|bc|", 3),
            ("[a-z]+@.*", 3),
            (r"\w{2,20}", 20),
            ("(?:ab){3}", 6),
            ("a{5,}", 6),
            ("(?:[ab]{0,100}){50}c", 5_001),
            ("((a{1000}){1000}){1000}", 1_000_000_000),
            ("(", 0),
        ] {
            assert_eq!(states(pattern), expected, "{pattern}");
        }
    }

    proptest! {
        /// The machine is the library's and the walk is ours: both must find the same.
        #[test]
        fn it_finds_what_the_regex_crate_finds(
            pattern in r"(\^|\\b)?(a|b|ß|\.|\[ab\]|\\w|\\W|\\d|\(\?:ab\|c\)|\(a\?\)|x\{0,2\}|b\*|ü\+|\$|\\B|Σ){0,6}",
            text in "[abcABxüßσς \n.1]{0,12}",
        ) {
            let theirs = RegexBuilder::new(&pattern).case_insensitive(true).build();
            let ours = Pattern::compile(&pattern, MOST);
            prop_assert_eq!(ours.is_ok(), theirs.is_ok());
            if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                prop_assert_eq!(ours.is_in(&text, &mut EvalBudget::default()), Ok(theirs.is_match(&text)));
            }
        }
    }
}
