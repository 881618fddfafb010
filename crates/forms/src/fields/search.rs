//! The forms in which leads are found again by exact search.

use super::{TypingContext, phone, text};
use serde_json::Value;

/// Names of the fields that make up a person's name, in order of preference.
pub const NAME_FIELDS: [&[&str]; 4] = [&["first_name", "last_name"], &["full_name"], &["name"], &["last_name"]];

/// Characters of a search key. A longer value is found by its beginning: what an index keeps has to fit into a page of it.
pub const MAX_SEARCH_KEY_CHARS: usize = 255;

/// The beginning of a value that is kept for search.
pub fn search_key(value: &str) -> String {
    value.chars().take(MAX_SEARCH_KEY_CHARS).collect()
}

/// The form of an email address for exact search: trimmed, in lower case. For a valid address it is the canonical value
/// of an EMAIL field; other text is kept, so that an invalid address is found too.
pub fn search_key_email(text: &str) -> String {
    search_key(&super::email::read(text.trim()).unwrap_or_else(|_| text.trim().to_lowercase()))
}

/// The form of a person's name for exact search: Unicode lower case, white space collapsed to single spaces. Accents
/// stay, because they distinguish names.
pub fn search_key_name(text: &str) -> String {
    search_key(&super::choice::key(text))
}

/// The form of a phone number for exact search: E.164, or `None` if it is no valid number in the context.
pub fn search_key_phone(text: &str, context: &TypingContext<'_>) -> Option<String> {
    let raw = Value::from(text);
    let cleaned = text::of(&raw).ok()??;
    phone::read(&raw, &cleaned, context.alpha2()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_spellings_have_one_key() {
        let context = TypingContext::default();
        assert_eq!(search_key_email(" Ann@Example.COM "), "ann@example.com");
        assert_eq!(search_key_email("Not An Address"), "not an address");
        assert_eq!(search_key_name("  ÉLISE\u{a0} O'Brien "), "élise o'brien");
        assert_eq!(
            search_key_phone("(415) 555-2671", &context).as_deref(),
            Some("+14155552671")
        );
        assert_eq!(search_key_phone("Ann", &context), None);
    }

    #[test]
    fn a_long_value_is_found_by_its_beginning_and_its_key_fits_an_index() {
        for character in ["x", "華", "🏡"] {
            let (long, longer) = (character.repeat(3_000), character.repeat(1_000_000));
            let key = search_key_name(&long);
            assert_eq!(key, character.repeat(MAX_SEARCH_KEY_CHARS));
            assert_eq!(search_key_name(&longer), key);
            assert_eq!(search_key_email(&long), key);
            assert!(key.len() <= 1_020, "of 2,704 bytes that an entry has at most");
        }
    }
}
