//! Checks of names, websites and other short texts.

use url::Url;

use crate::error::{UserError, UserErrorCode};

/// In characters.
pub const NAME: usize = 120;
const ADDRESS: usize = 2_048;

/// One line, trimmed, not empty, at most [`NAME`] characters.
pub fn name(text: &str, path: &str) -> Result<String, UserError> {
    line(text, NAME, path)
}

/// One line of text, trimmed, not empty. Control characters are refused: a database may not take them, and a line break could
/// end an email header.
pub fn line(text: &str, limit: usize, path: &str) -> Result<String, UserError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(UserError::new(UserErrorCode::Required, path, "enter a value"));
    }
    if text.chars().count() > limit {
        let message = format!("use at most {limit} characters");
        return Err(UserError::new(UserErrorCode::TooLong, path, message));
    }
    if text.chars().any(char::is_control) {
        let message = "use one line without control characters";
        return Err(UserError::new(UserErrorCode::Invalid, path, message));
    }
    Ok(text.to_owned())
}

/// Text of several lines, trimmed, not empty. Of control characters only line breaks and tabs are allowed.
pub fn paragraph(text: &str, limit: usize, path: &str) -> Result<String, UserError> {
    let text = text.trim().replace("\r\n", "\n");
    let one_line = text.replace(['\n', '\t'], " ");
    line(&one_line, limit, path).map(|_checked| text)
}

pub fn website(text: &str, path: &str) -> Result<String, UserError> {
    let text = line(text, ADDRESS, path)?;
    let is_web = Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if is_web {
        return Ok(text);
    }
    let message = "this is not the address of a website: write it as https://example.com";
    Err(UserError::new(UserErrorCode::Invalid, path, message))
}

/// An IANA name, such as `Europe/Berlin`.
pub fn timezone(text: &str, path: &str) -> Result<String, UserError> {
    match text.trim().parse::<chrono_tz::Tz>() {
        Ok(zone) => Ok(zone.name().to_owned()),
        Err(_unknown) => {
            let message = "no such time zone: use an IANA name such as Europe/Berlin or America/New_York";
            Err(UserError::new(UserErrorCode::Invalid, path, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_trimmed_and_limited_and_free_of_control_characters() {
        let code = |text: &str| line(text, 3, "input.name").err().map(|broken| broken.code);
        assert_eq!(line("  äöü ", 3, "").unwrap(), "äöü");
        assert_eq!(code(" \t"), Some(UserErrorCode::Required));
        assert_eq!(code("äöüß"), Some(UserErrorCode::TooLong));
        for text in ["a\0b", "a\nb", "a\u{85}b"] {
            assert_eq!(code(text), Some(UserErrorCode::Invalid), "{text:?}");
        }
    }

    #[test]
    fn a_paragraph_keeps_its_lines() {
        assert_eq!(paragraph(" a\r\n\tb ", 4, "").unwrap(), "a\n\tb");
        assert_eq!(paragraph("a\0b", 4, "").unwrap_err().code, UserErrorCode::Invalid);
        assert_eq!(paragraph("12345", 4, "").unwrap_err().code, UserErrorCode::TooLong);
    }

    #[test]
    fn a_website_is_an_address_that_browsers_open() {
        assert!(website("https://example.com/a?b=c", "").is_ok());
        for text in [
            "example.com",
            "javascript:alert(1)",
            "ftp://example.com",
            "https://",
            "https://a b",
        ] {
            assert!(website(text, "").is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_zone_has_its_iana_name() {
        assert_eq!(timezone("Europe/Berlin", "").unwrap(), "Europe/Berlin");
        for text in ["Berlin", "europe/berlin", "+02:00", ""] {
            assert!(timezone(text, "").is_err(), "{text}");
        }
    }
}
