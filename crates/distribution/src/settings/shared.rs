//! Settings of all channels: shared fields, their mapping, and the names that templates may use.

use entity::delivery_config::{FieldMapping, FieldSelection, FieldSelectionMode};

use crate::known_fields::KnownFields;
use leadmesh_core::error::{Error, UserError, UserErrorCode};
use leadmesh_forms::templates::{self, Escape, FieldNames, ProblemKind, Template, TemplateProblem};

const MAX_FIELDS: usize = 500;
/// In characters.
const MAX_NAME: usize = 100;

/// Checks a selection; none means all fields.
pub(super) fn selection(
    given: Option<FieldSelection>,
    known: &KnownFields,
    path: &str,
) -> Result<FieldSelection, Error> {
    let mut selection = given.unwrap_or_default();
    let path = format!("{path}.fields");
    if selection.fields.len() > MAX_FIELDS {
        let message = "a selection names 500 fields at most";
        return Err(Error::user(UserErrorCode::LimitReached, &path, message));
    }
    if selection.mode == FieldSelectionMode::Only && selection.fields.is_empty() {
        let message = "name at least one field, or share ALL";
        return Err(Error::user(UserErrorCode::Required, &path, message));
    }
    for (index, name) in selection.fields.iter().enumerate() {
        field_name(name, &format!("{path}.{index}"))?;
    }
    if selection.mode == FieldSelectionMode::All {
        selection.fields.clear();
    }
    known.names(&selection, &path)?;
    Ok(selection)
}

pub(super) fn mapping(
    mapping: &[FieldMapping],
    selection: &FieldSelection,
    known: &FieldNames<'_>,
    path: &str,
) -> Result<(), Vec<UserError>> {
    if mapping.len() > MAX_FIELDS {
        let message = "a mapping has 500 entries at most";
        return Err(vec![UserError::new(UserErrorCode::LimitReached, path, message)]);
    }
    for (index, renaming) in mapping.iter().enumerate() {
        field_name(&renaming.from, &format!("{path}.{index}.from")).map_err(|broken| vec![broken])?;
        field_name(&renaming.to, &format!("{path}.{index}.to")).map_err(|broken| vec![broken])?;
    }
    broken(
        templates::check_fields(selection, mapping, known),
        UserErrorCode::Invalid,
        path,
    )
}

pub(super) fn template(
    source: &str,
    escape: Escape,
    selection: &FieldSelection,
    known: &FieldNames<'_>,
    path: &str,
) -> Result<(), Vec<UserError>> {
    let problems = match Template::parse(source, escape) {
        Ok(template) => templates::check(&template, known, selection),
        Err(error) => vec![error.into()],
    };
    none(problems, path)
}

/// Turns problems of templates into user errors at one path.
pub(super) fn none(problems: Vec<TemplateProblem>, path: &str) -> Result<(), Vec<UserError>> {
    broken(problems, UserErrorCode::InvalidTemplate, path)
}

fn broken(problems: Vec<TemplateProblem>, otherwise: UserErrorCode, path: &str) -> Result<(), Vec<UserError>> {
    let broken = problems.into_iter().map(|problem| {
        let code = match problem.kind {
            ProblemKind::UnknownField => UserErrorCode::UnknownField,
            ProblemKind::FieldNotShared => UserErrorCode::FieldNotShared,
            ProblemKind::Invalid => otherwise,
        };
        UserError::new(code, path, problem.message)
    });
    let broken: Vec<UserError> = broken.collect();
    if broken.is_empty() { Ok(()) } else { Err(broken) }
}

fn field_name(name: &str, path: &str) -> Result<(), UserError> {
    if name.trim().is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        let message = "the name of a field has 1 to 100 characters, none of them a control character";
        return Err(UserError::new(UserErrorCode::Invalid, path, message));
    }
    Ok(())
}
