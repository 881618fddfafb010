//! Definitions of fields, checked when a flow is saved.

use std::collections::HashSet;

use entity::field::{FieldDef, FieldType};
use serde_json::Value;

use super::choice::{self, MAX_CHOICE_CHARS, MAX_CHOICES};
use super::{TypedValue, TypingContext, type_value};

/// The most fields that a flow may have.
pub const MAX_FIELDS: usize = 200;
/// The longest name of a field, in characters.
pub const MAX_NAME_CHARS: usize = 64;
/// The longest label, in characters.
pub const MAX_LABEL_CHARS: usize = 120;
/// The longest description, in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 1_000;

/// What is wrong with one part of one definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionProblem {
    /// The position of the field in its list, from 0.
    pub index: usize,
    /// The offending part: `name`, `label`, `choices`, `example` or `description`.
    pub part: &'static str,
    /// What to change.
    pub message: String,
}

type Found = (&'static str, String);

/// All problems of a flow's field definitions, in the order of the fields; none if they can be saved.
///
/// Of a list that is too long only that is reported, at the first field over the limit. Examples are typed without a
/// country, that is, for the United States; a phone example of elsewhere begins with `+`. Every type may be encrypted:
/// sealing hides even a yes or no.
pub fn check_definitions(fields: &[FieldDef]) -> Vec<DefinitionProblem> {
    if fields.len() > MAX_FIELDS {
        let message = format!("A flow has at most {MAX_FIELDS} fields. Remove the others.");
        return vec![DefinitionProblem {
            index: MAX_FIELDS,
            part: "name",
            message,
        }];
    }
    let mut names = HashSet::new();
    let found = fields.iter().enumerate().flat_map(|(index, field)| {
        let repeated = !names.insert(field.name.as_str());
        check(field, repeated)
            .into_iter()
            .map(move |(part, message)| DefinitionProblem { index, part, message })
    });
    found.collect()
}

fn check(field: &FieldDef, repeated: bool) -> Vec<Found> {
    let name = check_name(&field.name, repeated).map(|message| ("name", message));
    let label = check_line(&field.label).map(|message| ("label", message));
    let description = check_description(field.description.as_deref()).map(|message| ("description", message));
    let choices = check_choices(field).map(|message| ("choices", message));
    let example = check_example(field)
        .filter(|_| choices.is_none())
        .map(|message| ("example", message));
    [name, label, choices, example, description]
        .into_iter()
        .flatten()
        .collect()
}

fn check_name(name: &str, repeated: bool) -> Option<String> {
    let sound = name.len() <= MAX_NAME_CHARS
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !sound {
        return Some(format!(
            "Name the field with lower-case letters a to z, digits and underscores, a letter first, at most \
             {MAX_NAME_CHARS} characters."
        ));
    }
    repeated.then(|| "Another field of this flow has the same name. Choose a different one.".to_owned())
}

fn check_line(label: &str) -> Option<String> {
    if label.trim().is_empty() {
        return Some("Give the field a label.".to_owned());
    }
    if label.chars().any(char::is_control) {
        return Some("Write the label without line breaks and control characters.".to_owned());
    }
    let long = label.chars().count() > MAX_LABEL_CHARS;
    long.then(|| format!("Shorten the label to at most {MAX_LABEL_CHARS} characters."))
}

fn check_description(description: Option<&str>) -> Option<String> {
    let description = description?;
    if description
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\t' | '\r'))
    {
        return Some("Write the description without control characters.".to_owned());
    }
    let long = description.chars().count() > MAX_DESCRIPTION_CHARS;
    long.then(|| format!("Shorten the description to at most {MAX_DESCRIPTION_CHARS} characters."))
}

fn check_choices(field: &FieldDef) -> Option<String> {
    let is_choice = field.field_type == FieldType::Choice;
    match field.choices.as_deref() {
        Some(choices) if is_choice && !choices.is_empty() => check_list(choices),
        None | Some([]) if is_choice => Some("List the choices that are accepted.".to_owned()),
        Some([_, ..]) => Some("Only a field of type CHOICE has choices. Remove them or change the type.".to_owned()),
        None | Some([]) => None,
    }
}

fn check_list(choices: &[String]) -> Option<String> {
    if choices.len() > MAX_CHOICES {
        return Some(format!("Reduce the list to at most {MAX_CHOICES} choices."));
    }
    let mut seen = HashSet::new();
    choices.iter().enumerate().find_map(|(at, text)| {
        let number = at + 1;
        if text.trim().is_empty() || text.trim() != text || text.chars().any(char::is_control) {
            return Some(format!(
                "Choice {number} is empty, or has outer spaces or control characters. Correct it."
            ));
        }
        if text.chars().count() > MAX_CHOICE_CHARS {
            return Some(format!(
                "Shorten choice {number} to at most {MAX_CHOICE_CHARS} characters."
            ));
        }
        let repeated = !seen.insert(choice::key(text));
        repeated.then(|| format!("Choice {number} equals an earlier one; case and spacing do not count. Remove it."))
    })
}

fn check_example(field: &FieldDef) -> Option<String> {
    let example = Value::from(field.example.as_deref()?);
    match type_value(field, &example, &TypingContext::default()) {
        TypedValue::Valid(_) => None,
        TypedValue::Empty => Some("Leave the example out or give one.".to_owned()),
        TypedValue::Invalid(message) => Some(format!("The example is not valid for the type. {message}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, field_type: FieldType) -> FieldDef {
        FieldDef {
            name: name.to_owned(),
            label: "Label".to_owned(),
            field_type,
            required: false,
            encrypted: false,
            choices: None,
            example: None,
            description: None,
        }
    }

    fn choices(texts: &[&str]) -> FieldDef {
        let choices = texts.iter().map(ToString::to_string).collect();
        FieldDef {
            choices: Some(choices),
            ..field("kind", FieldType::Choice)
        }
    }

    fn parts(fields: &[FieldDef]) -> Vec<(usize, &'static str)> {
        check_definitions(fields)
            .into_iter()
            .map(|problem| (problem.index, problem.part))
            .collect()
    }

    #[test]
    fn sound_definitions_have_no_problems() {
        let phone = FieldDef {
            example: Some("+44 20 7183 8750".to_owned()),
            ..field("phone_1", FieldType::Phone)
        };
        let kind = FieldDef {
            example: Some("BUY".to_owned()),
            ..choices(&["Buy", "Rent"])
        };
        let sealed = FieldDef {
            encrypted: true,
            description: Some("Line\nline".to_owned()),
            ..field("x", FieldType::Boolean)
        };
        assert_eq!(parts(&[phone, kind, sealed]), []);
        assert_eq!(parts(&[]), []);
    }

    #[test]
    fn names_follow_the_pattern_and_are_unique() {
        let long = "a".repeat(65);
        for name in ["", "1a", "_a", "First", "a-b", "a b", "é", "a.b", &long] {
            assert_eq!(parts(&[field(name, FieldType::Text)]), [(0, "name")], "{name}");
        }
        let same = [
            field("a", FieldType::Text),
            field("b", FieldType::Text),
            field("a", FieldType::Text),
        ];
        assert_eq!(parts(&same), [(2, "name")]);
    }

    #[test]
    fn labels_and_descriptions_are_limited() {
        for label in ["", "  ", "a\nb", "a\0", &"é".repeat(121)] {
            let field = FieldDef {
                label: label.to_owned(),
                ..field("a", FieldType::Text)
            };
            assert_eq!(parts(&[field]), [(0, "label")], "{label}");
        }
        for description in ["a\0b", &"a".repeat(1_001)] {
            let field = FieldDef {
                description: Some(description.to_owned()),
                ..field("a", FieldType::Text)
            };
            assert_eq!(parts(&[field]), [(0, "description")]);
        }
    }

    #[test]
    fn choices_belong_to_choice_fields_and_are_distinct() {
        let many: Vec<String> = (0..=MAX_CHOICES).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let long = "a".repeat(201);
        for texts in [
            &[][..],
            &["a", "A"],
            &["a", ""],
            &[" a"],
            &["a\0"],
            &[long.as_str()],
            &many,
        ] {
            assert_eq!(parts(&[choices(texts)]), [(0, "choices")], "{texts:?}");
        }
        assert_eq!(parts(&[field("kind", FieldType::Choice)]), [(0, "choices")]);
        assert_eq!(
            parts(&[FieldDef {
                field_type: FieldType::Text,
                ..choices(&["a"])
            }]),
            [(0, "choices")]
        );
    }

    #[test]
    fn examples_are_valid_for_the_type() {
        for example in ["", "five"] {
            let field = FieldDef {
                example: Some(example.to_owned()),
                ..field("a", FieldType::Integer)
            };
            assert_eq!(parts(&[field]), [(0, "example")], "{example}");
        }
    }

    #[test]
    fn all_problems_are_reported_with_their_place() {
        let bad = FieldDef {
            label: String::new(),
            ..field("A", FieldType::Choice)
        };
        assert_eq!(
            parts(&[field("a", FieldType::Text), bad]),
            [(1, "name"), (1, "label"), (1, "choices")]
        );
    }

    #[test]
    fn a_flow_has_at_most_200_fields() {
        let fields: Vec<FieldDef> = (0..10_000).map(|n| field(&format!("f{n}"), FieldType::Text)).collect();
        assert_eq!(parts(&fields), [(MAX_FIELDS, "name")]);
        assert_eq!(parts(fields.get(..MAX_FIELDS).unwrap()), []);
    }
}
