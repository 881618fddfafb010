//! The counts of an import.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;

use super::rows::Passed;
use super::submit::{Answered, ERROR};

/// Distinct reasons and warnings that are listed.
const KINDS: usize = 20;

const CORRECT: &str = "see the receipts, correct the file, and run the same command again";

/// Counts of one run.
#[derive(Default)]
pub(super) struct Summary {
    before: Passed,
    outcomes: BTreeMap<String, u64>,
    replayed: u64,
    reasons: BTreeMap<String, u64>,
    warnings: BTreeMap<String, u64>,
}

impl Summary {
    pub(super) fn pass(&mut self, passed: Passed) {
        self.before.rows += passed.rows;
        self.before.errors += passed.errors;
    }

    pub(super) fn count(&mut self, answered: &[Answered]) {
        for answer in answered {
            *self.outcomes.entry(answer.outcome.clone()).or_default() += 1;
            self.replayed += u64::from(answer.replayed);
            add(&mut self.reasons, &answer.reasons);
            add(&mut self.warnings, &answer.warnings);
        }
    }

    /// Whether some rows could not be submitted, now or before.
    pub(super) fn has_errors(&self) -> bool {
        self.outcomes.contains_key(ERROR) || self.before.errors > 0
    }

    pub(super) fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let rows: u64 = self.outcomes.values().sum();
        match (self.before.rows, rows) {
            (0, 0) => writeln!(out, "the file has no rows below its header")?,
            (0, _) => writeln!(out, "{rows} rows: {self}")?,
            (before, 0) => writeln!(out, "all {before} rows had their receipts: nothing was submitted")?,
            (before, _) => writeln!(out, "{before} rows had their receipts, {rows} more: {self}")?,
        }
        match self.before.errors {
            0 => {}
            1 => writeln!(out, "1 row still has an error: {CORRECT}")?,
            many => writeln!(out, "{many} rows still have errors: {CORRECT}")?,
        }
        if self.replayed > 0 {
            writeln!(
                out,
                "{} of them had been submitted before and are not repeated",
                self.replayed
            )?;
        }
        for (title, kinds) in [("reasons", &self.reasons), ("warnings", &self.warnings)] {
            if !kinds.is_empty() {
                writeln!(out, "{title}:")?;
            }
            for (text, count) in kinds {
                writeln!(out, "{count:>8}  {text}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (outcome, count)) in self.outcomes.iter().enumerate() {
            let separator = if place == 0 { "" } else { ", " };
            write!(f, "{separator}{count} {}", outcome.to_lowercase())?;
        }
        Ok(())
    }
}

fn add(kinds: &mut BTreeMap<String, u64>, texts: &[String]) {
    for text in texts {
        if kinds.len() < KINDS || kinds.contains_key(text) {
            *kinds.entry(text.clone()).or_default() += 1;
        } else {
            *kinds.entry("others".to_owned()).or_default() += 1;
        }
    }
}
