//! Where fields are used: what of a flow names them, and what behind its distribute steps does.

mod outside;

use std::collections::BTreeSet;

use entity::field::FieldDef;
use entity::step::StepConfig;
use entity::{flow, source};
use serde_json::Value;

use super::checks::assignment;
use super::contents::{Contents, words};

use super::sources::wire_name;
use leadmesh_core::app::App;
use leadmesh_core::error::Error;
use leadmesh_forms::rules::{self, Rule};
use leadmesh_forms::templates::{Escape, FieldNames, Template};

/// Something that names fields.
#[derive(Debug, PartialEq, Eq)]
struct Use {
    place: String,
    fields: BTreeSet<String>,
}

impl Use {
    fn of_rule(place: String, rule: &Value) -> Self {
        let rule: Option<Rule> = serde_json::from_value(rule.clone()).ok();
        let fields = rule.iter().flat_map(Rule::fields_named).map(str::to_owned).collect();
        Self { place, fields }
    }
}

/// Checks all that a flow holds against its fields, after these were changed, and brings its rules into canonical form.
/// Answers what does not fit, in words.
pub(super) fn settle(contents: &mut Contents) -> Vec<String> {
    let fields = contents.flow.fields.0.clone();
    let mut complaints = missing(contents, &fields);
    if complaints.is_empty() {
        complaints = misfits(contents, &fields);
    }
    if complaints.is_empty() {
        for rule in rules_of(contents) {
            canonicalise(rule, &fields);
        }
    }
    complaints
}

fn missing(contents: &Contents, fields: &[FieldDef]) -> Vec<String> {
    let known: BTreeSet<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    let uses = uses(contents);
    let lost = uses.iter().flat_map(|used| used.fields.iter());
    let lost: BTreeSet<&String> = lost.filter(|name| !known.contains(name.as_str())).collect();
    let complaint = |name: &String| {
        let places = places(&uses, name);
        format!("the field \"{name}\" is used by {places}: change that first, or keep the field")
    };
    lost.into_iter().map(complaint).collect()
}

fn misfits(contents: &Contents, fields: &[FieldDef]) -> Vec<String> {
    let rules = named_rules(contents).into_iter().flat_map(|(place, rule)| {
        let problems = parsed(rule).and_then(|rule| rules::check_stored(&rule, fields).err());
        let told =
            move |problem: rules::Problem| format!("{place} does not fit the fields any more: {}", problem.message);
        problems.into_iter().flatten().map(told)
    });
    let names = FieldNames::new(fields);
    let transforms = contents.steps.iter().flat_map(|step| {
        let assignments = match &step.config {
            StepConfig::Transform { assignments } => assignments.as_slice(),
            _ => &[],
        };
        let problems = assignments
            .iter()
            .flat_map(|set| assignment::problems(set, fields, &names));
        problems.map(|problem| {
            format!(
                "step \"{}\" does not fit the fields any more: {}",
                step.name, problem.message
            )
        })
    });
    rules.chain(transforms).collect()
}

fn canonicalise(rule: &mut Value, fields: &[FieldDef]) {
    let canonical = parsed(rule).and_then(|rule| rules::check_stored(&rule, fields).ok());
    if let Some(canonical) = canonical.and_then(|rule| serde_json::to_value(rule).ok()) {
        *rule = canonical;
    }
}

/// A stored rule; none where it cannot be read.
pub(super) fn parsed(rule: &Value) -> Option<Rule> {
    serde_json::from_value(rule.clone()).ok()
}

fn rules_of(contents: &mut Contents) -> impl Iterator<Item = &mut Value> {
    let flow = contents.flow.acceptance_rule.iter_mut();
    let sources = contents
        .sources
        .iter_mut()
        .filter_map(|source| source.acceptance_rule.as_mut());
    let steps = contents.steps.iter_mut().flat_map(|step| {
        let filter = match &mut step.config {
            StepConfig::Filter { rule, .. } => Some(rule),
            _ => None,
        };
        step.criteria.iter_mut().chain(filter)
    });
    flow.chain(sources).chain(steps)
}

