//! Checks of single values that several inputs have in common.

use async_graphql::MaybeUndefined;
use sea_orm::{ActiveValue, NotSet, Set};

use leadmesh_core::error::{Broken, Result, UserErrorCode};

/// What one check says.
pub(super) type Checked<T> = std::result::Result<T, Broken>;

/// The longest notes and descriptions, in characters.
pub(super) const MAX_NOTES: usize = 10_000;

/// A line of text that may be left empty: trimmed, without control characters.
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
    fn texts_are_trimmed_bounded_and_free_of_control_characters() {
        assert_eq!(
            optional_line("  Müller & Söhne ", 14, "x"),
            Ok(Some("Müller & Söhne".into()))
        );
        assert_eq!(optional_line(" \t ", 14, "x"), Ok(None));
        assert_eq!(optional_text("a\nb\t", 14, "x"), Ok(Some("a\nb".into())));
        let code = |checked: Checked<Option<String>>| checked.unwrap_err().code;
        assert_eq!(code(optional_line("a\nb", 14, "x")), UserErrorCode::Invalid);
        assert_eq!(code(optional_text("a\0b", 14, "x")), UserErrorCode::Invalid);
        assert_eq!(code(optional_text("fifteen letters", 14, "x")), UserErrorCode::TooLong);
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
