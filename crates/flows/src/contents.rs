//! A flow with all that belongs to it, and how its changes are told.

use std::collections::BTreeSet;

use entity::{flow, source, step};

use super::steps::paid_parts;

/// A flow with all that belongs to it; sources and steps in order, removed ones left out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contents {
    pub(super) flow: flow::Model,
    pub(super) sources: Vec<source::Model>,
    pub(super) steps: Vec<step::Model>,
}

impl Contents {
    /// What of it only PAID accounts have.
    pub(super) fn paid_parts(&self) -> BTreeSet<&'static str> {
        let rules = self.sources.iter().map(|source| source.acceptance_rule.is_some());
        let rules = rules.chain([self.flow.acceptance_rule.is_some()]).any(|rule| rule);
        let caps = self.sources.iter().map(|source| &source.caps).chain([&self.flow.caps]);
        let caps = caps.into_iter().any(|caps| !caps.0.is_empty());
        let steps = self.steps.iter().flat_map(paid_parts);
        let parts = [("acceptance rules", rules), ("caps", caps)];
        let parts = parts.into_iter().filter(|(_, used)| *used).map(|(part, _)| part);
        parts.chain(steps).collect()
    }
}

/// Words joined as in a sentence: `a, b and c`.
pub(super) fn words(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => (*word).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_joined_as_in_a_sentence() {
        let joined = [&[][..], &["a"], &["a", "b"], &["a", "b", "c"]].map(words);
        assert_eq!(joined, ["", "a", "a and b", "a, b and c"]);
    }
}