/// All rules of a flow, each with where it is, in words.
pub(super) fn named_rules(contents: &Contents) -> Vec<(String, &Value)> {
    let flow = contents
        .flow
        .acceptance_rule
        .iter()
        .map(|rule| ("the acceptance rule".to_owned(), rule));
    let sources = contents.sources.iter().filter_map(|source| {
        let place = format!("the acceptance rule of source \"{}\"", source.name);
        source.acceptance_rule.as_ref().map(|rule| (place, rule))
    });
    let steps = contents.steps.iter().flat_map(|step| {
        let filter = match &step.config {
            StepConfig::Filter { rule, .. } => Some((format!("the rule of step \"{}\"", step.name), rule)),
            _ => None,
        };
        let criteria = step.criteria.iter();
        criteria
            .map(|rule| (format!("the criteria of step \"{}\"", step.name), rule))
            .chain(filter)
    });
    flow.chain(sources).chain(steps).collect()
}

fn uses(contents: &Contents) -> Vec<Use> {
    let rules = named_rules(contents)
        .into_iter()
        .map(|(place, rule)| Use::of_rule(place, rule));
    let duplicates = Use {
        place: "the duplicate keys".into(),
        fields: contents.flow.duplicate_keys.0.iter().cloned().collect(),
    };
    let mappings = contents.sources.iter().map(|source| Use {
        place: format!("the renamings of source \"{}\"", source.name),
        fields: source.mapping.0.iter().map(|renaming| renaming.to.clone()).collect(),
    });
    let transforms = contents.steps.iter().filter_map(|step| match &step.config {
        StepConfig::Transform { assignments } => Some(Use {
            place: format!("step \"{}\"", step.name),
            fields: assignments
                .iter()
                .flat_map(|set| named_in(&set.template).into_iter().chain([set.field.clone()]))
                .collect(),
        }),
        _ => None,
    });
    rules.chain([duplicates]).chain(mappings).chain(transforms).collect()
}

fn named_in(template: &str) -> Vec<String> {
    let template = Template::parse(template, Escape::None).ok();
    let names = template.iter().flat_map(Template::fields);
    names.map(str::to_owned).collect()
}

fn places(uses: &[Use], field: &str) -> String {
    let places = uses.iter().filter(|used| used.fields.contains(field));
    let places: Vec<&str> = places.map(|used| used.place.as_str()).collect();
    words(&places)
}

/// What the owner should know about changed fields that is no reason to refuse the change. Found out after the change was made: it
/// reads and parses whatever the flow's leads are delivered by, for which nobody should wait.
pub(super) async fn warnings(app: &App, before: Contents, after: Contents) -> Vec<String> {
    let found = async {
        let outside = outside::read(app.db.read(), &after).await?;
        let finding = tokio::task::spawn_blocking(move || found(&before, &after, &outside.uses()));
        Ok::<_, Error>(finding.await.map_err(anyhow::Error::from)?)
    };
    found.await.unwrap_or_else(|error| {
        tracing::warn!(?error, "cannot tell where changed fields are used");
        Vec::new()
    })
}

fn found(before: &Contents, after: &Contents, outside: &[Use]) -> Vec<String> {
    let inside = uses(after);
    let mut warnings = Vec::new();
    for field in &before.flow.fields.0 {
        let now = after.flow.fields.0.iter().find(|now| now.name == field.name);
        match now {
            None => warnings.extend(told(outside, field, "is removed, but it is still named by")),
            Some(now) if now.field_type != field.field_type => {
                let told = |uses: &[Use]| told(uses, field, "has another type now; look again at");
                warnings.extend([&inside[..], outside].into_iter().filter_map(told));
            }
            Some(now) if now.encrypted && !field.encrypted => {
                warnings.push(format!(
                    "leads that are stored already keep \"{}\" unencrypted",
                    field.name
                ));
            }
            Some(_) => {}
        }
    }
    warnings.extend(
        after
            .sources
            .iter()
            .flat_map(|source| out_of_reach(&after.flow, source)),
    );
    warnings
}

fn told(uses: &[Use], field: &FieldDef, what: &str) -> Option<String> {
    let places = places(uses, &field.name);
    (!places.is_empty()).then(|| format!("\"{}\" {what} {places}", field.name))
}

/// Required fields that a source's renamings leave no name for.
pub(super) fn out_of_reach(flow: &flow::Model, source: &source::Model) -> Vec<String> {
    let required = flow.fields.0.iter().filter(|field| field.required);
    let lost = required.filter(|field| wire_name(&source.mapping.0, &field.name).is_none());
    let told = |field: &FieldDef| {
        format!(
            "source \"{}\" cannot fill the required field \"{1}\": it renames \"{1}\" to another one",
            source.name, field.name
        )
    };
    lost.map(told).collect()
}
