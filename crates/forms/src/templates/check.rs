//! What is refused when settings with templates, selections and renamings are saved.

use std::collections::BTreeSet;

use entity::delivery_config::{FieldMapping, FieldSelection};

use super::names::FieldNames;
use super::{Template, TemplateError};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateProblem {
    pub kind: ProblemKind,
    /// What is wrong and what to do about it.
    pub message: String,
}

/// Sorts of reasons to refuse settings; each has a code of its own in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// The flow has no such field (`UNKNOWN_FIELD`).
    UnknownField,
    /// The flow has the field, but the recipient may not see it (`FIELD_NOT_SHARED`).
    FieldNotShared,
    /// Anything else (`INVALID_TEMPLATE`).
    Invalid,
}

impl TemplateProblem {
    pub fn invalid(message: impl Into<String>) -> Self {
        Self {
            kind: ProblemKind::Invalid,
            message: message.into(),
        }
    }

    /// None where enough unknown names were told before.
    fn unknown(name: &str, fields: &FieldNames<'_>) -> Option<Self> {
        Some(Self {
            kind: ProblemKind::UnknownField,
            message: fields.no_such(name)?,
        })
    }

    fn not_shared(name: &str) -> Self {
        let message = format!(
            "The field \"{name}\" is not shared with this recipient; share it under \"fields\" or leave it out."
        );
        Self {
            kind: ProblemKind::FieldNotShared,
            message,
        }
    }

    #[must_use]
    pub fn within(mut self, setting: &str) -> Self {
        self.message = format!("{setting}: {}", self.message);
        self
    }
}

impl From<TemplateError> for TemplateProblem {
    fn from(error: TemplateError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// Checks that a template names only fields that the flow has and that the recipient may see.
///
/// A name that the template defines itself is no field, unless the flow has a field of that name: the two could not be
/// told apart, so the strict reading holds.
pub fn check(template: &Template, flow_fields: &FieldNames<'_>, selection: &FieldSelection) -> Vec<TemplateProblem> {
    let bare = template
        .bare
        .iter()
        .filter(|name| flow_fields.has(name) || !template.locals.contains(*name));
    let names: BTreeSet<&String> = template.fields.iter().chain(bare).collect();
    names
        .into_iter()
        .filter_map(|name| field_problem(name, flow_fields, selection))
        .collect()
}

/// Checks a selection and its renamings: every named field exists, renamed fields are shared, and no two fields of the
/// flow reach the recipient under one name.
pub fn check_fields(
    selection: &FieldSelection,
    mapping: &[FieldMapping],
    flow_fields: &FieldNames<'_>,
) -> Vec<TemplateProblem> {
    let unknown = selection.fields.iter().filter(|name| !flow_fields.has(name));
    let mut problems: Vec<_> = unknown
        .filter_map(|name| TemplateProblem::unknown(name, flow_fields))
        .collect();
    for renaming in mapping {
        problems.extend(field_problem(&renaming.from, flow_fields, selection));
        if renaming.to.trim().is_empty() {
            problems.push(TemplateProblem::invalid(format!(
                "\"{}\" is renamed to nothing; give it a name or remove the renaming.",
                renaming.from
            )));
        }
    }
    problems.extend(ambiguous(selection, mapping, flow_fields));
    problems
}

fn field_problem(name: &str, fields: &FieldNames<'_>, selection: &FieldSelection) -> Option<TemplateProblem> {
    if !fields.has(name) {
        TemplateProblem::unknown(name, fields)
    } else if !selection.shares(name) {
        Some(TemplateProblem::not_shared(name))
    } else {
        None
    }
}

fn ambiguous(
    selection: &FieldSelection,
    mapping: &[FieldMapping],
    flow_fields: &FieldNames<'_>,
) -> Vec<TemplateProblem> {
    let mut sources = BTreeSet::new();
    let twice = mapping.iter().map(|renaming| renaming.from.as_str());
    let twice = twice
        .filter(|from| !sources.insert(*from))
        .map(|from| TemplateProblem::invalid(format!("\"{from}\" is renamed twice; keep one of the renamings.")));
    let mut problems: Vec<_> = twice.collect();
    let mut names = BTreeSet::new();
    for field in flow_fields
        .fields()
        .iter()
        .filter(|field| selection.shares(&field.name))
    {
        let name = wire_name(&field.name, mapping);
        if !names.insert(name) {
            problems.push(TemplateProblem::invalid(format!(
                "Two fields would be sent as \"{name}\"; give each its own name."
            )));
        }
    }
    problems
}

/// The name under which a field reaches its recipient: that of its first renaming, else its own.
pub fn wire_name<'a>(name: &'a str, mapping: &'a [FieldMapping]) -> &'a str {
    mapping
        .iter()
        .find(|renaming| renaming.from == name)
        .map_or(name, |renaming| &renaming.to)
}
