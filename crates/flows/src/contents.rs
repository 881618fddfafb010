//! A flow with its sources and steps, and how changes of it are described.

use std::collections::BTreeSet;

use entity::ids::ProfileId;
use entity::step::StepConfig;
use entity::{flow, source, step};

/// A flow with its sources and steps in order, removed ones left out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contents {
    pub(super) flow: flow::Model,
    pub(super) sources: Vec<source::Model>,
    pub(super) steps: Vec<step::Model>,
}

impl Contents {
    /// The parts that require the PAID plan.
    pub(super) fn paid_parts(&self) -> BTreeSet<&'static str> {
        let mut rules = self.sources.iter().map(|source| source.acceptance_rule.is_some());
        let rules = self.flow.acceptance_rule.is_some() || rules.any(|rule| rule);
        let mut caps = self.sources.iter().map(|source| &source.caps).chain([&self.flow.caps]);
        let caps = caps.any(|caps| !caps.0.is_empty());
        let own = [("acceptance rules", rules), ("caps", caps)];
        let own = own.into_iter().filter(|(_, used)| *used).map(|(part, _)| part);
        own.chain(self.steps.iter().flat_map(paid_parts)).collect()
    }
}

/// The parts of a step that require the PAID plan.
pub(super) fn paid_parts(step: &step::Model) -> Vec<&'static str> {
    let filter = matches!(step.config, StepConfig::Filter { .. }).then_some("filters");
    let buyer = matches!(step.config, StepConfig::Buyer { .. }).then_some("buyer steps");
    let criteria = step.criteria.as_ref().map(|_| "step criteria");
    filter.into_iter().chain(buyer).chain(criteria).collect()
}

/// The profile of a DISTRIBUTE step.
pub(super) fn profile_of(config: &StepConfig) -> Option<ProfileId> {
    match config {
        StepConfig::Distribute { profile_id } => Some(*profile_id),
        StepConfig::Filter { .. } | StepConfig::Transform { .. } | StepConfig::Buyer { .. } => None,
    }
}

/// The names of the parts that have changed, joined.
pub(super) fn changed_parts(parts: &[(&str, bool)]) -> String {
    let changed = parts.iter().filter(|(_, changed)| *changed);
    let names: Vec<&str> = changed.map(|(part, _)| *part).collect();
    join_words(&names)
}

/// Words joined as in a sentence: `a, b and c`.
pub(super) fn join_words(words: &[&str]) -> String {
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
        let joined = [&[][..], &["a"], &["a", "b"], &["a", "b", "c"]].map(join_words);
        assert_eq!(joined, ["", "a", "a and b", "a, b and c"]);
    }
}
