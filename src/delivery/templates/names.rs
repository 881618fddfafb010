//! What to say of a name that is no field.

use entity::field::FieldDef;

/// How many names are offered in its place.
const MOST: usize = 20;
/// Characters of a name that are looked at and shown; fields have shorter ones.
const LONGEST: usize = 100;

/// Says that there is no such field, and names those that there are: if they are many, those nearest in spelling.
pub fn no_such_field(name: &str, fields: &[FieldDef]) -> String {
    let name: String = name.chars().take(LONGEST).collect();
    let mut names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    if names.is_empty() {
        return format!("There is no field named \"{name}\", nor any other.");
    }
    let many = names.len() > MOST;
    if many {
        names.sort_by_key(|known| distance(&name, known));
        names.truncate(MOST);
    }
    let those = if many { "the nearest are" } else { "there are" };
    format!("There is no field named \"{name}\"; {those} {}.", names.join(", "))
}

/// Characters to be put in, taken out or replaced to make one of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
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
        assert_eq!(said.matches(',').count(), MOST - 1, "{said}");
        assert!(no_such_field("x", &[]).ends_with("nor any other."));
    }
}
