//! The assignments of TRANSFORM steps.

use entity::delivery_config::FieldSelection;
use entity::field::FieldDef;
use entity::step::TemplateAssignment;

use crate::delivery::templates::{self, Escape, FieldNames, ProblemKind, Template};
use crate::error::{Broken, UserErrorCode};

/// Longest template of a TRANSFORM step, in characters.
const MAX_TEMPLATE_CHARS: usize = 2_000;

/// What is wrong with one assignment of a TRANSFORM step. An encrypted value may only go where it stays encrypted. `names` are those
/// of the fields, shared by all assignments that are checked together.
pub(in crate::flows) fn problems(
    assignment: &TemplateAssignment,
    fields: &[FieldDef],
    names: &FieldNames<'_>,
) -> Vec<Broken> {
    let Some(target) = fields.iter().find(|field| field.name == assignment.field) else {
        let text = "the flow has no field of this name: use one of its field names";
        return vec![Broken::new(UserErrorCode::UnknownField, "field", text)];
    };
    if assignment.template.chars().count() > MAX_TEMPLATE_CHARS {
        let text = format!("shorten it to at most {MAX_TEMPLATE_CHARS} characters");
        return vec![Broken::new(UserErrorCode::TooLong, "template", text)];
    }
    let template = match Template::parse(&assignment.template, Escape::None) {
        Ok(template) => template,
        Err(error) => {
            let text = error.to_string();
            return vec![Broken::new(UserErrorCode::InvalidTemplate, "template", text)];
        }
    };
    let unknown = templates::check(&template, names, &FieldSelection::default());
    let unknown = unknown.into_iter().map(|problem| {
        let code = match problem.kind {
            ProblemKind::UnknownField => UserErrorCode::UnknownField,
            _ => UserErrorCode::InvalidTemplate,
        };
        Broken::new(code, "template", problem.message)
    });
    unknown.chain(laid_bare(&template, target, fields)).collect()
}

fn laid_bare(template: &Template, target: &FieldDef, fields: &[FieldDef]) -> Option<Broken> {
    let named = template.fields();
    let secret = fields
        .iter()
        .find(|field| field.encrypted && named.contains(field.name.as_str()));
    let secret = secret.filter(|_| !target.encrypted)?;
    let text = format!(
        "\"{}\" is encrypted and \"{}\" is not: encrypt that too, or leave the encrypted field out",
        secret.name, target.name
    );
    Some(Broken::new(UserErrorCode::InvalidTemplate, "template", text))
}
