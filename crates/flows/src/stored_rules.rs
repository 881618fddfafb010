//! The stored rules of a flow, its sources and its steps.

use entity::step::StepConfig;
use serde_json::Value;

use super::contents::Contents;
use leadmesh_forms::rules::Rule;

/// A stored rule; none if it cannot be read.
pub(super) fn parsed(rule: &Value) -> Option<Rule> {
    serde_json::from_value(rule.clone()).ok()
}

/// All rules that can be read.
pub(super) fn rules_of(contents: &Contents) -> Vec<Rule> {
    let rules = named_rules(contents).into_iter();
    rules.filter_map(|(_, rule)| parsed(rule)).collect()
}

/// All rules, to be changed.
pub(super) fn rules_mut(contents: &mut Contents) -> impl Iterator<Item = &mut Value> {
    let flow = contents.flow.acceptance_rule.iter_mut();
    let sources = contents.sources.iter_mut();
    let sources = sources.filter_map(|source| source.acceptance_rule.as_mut());
    let steps = contents.steps.iter_mut().flat_map(|step| {
        let filter = match &mut step.config {
            StepConfig::Filter { rule, .. } => Some(rule),
            _ => None,
        };
        step.criteria.iter_mut().chain(filter)
    });
    flow.chain(sources).chain(steps)
}

/// All rules, each with its name in messages.
pub(super) fn named_rules(contents: &Contents) -> Vec<(String, &Value)> {
    let flow = contents.flow.acceptance_rule.iter();
    let flow = flow.map(|rule| ("the acceptance rule".to_owned(), rule));
    let sources = contents.sources.iter().filter_map(|source| {
        let name = format!("the acceptance rule of source \"{}\"", source.name);
        source.acceptance_rule.as_ref().map(|rule| (name, rule))
    });
    let steps = contents.steps.iter().flat_map(|step| {
        let filter = match &step.config {
            StepConfig::Filter { rule, .. } => Some((format!("the rule of step \"{}\"", step.name), rule)),
            _ => None,
        };
        let criteria = step.criteria.iter();
        let criteria = criteria.map(|rule| (format!("the criteria of step \"{}\"", step.name), rule));
        criteria.chain(filter)
    });
    flow.chain(sources).chain(steps).collect()
}
