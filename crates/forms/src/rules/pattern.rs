//! Patterns: compiled within a budget that all patterns of a rule, and of a flow, share.
//!
//! Only compiling is slow, so it never happens inside a transaction: patterns are measured before ([`PatternSizes`]) and only looked
//! up inside.

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

/// A compiled pattern, and its size in bytes.
#[derive(Clone, Debug)]
pub(super) struct CompiledPattern {
    pub(super) regex: Pattern,
    pub(super) bytes: usize,
}

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PatternError {
    /// Not a pattern; the text says why.
    Invalid(String),
    /// Exceeds the rest of the budget.
    TooLarge {
        limit: usize,
        /// What shares the budget.
        of: &'static str,
    },
}

/// Recently compiled patterns of this process, by text: compiling is a pure function, and settings change seldom.
static CACHE: LazyLock<Cache<String, CompiledPattern>> = LazyLock::new(|| {
    Cache::builder()
        .max_capacity(CACHED_PATTERN_BYTES)
        .weigher(|text: &String, compiled: &CompiledPattern| {
            u32::try_from(text.len() + compiled.bytes).unwrap_or(u32::MAX)
        })
        .build()
});

/// Bytes that compiled patterns may still use. Equal patterns count once.
#[derive(Debug)]
pub struct PatternBudget {
    left: usize,
    limit: usize,
    of: &'static str,
    known: HashMap<String, CompiledPattern>,
}

impl PatternBudget {
    pub fn of_rule() -> Self {
        Self::of(RULE_PATTERN_BYTES, "one rule")
    }

    /// The budget of all rules of a flow and its profiles.
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

    /// Bytes that were used.
    pub fn used(&self) -> usize {
        self.limit - self.left
    }

    /// A pattern that does not fit uses half of the rest: finding out took about as much work, and a small one may still fit.
    fn exceeded(&mut self) -> PatternError {
        self.left /= 2;
        self.too_large()
    }

    fn too_large(&self) -> PatternError {
        PatternError::TooLarge {
            limit: self.limit,
            of: self.of,
        }
    }

    /// Compiles a pattern, or takes it from the cache.
    pub(super) fn compile(&mut self, pattern: &str) -> Result<CompiledPattern, PatternError> {
        if let Some(known) = self.known.get(pattern) {
            return Ok(known.clone());
        }
        let compiled = match CACHE.get(pattern) {
            Some(compiled) => compiled,
            None => match build(pattern, self.left) {
                Ok(compiled) => compiled,
                Err(Some(invalid)) => return Err(PatternError::Invalid(invalid)),
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
fn build(pattern: &str, most: usize) -> Result<CompiledPattern, Option<String>> {
    let regex = Pattern::compile(pattern, most).map_err(|unfit| match unfit {
        search::CompileError::Invalid(why) => Some(why),
        search::CompileError::TooLarge => None,
    })?;
    let compiled = CompiledPattern {
        bytes: regex.bytes(),
        regex,
    };
    CACHE.insert(pattern.to_owned(), compiled.clone());
    Ok(compiled)
}

/// Where the patterns of a checked rule come from.
enum PatternSource<'p> {
    /// Compiled now.
    Compiled(&'p mut PatternBudget),
    /// Measured before, with the sizes of this rule so far.
    PatternSizes(&'p PatternSizes, HashMap<String, usize>),
    /// Checked when the rule was stored.
    Stored,
}

/// The patterns of a checked rule.
pub(super) struct Patterns<'p> {
    source: PatternSource<'p>,
    /// Whether one was too large. That is reported once; the other patterns do not matter then.
    over: bool,
}

impl<'p> Patterns<'p> {
    /// Compiled now.
    pub(super) fn compiled(budget: &'p mut PatternBudget) -> Self {
        Self::from(PatternSource::Compiled(budget))
    }

    /// Compiled before.
    pub(super) fn sizes(sizes: &'p PatternSizes) -> Self {
        Self::from(PatternSource::PatternSizes(sizes, HashMap::new()))
    }

    /// Not looked at.
    pub(super) fn stored() -> Self {
        Self::from(PatternSource::Stored)
    }

    fn from(source: PatternSource<'p>) -> Self {
        Self { source, over: false }
    }

    /// The compiled pattern, if patterns are compiled now; or why it cannot be used.
    pub(super) fn take(&mut self, pattern: &str) -> Result<Option<Pattern>, String> {
        if self.over {
            return Ok(None);
        }
        let taken = match &mut self.source {
            PatternSource::Compiled(budget) => budget.compile(pattern).map(|compiled| Some(compiled.regex)),
            PatternSource::PatternSizes(sizes, so_far) => sizes.add(pattern, so_far).map(|()| None),
            PatternSource::Stored => Ok(None),
        };
        self.over = matches!(taken, Err(PatternError::TooLarge { .. }));
        taken.map_err(|unfit| unfit.to_string())
    }
}

impl fmt::Display for PatternError {
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

/// Compiled sizes of patterns, measured before a transaction begins.
#[derive(Debug, Default)]
pub struct PatternSizes(HashMap<String, Result<usize, PatternError>>);

impl PatternSizes {
    /// Compiles the patterns of these rules, of each rule as far as one may go, the most important ones first; takes up to some ten milliseconds a rule, so not
    /// on a thread that serves others.
    pub fn measure_now<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> Self {
        let (mut sizes, mut all) = (HashMap::new(), 0);
        for rule in rules {
            // What is stored may be older than the limits: there is no need to know by how much it exceeds them.
            if all > ROUTING_PATTERN_BYTES {
                break;
            }
            let mut budget = PatternBudget::of_rule();
            for pattern in rule.patterns() {
                let bytes = budget.compile(&pattern).map(|compiled| compiled.bytes);
                let is_over = matches!(bytes, Err(PatternError::TooLarge { .. }));
                sizes.entry(pattern.into_owned()).or_insert(bytes);
                if is_over {
                    break;
                }
            }
            all += budget.used();
        }
        Self(sizes)
    }

    /// Measures on a thread that may block.
    pub async fn measure(rules: Vec<Rule>) -> Self {
        if rules.iter().all(|rule| rule.patterns().next().is_none()) {
            return Self::default();
        }
        let weighing = tokio::task::spawn_blocking(move || Self::measure_now(&rules));
        weighing.await.unwrap_or_default()
    }

    /// Adds a pattern to the sizes of its rule.
    fn add(&self, pattern: &str, so_far: &mut HashMap<String, usize>) -> Result<(), PatternError> {
        // Patterns after one that was too large were not measured.
        let bytes = self
            .0
            .get(pattern)
            .cloned()
            .unwrap_or_else(|| Err(PatternBudget::of_rule().too_large()))?;
        so_far.insert(pattern.to_owned(), bytes);
        let all: usize = so_far.values().sum();
        if all > RULE_PATTERN_BYTES {
            return Err(PatternBudget::of_rule().too_large());
        }
        Ok(())
    }

    /// The size of the patterns of these rules together, equal ones once. A pattern that was not measured counts nothing.
    pub fn total<'r>(&self, rules: impl IntoIterator<Item = &'r Rule>) -> usize {
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
    /// Its patterns, in order of appearance.
    pub fn patterns(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let matching = self
            .conditions()
            .filter(|condition| condition.operator == Operator::Matches);
        let texts = matching.filter_map(|condition| named_text(condition.value.as_ref()?).ok());
        // Longer ones are refused anyway.
        texts.filter(|text| text.chars().nth(MAX_PATTERN_CHARS).is_none())
    }
}
