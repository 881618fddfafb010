//! Which rules, templates and settings name which fields of a flow, and what a change of the fields means for them.

mod field_use;
mod recipient_settings;

use std::collections::BTreeSet;

use entity::field::FieldDef;
use entity::step::StepConfig;
use entity::{flow, source};
use serde_json::Value;

use self::field_use::{FieldUse, named_in, users_of};
use super::checks::assignment;
use super::contents::Contents;
use super::mapping::wire_name;
use super::stored_rules::{named_rules, parsed, rules_mut};
use leadmesh_core::app::App;
use leadmesh_core::error::Error;
use leadmesh_forms::rules;
use leadmesh_forms::templates::FieldNames;

/// Checks a flow against its fields after these have changed, and brings its rules into canonical form. Answers messages about what
/// does not fit.
pub(super) fn revalidate(contents: &mut Contents) -> Vec<String> {
    let fields = contents.flow.fields.0.clone();
    let mut problems = missing_fields(contents, &fields);
    if problems.is_empty() {
        problems = misfits(contents, &fields);
    }
    if problems.is_empty() {
        for rule in rules_mut(contents) {
            canonicalise(rule, &fields);
        }
    }
    problems
}

fn missing_fields(contents: &Contents, fields: &[FieldDef]) -> Vec<String> {
    let known: BTreeSet<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    let uses = uses(contents);
    let named = uses.iter().flat_map(|used| used.fields.iter());
    let missing: BTreeSet<&String> = named.filter(|name| !known.contains(name.as_str())).collect();
    let message = |name: &String| {
        let used_by = users_of(&uses, name);
        format!("the field \"{name}\" is used by {used_by}: change that first, or keep the field")
    };
    missing.into_iter().map(message).collect()
}

fn misfits(contents: &Contents, fields: &[FieldDef]) -> Vec<String> {
    let mut messages = Vec::new();
    for (name, rule) in named_rules(contents) {
        let problems = parsed(rule).and_then(|rule| rules::check_stored(&rule, fields).err());
        for problem in problems.into_iter().flatten() {
            messages.push(format!("{name} does not fit the fields any more: {}", problem.message));
        }
    }
    let names = FieldNames::new(fields);
    for step in &contents.steps {
        let StepConfig::Transform { assignments } = &step.config else {
            continue;
        };
        let problems = assignments
            .iter()
            .flat_map(|set| assignment::problems(set, fields, &names));
        messages.extend(problems.map(|problem| {
            format!(
                "step \"{}\" does not fit the fields any more: {}",
                step.name, problem.message
            )
        }));
    }
    messages
}

fn canonicalise(rule: &mut Value, fields: &[FieldDef]) {
    let canonical = parsed(rule).and_then(|rule| rules::check_stored(&rule, fields).ok());
    if let Some(canonical) = canonical.and_then(|rule| serde_json::to_value(rule).ok()) {
        *rule = canonical;
    }
}

/// What of the flow itself names fields.
fn uses(contents: &Contents) -> Vec<FieldUse> {
    let rules = named_rules(contents)
        .into_iter()
        .map(|(name, rule)| FieldUse::of_rule(name, rule));
    let duplicates = FieldUse {
        user: "the duplicate keys".into(),
        fields: contents.flow.duplicate_keys.0.iter().cloned().collect(),
    };
    let mappings = contents.sources.iter().map(|source| FieldUse {
        user: format!("the renamings of source \"{}\"", source.name),
        fields: source.mapping.0.iter().map(|renaming| renaming.to.clone()).collect(),
    });
    let transforms = contents.steps.iter().filter_map(|step| match &step.config {
        StepConfig::Transform { assignments } => Some(FieldUse {
            user: format!("step \"{}\"", step.name),
            fields: assignments
                .iter()
                .flat_map(|set| named_in(&set.template).into_iter().chain([set.field.clone()]))
                .collect(),
        }),
        _ => None,
    });
    rules.chain([duplicates]).chain(mappings).chain(transforms).collect()
}

/// Warnings about changed fields. Made after the change is saved: it reads and parses all settings by which the flow's leads are
/// delivered, and no other change should wait for that.
pub(super) async fn warnings(app: &App, before: Contents, after: Contents) -> Vec<String> {
    let warnings = async {
        let settings = recipient_settings::read(app.db.read(), &after).await?;
        let made = tokio::task::spawn_blocking(move || field_warnings(&before, &after, &settings.uses()));
        Ok::<_, Error>(made.await.map_err(anyhow::Error::from)?)
    };
    warnings.await.unwrap_or_else(|error| {
        tracing::warn!(?error, "cannot tell where changed fields are used");
        Vec::new()
    })
}

fn field_warnings(before: &Contents, after: &Contents, recipients: &[FieldUse]) -> Vec<String> {
    let own = uses(after);
    let mut warnings = Vec::new();
    for field in &before.flow.fields.0 {
        match after.flow.fields.0.iter().find(|now| now.name == field.name) {
            None => warnings.extend(use_warning(recipients, field, "is removed, but it is still named by")),
            Some(now) if now.field_type != field.field_type => {
                for uses in [&own[..], recipients] {
                    warnings.extend(use_warning(uses, field, "has another type now; look again at"));
                }
            }
            Some(now) if now.encrypted && !field.encrypted => {
                let name = &field.name;
                warnings.push(format!("leads that are stored already keep \"{name}\" unencrypted"));
            }
            Some(_) => {}
        }
    }
    let sources = after.sources.iter();
    warnings.extend(sources.flat_map(|source| out_of_reach(&after.flow, source)));
    warnings
}

fn use_warning(uses: &[FieldUse], field: &FieldDef, what: &str) -> Option<String> {
    let used_by = users_of(uses, &field.name);
    (!used_by.is_empty()).then(|| format!("\"{}\" {what} {used_by}", field.name))
}

/// Warnings about required fields for which a source's mapping leaves no name.
pub(super) fn out_of_reach(flow: &flow::Model, source: &source::Model) -> Vec<String> {
    let required = flow.fields.0.iter().filter(|field| field.required);
    let lost = required.filter(|field| wire_name(&source.mapping.0, &field.name).is_none());
    let message = |field: &FieldDef| {
        format!(
            "source \"{}\" cannot fill the required field \"{1}\": it renames \"{1}\" to another one",
            source.name, field.name
        )
    };
    lost.map(message).collect()
}
