//! One of a list.

/// The most choices that a field may have.
pub const MAX_CHOICES: usize = 500;
/// The longest choice, in characters.
pub const MAX_CHOICE_CHARS: usize = 200;

/// The form in which choices are compared: lower case, with single spaces.
pub(super) fn key(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Finds the choice that a text names, ignoring case and the amount of white space.
pub(super) fn read(text: &str, choices: Option<&[String]>) -> Result<String, String> {
    let choices = choices.unwrap_or_default();
    let exact = choices.iter().find(|choice| *choice == text);
    let wanted = key(text);
    let found = exact.or_else(|| choices.iter().find(|choice| key(choice) == wanted));
    found.cloned().ok_or_else(|| expected(choices))
}

fn expected(choices: &[String]) -> String {
    let shown = choices
        .iter()
        .take(10)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match choices.len() {
        0 => "This field has no choices. Ask the flow's owner to define them.".to_owned(),
        1..=10 => format!("This is none of the choices. Send one of: {shown}."),
        more => format!("This is none of the {more} choices. Send one of: {shown}, …"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_found_in_any_case_and_take_the_defined_spelling() {
        let choices = [
            "Home Owner".to_owned(),
            "Renter".to_owned(),
            "Élevé".to_owned(),
            "3".to_owned(),
        ];
        let typed = |text| read(text, Some(&choices)).ok();
        assert_eq!(typed("home  OWNER").as_deref(), Some("Home Owner"));
        assert_eq!(typed("renter").as_deref(), Some("Renter"));
        assert_eq!(typed("ÉLEVÉ").as_deref(), Some("Élevé"));
        assert_eq!(typed("3").as_deref(), Some("3"));
        assert_eq!(typed("Rent"), None);
    }

    #[test]
    fn the_message_lists_some_choices_and_not_the_value() {
        let choices: Vec<String> = (0..500).map(|n| format!("choice {n}")).collect();
        let message = read("secret", Some(&choices)).unwrap_err();
        assert!(message.contains("choice 9") && !message.contains("choice 10") && !message.contains("secret"));
    }
}
