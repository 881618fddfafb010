//! The names that senders give to fields.

use entity::delivery_config::FieldMapping;

/// The sender's name of a field: the one that the mapping renames to it, else the field's own. None if the mapping gives that name to
/// another field.
pub fn wire_name<'a>(mapping: &'a [FieldMapping], field: &'a str) -> Option<&'a str> {
    if let Some(renaming) = mapping.iter().find(|renaming| renaming.to == field) {
        return Some(&renaming.from);
    }
    let taken = mapping.iter().any(|renaming| renaming.from == field);
    (!taken).then_some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_sent_under_the_name_that_is_renamed_to_it() {
        let renaming = |from: &str, to: &str| FieldMapping {
            from: from.into(),
            to: to.into(),
        };
        let mapping = [renaming("Mail", "email"), renaming("city", "town")];
        assert_eq!(wire_name(&mapping, "email"), Some("Mail"));
        assert_eq!(wire_name(&mapping, "age"), Some("age"));
        assert_eq!(wire_name(&mapping, "city"), None, "the sender's city is another field");
    }
}
