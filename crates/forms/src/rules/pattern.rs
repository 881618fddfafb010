//! Patterns: compiled within a budget that all patterns of a rule, and of a flow, share.
//!
//! Compiling is the one part of a rule that is slow, so it never happens while a transaction is open: rules are weighed before
//! one begins ([`Weighed`]), and inside of it only looked up.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use super::operator::Operator;
use super::scalar::named_text;
use super::search::{self, Pattern};
use super::{MAX_PATTERN_CHARS, Rule};
use crate::limits::{CACHED_PATTERN_BYTES, ROUTING_PATTERN_BYTES, RULE_PATTERN_BYTES};
use moka::sync::Cache;

/// A pattern ready to run, and the bytes that it takes.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    pub(super) regex: Pattern,
    pub(super) bytes: usize,
}

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is no pattern; in words.
    Invalid(String),
    /// It does not fit into what is left of the budget.
    TooLarge {
        /// Of the budget.
        limit: usize,
        /// Whose patterns share it.
        of: &'static str,
    },
}

/// Patterns that were compiled lately in this process, by their text: compiling is a pure function, and settings change seldom.
static LATELY: LazyLock<Cache<String, Compiled>> = LazyLock::new(|| {
    Cache::builder()
        .max_capacity(CACHED_PATTERN_BYTES)
        .weigher(|text: &String, compiled: &Compiled| u32::try_from(text.len() + compiled.bytes).unwrap_or(u32::MAX))
        .build()
});

/// What patterns may still take, compiled. Of two equal patterns the second one costs nothing.
#[derive(Debug)]
pub struct Budget {
    left: usize,
    limit: usize,
    of: &'static str,
    known: HashMap<String, Compiled>,
}

impl Budget {
    /// For one rule.
    pub fn of_rule() -> Self {
        Self::of(RULE_PATTERN_BYTES, "one rule")
    }

    /// For all rules by which a flow judges and routes its leads.
    pub fn of_routing() -> Self {
        Self::of(ROUTING_PATTERN_BYTES, "a flow with its distribution profiles")
    }

    fn of(limit: usize, of: &'static str) -> Self {
        Self {
            left: limit,
            limit,
            of,
            known: HashMap::new(),
        }
    }

    /// What the patterns that were compiled with it take.
    pub fn used(&self) -> usize {
        self.limit - self.left
    }

    /// Each pattern that does not fit costs half of what is left: finding out has cost about as much, and a small one may still fit.
    fn exceeded(&mut self) -> Unfit {
        self.left /= 2;
        self.too_large()
    }

    fn too_large(&self) -> Unfit {
        Unfit::TooLarge {
            limit: self.limit,
            of: self.of,
        }
    }

    /// Compiles a pattern, or takes one that was compiled lately.
    pub(super) fn compile(&mut self, pattern: &str) -> Result<Compiled, Unfit> {
        if let Some(known) = self.known.get(pattern) {
            return Ok(known.clone());
        }
        let compiled = match LATELY.get(pattern) {
            Some(compiled) => compiled,
            None => match build(pattern, self.left) {
                Ok(compiled) => compiled,
                Err(Some(invalid)) => return Err(Unfit::Invalid(invalid)),
                Err(None) => return Err(self.exceeded()),
            },
        };
        if compiled.bytes > self.left {
            return Err(self.exceeded());
        }
        self.left -= compiled.bytes;
        self.known.insert(pattern.to_owned(), compiled.clone());
        Ok(compiled)
    }
}

/// The engine has no back-references and no look-around, so a search takes time linear in the text. Fails with what is wrong with
/// the pattern, or with nothing where it would take more than that many bytes.
fn build(pattern: &str, most: usize) -> Result<Compiled, Option<String>> {
    let regex = Pattern::compile(pattern, most).map_err(|unfit| match unfit {
        search::Unfit::Invalid(why) => Some(why),
        search::Unfit::TooLarge => None,
    })?;
    let compiled = Compiled {
        bytes: regex.bytes(),
        regex,
    };
    LATELY.insert(pattern.to_owned(), compiled.clone());
    Ok(compiled)
}

/// Where the patterns of a rule that is checked come from.
enum Origin<'p> {
    /// They are compiled now.
    Compiled(&'p mut Budget),
    /// They were compiled before; and what those of this rule take so far.
    Weighed(&'p Weighed, HashMap<String, usize>),
    /// They were good when the rule was stored, and are not looked at.
    Stored,
}

/// The patterns of one rule that is checked.
pub(super) struct Patterns<'p> {
    origin: Origin<'p>,
    /// Whether one was too large: it is told once, and the rule is of no use whatever the others are.
    over: bool,
}

