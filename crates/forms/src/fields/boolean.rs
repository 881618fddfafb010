//! Yes and no.

/// Reads what forms, spreadsheets and people write for true and false. Case does not matter, nor does a full stop, comma
/// or exclamation mark at the end.
pub(super) fn read(text: &str) -> Result<bool, String> {
    let word = text.trim_end_matches(['.', '!', ',']).to_lowercase();
    match word.as_str() {
        "true" | "t" | "yes" | "y" | "1" | "on" | "checked" | "sí" | "si" | "oui" | "ja" => Ok(true),
        "false" | "f" | "no" | "n" | "0" | "off" | "unchecked" | "non" | "nein" => Ok(false),
        _ => Err("This is neither true nor false. Send true or false, yes or no, 1 or 0, on or off.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_words_are_read() {
        for text in ["true", "T", "Yes", "y", "1", "ON", "checked", "Sí", "oui", "ja", "Yes!"] {
            assert_eq!(read(text), Ok(true), "{text}");
        }
        for text in ["false", "F", "No", "n", "0", "off", "Unchecked", "non", "nein", "no."] {
            assert_eq!(read(text), Ok(false), "{text}");
        }
    }

    #[test]
    fn other_words_are_refused() {
        for text in ["maybe", "2", "-1", "yes please", "✓", "?", ".", &"y".repeat(10_000)] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
