//! The names of fields, and what to say of a name that is none.

use std::cell::Cell;
use std::collections::HashSet;

use entity::field::FieldDef;

/// How many names are offered in place of an unknown one.
const OFFERED: usize = 20;
/// Fields among which the nearest are looked for: comparing a name with all that an account may have takes too long.
const COMPARED: usize = 1_000;
/// Characters of a name that are looked at and shown; fields have at most so many.
const LONGEST: usize = 64;
/// Unknown names that are told of the settings that are checked; of the rest, only that there is one.
const TOLD: usize = 10;

/// The fields that settings may name, and how many names were told that are none: one for all that is checked together.
#[derive(Debug)]
pub struct FieldNames<'f> {
    fields: &'f [FieldDef],
    known: HashSet<&'f str>,
    unknown: Cell<usize>,
}

impl<'f> FieldNames<'f> {
    pub fn new(fields: &'f [FieldDef]) -> Self {
        Self {
            fields,
            known: fields.iter().map(|field| field.name.as_str()).collect(),
            unknown: Cell::new(0),
        }
    }

    pub(super) fn fields(&self) -> &'f [FieldDef] {
        self.fields
    }

    pub fn has(&self, name: &str) -> bool {
        self.known.contains(name)
    }

    /// Says that there is no such field. With the first such name it names the fields that there are: if they are many, those
    /// nearest in spelling. Of more than ten it says once that there are more, and then nothing.
    pub fn no_such(&self, name: &str) -> Option<String> {
        let before = self.unknown.get();
        self.unknown.set(before.saturating_add(1));
        match before {
            0 => Some(no_such_field(name, self.fields)),
            1..TOLD => Some(format!("There is no field named \"{}\".", short(name))),
            TOLD => Some(format!(
                "More than {TOLD} names are not of fields; correct these first, then the rest is told."
            )),
            _ => None,
        }
    }
}

fn short(name: &str) -> String {
    name.chars().take(LONGEST).collect()
}

fn no_such_field(name: &str, fields: &[FieldDef]) -> String {
    let name = short(name);
    let mut names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    if names.is_empty() {
        return format!("There is no field named \"{name}\", nor any other.");
    }
    let many = names.len() > OFFERED;
    if many {
        names.truncate(COMPARED);
        names.sort_by_cached_key(|known| distance(&name, known));
        names.truncate(OFFERED);
    }
    let those = if many { "the nearest are" } else { "there are" };
    format!("There is no field named \"{name}\"; {those} {}.", names.join(", "))
}

/// Characters to be put in, taken out or replaced to make one of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(LONGEST).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (done, c) in one.chars().enumerate() {
        let mut left = done + 1;
        let mut next = vec![left];
        for (above, d) in row.windows(2).zip(&other) {
            if let [diagonal, above] = above {
                left = (diagonal + usize::from(c != *d)).min(above + 1).min(left + 1);
                next.push(left);
            }
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use entity::field::FieldType;

    use super::*;

    fn fields(names: impl IntoIterator<Item = String>) -> Vec<FieldDef> {
        let field = |name: String| FieldDef {
            label: name.clone(),
            name,
            field_type: FieldType::Text,
            required: false,
            encrypted: false,
            choices: None,
            example: None,
            description: None,
        };
        names.into_iter().map(field).collect()
    }

    #[test]
    fn the_distance_is_the_number_of_changed_characters() {
        for (one, other, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("secrt", "secret", 1),
            ("kitten", "sitting", 3),
            ("é", "e", 1),
        ] {
            assert_eq!(distance(one, other), expected);
            assert_eq!(distance(other, one), expected);
        }
    }

    #[test]
    fn few_fields_are_all_named_in_their_order_and_of_many_the_nearest() {
        let few = fields(["zip", "secret"].map(str::to_owned));
        assert_eq!(
            no_such_field("secrt", &few),
            "There is no field named \"secrt\"; there are zip, secret."
        );
        let many = fields((0..30).map(|n| format!("field_{n}")).chain(["secret".to_owned()]));
        let said = no_such_field("secrt", &many);
        assert!(said.contains("the nearest are secret, "), "{said}");
        assert_eq!(said.matches(',').count(), OFFERED - 1, "{said}");
        assert!(no_such_field("x", &[]).ends_with("nor any other."));
    }

    #[test]
    fn ten_unknown_names_are_told_and_the_nearest_fields_once() {
        let many = fields((0..30).map(|n| format!("field_{n}")));
        let names = FieldNames::new(&many);
        assert!(names.has("field_7") && !names.has("field_77"));
        let told: Vec<String> = (0..500).filter_map(|n| names.no_such(&format!("x{n}"))).collect();
        assert_eq!(told.len(), TOLD + 1);
        assert_eq!(told.iter().filter(|text| text.contains("nearest")).count(), 1);
        assert!(
            told[0].contains("nearest") && told[10].starts_with("More than 10"),
            "{told:?}"
        );
        let long = names
            .no_such("x")
            .or_else(|| FieldNames::new(&many).no_such(&"x".repeat(100_000)));
        assert!(long.unwrap().len() < 500);
    }

    #[test]
    fn the_nearest_are_looked_for_among_so_many_fields_only() {
        let many = fields((0..20_000).map(|n| format!("field_{n}")));
        let said = no_such_field("field_19999", &many);
        assert!(said.contains("field_999") && !said.contains("field_19998"), "{said}");
    }
}