impl<'p> Patterns<'p> {
    /// Compiled now.
    pub(super) fn compiled(budget: &'p mut Budget) -> Self {
        Self::from(Origin::Compiled(budget))
    }

    /// Compiled before.
    pub(super) fn weighed(weighed: &'p Weighed) -> Self {
        Self::from(Origin::Weighed(weighed, HashMap::new()))
    }

    /// Not looked at.
    pub(super) fn stored() -> Self {
        Self::from(Origin::Stored)
    }

    fn from(origin: Origin<'p>) -> Self {
        Self { origin, over: false }
    }

    /// A pattern ready to run, where it is compiled; or why it cannot be used, in words.
    pub(super) fn take(&mut self, pattern: &str) -> Result<Option<Pattern>, String> {
        if self.over {
            return Ok(None);
        }
        let taken = match &mut self.origin {
            Origin::Compiled(budget) => budget.compile(pattern).map(|compiled| Some(compiled.regex)),
            Origin::Weighed(weighed, so_far) => weighed.add(pattern, so_far).map(|()| None),
            Origin::Stored => Ok(None),
        };
        self.over = matches!(taken, Err(Unfit::TooLarge { .. }));
        taken.map_err(|unfit| unfit.to_string())
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(why) => write!(f, "not a valid pattern: {why}"),
            Self::TooLarge { limit, of } => write!(
                f,
                "this pattern is too large: compiled, the patterns of {of} may take {} MiB together; use smaller repetitions, \
                 [a-z] or [0-9] in place of \\w or \\d, or fewer patterns",
                limit >> 20
            ),
        }
    }
}

/// What the patterns of some rules take, compiled: found out before a transaction begins, looked up within it.
#[derive(Debug, Default)]
pub struct Weighed(HashMap<String, Result<usize, Unfit>>);

impl Weighed {
    /// Compiles the patterns of these rules, of each rule as far as one may go, the most important ones first; takes up to some ten milliseconds a rule, so not
    /// on a thread that serves others.
    pub fn now<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> Self {
        let (mut weighed, mut all) = (HashMap::new(), 0);
        for rule in rules {
            // What is stored may be older than the limits: there is no need to know by how much it exceeds them.
            if all > ROUTING_PATTERN_BYTES {
                break;
            }
            let mut budget = Budget::of_rule();
            for pattern in rule.patterns() {
                let bytes = budget.compile(&pattern).map(|compiled| compiled.bytes);
                let is_over = matches!(bytes, Err(Unfit::TooLarge { .. }));
                weighed.entry(pattern.into_owned()).or_insert(bytes);
                if is_over {
                    break;
                }
            }
            all += budget.used();
        }
        Self(weighed)
    }

    /// The same, where threads may wait.
    pub async fn of(rules: Vec<Rule>) -> Self {
        if rules.iter().all(|rule| rule.patterns().next().is_none()) {
            return Self::default();
        }
        let weighing = tokio::task::spawn_blocking(move || Self::now(&rules));
        weighing.await.unwrap_or_default()
    }

    /// Adds a pattern to what those of its rule take so far.
    fn add(&self, pattern: &str, so_far: &mut HashMap<String, usize>) -> Result<(), Unfit> {
        // What comes after a pattern that was too large was not weighed any more.
        let bytes = self
            .0
            .get(pattern)
            .cloned()
            .unwrap_or_else(|| Err(Budget::of_rule().too_large()))?;
        so_far.insert(pattern.to_owned(), bytes);
        let all: usize = so_far.values().sum();
        if all > RULE_PATTERN_BYTES {
            return Err(Budget::of_rule().too_large());
        }
        Ok(())
    }

    /// What the patterns of these rules take together, equal ones once. One that was not weighed counts nothing.
    pub fn together<'r>(&self, rules: impl IntoIterator<Item = &'r Rule>) -> usize {
        let patterns = rules.into_iter().flat_map(Rule::patterns);
        let each: HashMap<Cow<'_, str>, usize> = patterns
            .filter_map(|pattern| {
                let bytes = *self.0.get(&*pattern)?.as_ref().ok()?;
                Some((pattern, bytes))
            })
            .collect();
        each.values().sum()
    }
}

impl Rule {
    /// The texts of its patterns, in order of appearance.
    pub fn patterns(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let matching = self
            .conditions()
            .filter(|condition| condition.operator == Operator::Matches);
        let texts = matching.filter_map(|condition| named_text(condition.value.as_ref()?).ok());
        // A longer one is refused whatever it takes.
        texts.filter(|text| text.chars().nth(MAX_PATTERN_CHARS).is_none())
    }
}
