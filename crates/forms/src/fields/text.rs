//! The text of a raw value, cleaned.

use serde_json::Value;

/// The longest text value, in characters after cleaning.
pub const MAX_TEXT_CHARS: usize = 10_000;

/// No UTF-8 character is longer than four bytes, so text of more bytes than this is over the limit whatever it holds.
/// Control characters and outer space, which do not count, get some room.
const MAX_RAW_BYTES: usize = 4 * MAX_TEXT_CHARS + 4096;

/// From here on, neighbouring whole numbers share a floating-point value.
const MAX_WHOLE_FLOAT: f64 = 9_007_199_254_740_992.0;

/// The text of a single raw value, `None` if it is empty.
///
/// Numbers and booleans are written as JSON writes them, whole numbers without a fraction. Text is trimmed; line ends
/// become line feeds, and control characters other than line feed and tab are dropped, since they come from copying
/// and mean nothing. NUL is refused: PostgreSQL cannot store it, and it comes from binary data.
pub(super) fn of(raw: &Value) -> Result<Option<String>, String> {
    let text = match raw {
        Value::Null => return Ok(None),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < MAX_WHOLE_FLOAT => {
                format!("{:.0}", if float == 0.0 { 0.0 } else { float })
            }
            _ => number.to_string(),
        },
        Value::String(text) => clean(text)?,
        Value::Array(_) => return Err("This is a list. Send a single value.".to_owned()),
        Value::Object(_) => return Err("This is an object. Send a single value.".to_owned()),
    };
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn clean(raw: &str) -> Result<String, String> {
    if raw.len() > MAX_RAW_BYTES {
        return Err(too_long());
    }
    refuse_nul(raw)?;
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' | '\n' => out.push('\n'),
            '\t' => out.push('\t'),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    let trimmed = trim(&out);
    if trimmed.chars().count() > MAX_TEXT_CHARS {
        return Err(too_long());
    }
    Ok(trimmed.to_owned())
}

/// Refuses U+0000.
pub(super) fn refuse_nul(text: &str) -> Result<(), String> {
    if text.contains('\0') {
        return Err("This contains the character NUL (U+0000). Send text without it.".to_owned());
    }
    Ok(())
}

/// White space, and the byte order mark and zero-width space that copying leaves at the ends.
fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'))
}

fn too_long() -> String {
    "This is too long. Send at most 10,000 characters.".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scalars_become_trimmed_text() {
        let cases = [
            (json!(" Ann\u{a0}"), "Ann"),
            (json!("a\r\nb\rc\td\u{7}\u{85}"), "a\nb\nc\td"),
            (json!("\u{feff}שלום 🙂"), "שלום 🙂"),
            (json!(12), "12"),
            (json!(12.0), "12"),
            (json!(-0.0), "0"),
            (json!(0.5), "0.5"),
            (json!(true), "true"),
        ];
        for (raw, expected) in cases {
            assert_eq!(of(&raw).unwrap().as_deref(), Some(expected), "{raw}");
        }
    }

    #[test]
    fn nothing_but_space_is_empty() {
        for raw in [json!(null), json!(""), json!(" \n\t"), json!("\u{1}\u{200b}")] {
            assert_eq!(of(&raw), Ok(None), "{raw}");
        }
    }

    #[test]
    fn nul_lists_objects_and_long_texts_are_refused() {
        for raw in [
            json!("a\0b"),
            json!(["a"]),
            json!({"a": 1}),
            json!("a".repeat(1_000_000)),
            json!("🙂".repeat(10_001)),
        ] {
            assert!(of(&raw).is_err());
        }
        assert!(of(&json!("🙂".repeat(MAX_TEXT_CHARS))).is_ok());
    }
}
