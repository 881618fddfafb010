//! Checks of single values that several inputs have in common.

use async_graphql::MaybeUndefined;
use lettre::Address;
use sea_orm::{ActiveValue, NotSet, Set};

use crate::error::{Broken, Result, UserErrorCode};

/// What one check says.
pub(super) type Checked<T> = std::result::Result<T, Broken>;

/// The longest name of anything here, in characters.
pub(super) const MAX_NAME: usize = 120;
/// The longest notes and descriptions, in characters.
pub(super) const MAX_NOTES: usize = 10_000;
/// The longest address, in bytes (RFC 5321 section 4.5.3.1.3 less the angle brackets).
const MAX_EMAIL: usize = 254;

/// A line of text: trimmed, not empty, without control characters.
pub(super) fn line(text: &str, max: usize, path: &str) -> Checked<String> {
    match optional_line(text, max, path)? {
        Some(text) => Ok(text),
        None => Err(Broken::new(UserErrorCode::Required, path, "this must not be empty")),
    }
}

/// A line of text that may be left empty.
pub(super) fn optional_line(text: &str, max: usize, path: &str) -> Checked<Option<String>> {
    bounded(text, max, path, char::is_control)
}

/// Text of several lines that may be left empty.
pub(super) fn optional_text(text: &str, max: usize, path: &str) -> Checked<Option<String>> {
    bounded(text, max, path, |c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

fn bounded(text: &str, max: usize, path: &str, forbidden: impl Fn(char) -> bool) -> Checked<Option<String>> {
    let text = text.trim();
    if text.chars().any(forbidden) {
        let message = "control characters are not allowed here: remove them";
        return Err(Broken::new(UserErrorCode::Invalid, path, message));
    }
    if text.chars().nth(max).is_some() {
        let message = format!("this is longer than {max} characters: shorten it");
        return Err(Broken::new(UserErrorCode::TooLong, path, message));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// One address without a name, in lower case.
pub(super) fn email(text: &str, path: &str) -> Checked<String> {
    let text = text.trim().to_ascii_lowercase();
    let fits = text.len() <= MAX_EMAIL && text.is_ascii();
    let address = text.parse::<Address>().ok().filter(|_| fits);
    if address.is_some_and(|address| address.domain().contains('.') && !address.domain().starts_with('[')) {
        return Ok(text);
    }
    let message = "this is not an email address: give one such as ann@example.com, without a name";
    Err(Broken::new(UserErrorCode::Invalid, path, message))
}

/// A number within bounds.
pub(super) fn number(value: i32, bounds: std::ops::RangeInclusive<i32>, path: &str) -> Checked<i32> {
    if bounds.contains(&value) {
        return Ok(value);
    }
    let message = format!("this must be from {} to {}", bounds.start(), bounds.end());
    Err(Broken::new(UserErrorCode::Invalid, path, message))
}

/// A column that an update changes when a value is given.
pub(super) fn given<T, U>(value: Option<T>, check: impl FnOnce(T) -> Result<U>) -> Result<ActiveValue<U>>
where
    U: Into<sea_orm::Value>,
{
    Ok(match value {
        Some(value) => Set(check(value)?),
        None => NotSet,
    })
}

/// A column that an update leaves alone, clears (null) or changes.
pub(super) fn cleared_or_given<T, U>(
    value: MaybeUndefined<T>,
    check: impl FnOnce(T) -> Result<Option<U>>,
) -> Result<ActiveValue<Option<U>>>
where
    Option<U>: Into<sea_orm::Value>,
{
    Ok(match value {
        MaybeUndefined::Undefined => NotSet,
        MaybeUndefined::Null => Set(None),
        MaybeUndefined::Value(value) => Set(check(value)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_trimmed_bounded_and_free_of_control_characters() {
        assert_eq!(
            line("  Müller & Söhne ", 14, "input.name").as_deref(),
            Ok("Müller & Söhne")
        );
        let cases = [
            ("", UserErrorCode::Required),
            (" \t ", UserErrorCode::Required),
            ("a\0b", UserErrorCode::Invalid),
            ("a\nb", UserErrorCode::Invalid),
            ("fifteen letters", UserErrorCode::TooLong),
        ];
        for (text, code) in cases {
            assert_eq!(line(text, 14, "input.name").unwrap_err().code, code, "{text:?}");
        }
        assert_eq!(optional_text("a\nb\t", 14, "x"), Ok(Some("a\nb".into())));
        assert!(optional_text("a\0b", 14, "x").is_err());
    }

    #[test]
    fn addresses_are_lowered_and_those_that_no_server_takes_are_refused() {
        assert_eq!(email(" Ann@Example.COM ", "x").as_deref(), Ok("ann@example.com"));
        let long = format!("{}@{}.com", "a".repeat(64), "b".repeat(190));
        for text in [
            "",
            "ann",
            "ann@localhost",
            "Ann <ann@example.com>",
            "a@b.com, c@d.com",
            "ann@example.com\r\nBcc: x@y.test",
            "ann@[127.0.0.1]",
            &long,
        ] {
            assert!(email(text, "x").is_err(), "{text}");
        }
    }

    #[test]
    fn an_update_tells_absent_from_null() {
        let keep = |text: String| Ok(Some(text));
        assert_eq!(cleared_or_given(MaybeUndefined::Undefined, keep).unwrap(), NotSet);
        assert_eq!(cleared_or_given(MaybeUndefined::Null, keep).unwrap(), Set(None));
        let given = cleared_or_given(MaybeUndefined::Value("a".to_owned()), keep).unwrap();
        assert_eq!(given, Set(Some("a".to_owned())));
    }
}
