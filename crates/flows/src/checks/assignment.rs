//! The assignments of TRANSFORM steps.

use entity::delivery_config::FieldSelection;
use entity::field::FieldDef;
use entity::step::TemplateAssignment;

use leadmesh_core::error::{UserError, UserErrorCode};
use leadmesh_forms::templates::{self, Escape, FieldNames, ProblemKind, Template};

/// Longest template of a TRANSFORM step, in characters.
const MAX_TEMPLATE_CHARS: usize = 2_000;

/// The error of an assignment of a TRANSFORM step, if any. Encrypted values may only go into encrypted fields. `names` are those of
/// the fields, shared by all assignments that are checked together.
pub(crate) fn problems(assignment: &TemplateAssignment, fields: &[FieldDef], names: &FieldNames<'_>) -> Vec<UserError> {
    let Some(target) = fields.iter().find(|field| field.name == assignment.field) else {
        let text = "the flow has no field of this name: use one of its field names";
        return vec![UserError::new(UserErrorCode::UnknownField, "field", text)];
    };
    if assignment.template.chars().count() > MAX_TEMPLATE_CHARS {
        let text = format!("shorten it to at most {MAX_TEMPLATE_CHARS} characters");
        return vec![UserError::new(UserErrorCode::TooLong, "template", text)];
    }
    let template = match Template::parse(&assignment.template, Escape::None) {
        Ok(template) => template,
        Err(error) => {
            let text = error.to_string();
            return vec![UserError::new(UserErrorCode::InvalidTemplate, "template", text)];
        }
    };
    let unknown = templates::check(&template, names, &FieldSelection::default());
    let unknown = unknown.into_iter().map(|problem| {
        let code = match problem.kind {
            ProblemKind::UnknownField => UserErrorCode::UnknownField,
            _ => UserErrorCode::InvalidTemplate,
        };
        UserError::new(code, "template", problem.message)
    });
    unknown.chain(laid_bare(&template, target, fields)).collect()
}

/// A template that may read an encrypted field may only set encrypted ones. A computed name counts as all fields. (When a lead is
/// decided, such a template gets no encrypted values at all.)
fn laid_bare(template: &Template, target: &FieldDef, fields: &[FieldDef]) -> Option<UserError> {
    let secret = fields
        .iter()
        .find(|field| field.encrypted && template.may_read(&field.name));
    let secret = secret.filter(|_| !target.encrypted)?;
    let named = template.fields().contains(secret.name.as_str());
    let text = if named {
        format!(
            "\"{}\" is encrypted and \"{}\" is not: encrypt that too, or leave the encrypted field out",
            secret.name, target.name
        )
    } else {
        format!(
            "the template may read every field, also \"{}\", which is encrypted, and \"{}\" is not: name the fields that it takes \
             (lead.city), or encrypt \"{}\" too",
            secret.name, target.name, target.name
        )
    };
    Some(UserError::new(UserErrorCode::InvalidTemplate, "template", text))
}

#[cfg(test)]
mod tests {
    use entity::field::FieldType;

    use super::*;

    fn field(name: &str, encrypted: bool) -> FieldDef {
        FieldDef {
            name: name.into(),
            label: name.into(),
            field_type: FieldType::Text,
            required: false,
            encrypted,
            choices: None,
            example: None,
            description: None,
        }
    }

    #[test]
    fn whatever_may_read_an_encrypted_field_sets_encrypted_ones_only() {
        let fields = [
            field("ssn", true),
            field("city", false),
            field("note", false),
            field("copy", true),
        ];
        let problems = |target: &str, template: &str| {
            let assignment = TemplateAssignment {
                field: target.into(),
                template: template.into(),
            };
            problems(&assignment, &fields, &FieldNames::new(&fields))
        };
        let bypasses = [
            "{{ lead.ssn }}",
            "{{ ssn }}",
            "{{ lead['ssn'] }}",
            "{{ lead }}",
            "{{ lead|tojson }}",
            "{{ lead['s' ~ 'sn'] }}",
            "{{ (lead).ssn }}",
            "{% set all = lead %}{{ all.ssn }}",
            "{% with all = lead %}{{ all['ssn'] }}{% endwith %}",
            "{% for name in lead %}{{ lead[name] }}{% endfor %}",
            "{% for pair in lead|items %}{{ pair }}{% endfor %}",
            "{{ [lead]|first|tojson }}",
            "{{ ssn }}{% set ssn = 1 %}",
            "{% if false %}{% set ssn = 1 %}{% endif %}{{ ssn }}",
            "{% if lead.ssn == '1' %}x{% endif %}",
            "{{ city ~ (lead|string) }}",
        ];
        for template in bypasses {
            let found = problems("note", template);
            assert!(
                found.iter().any(|broken| broken.message.contains("\"ssn\"")),
                "{template}: {found:?}"
            );
            let found = problems("copy", template);
            assert!(
                found.iter().all(|broken| !broken.message.contains("encrypted")),
                "{template}: {found:?}"
            );
        }
        for template in [
            "{{ lead.city|upper }}",
            "{{ lead['city'] }}",
            "{% set x = lead.city %}{{ x }}",
            "ssn",
        ] {
            assert_eq!(problems("note", template), [], "{template}");
        }
    }
}
