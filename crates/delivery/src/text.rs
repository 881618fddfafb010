//! Makes texts from outside fit to be stored and displayed.

/// Valid UTF-8 without NUL (which PostgreSQL refuses), at most `longest` bytes, cut between characters.
pub(super) fn excerpt(bytes: &[u8], longest: usize) -> String {
    let some = bytes.get(..longest).unwrap_or(bytes);
    let mut text = String::from_utf8_lossy(some).replace('\0', "");
    if some.len() < bytes.len() {
        let trimmed = text.trim_end_matches(char::REPLACEMENT_CHARACTER).len();
        text.truncate(trimmed);
    }
    text.truncate(text.floor_char_boundary(longest));
    text
}

/// One line without control characters, at most `longest` characters, an ellipsis where something was cut off.
pub(super) fn one_line(text: &str, longest: usize) -> String {
    let visible: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let trimmed = visible.trim();
    match trimmed.char_indices().nth(longest) {
        Some(_) => trimmed.chars().take(longest.saturating_sub(1)).chain(['…']).collect(),
        None => trimmed.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_excerpt_is_cut_between_characters_and_has_no_nul() {
        assert_eq!(excerpt("aü\0b".as_bytes(), 100), "aüb");
        assert_eq!(excerpt("aü".as_bytes(), 2), "a");
        assert_eq!(excerpt(b"a\xffb", 100), "a\u{fffd}b");
    }

    #[test]
    fn a_line_has_no_breaks_and_shows_that_it_was_cut() {
        assert_eq!(one_line(" a\r\nb\0 ", 10), "a  b");
        assert_eq!(one_line("ääää", 3), "ää…");
        assert_eq!(one_line("äää", 3), "äää");
    }

    proptest! {
        #[test]
        fn an_excerpt_never_exceeds_its_length(bytes: Vec<u8>, longest in 0_usize..40) {
            prop_assert!(excerpt(&bytes, longest).len() <= longest);
        }
    }
}
