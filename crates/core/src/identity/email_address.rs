//! Email addresses of users. Those in leads are typed more generously by the field type `EMAIL`.

use url::Host;

use crate::error::{UserError, UserErrorCode};

/// RFC 5321, section 4.5.3.1, and its erratum 1690.
const LONGEST: usize = 254;
const LONGEST_LOCAL: usize = 64;
/// Allowed besides letters and digits; RFC 5322, section 3.2.3. Quoted local parts are refused.
const ATOM: &[u8] = b"!#$%&'*+-/=?^_`{|}~.";

/// In lower case, an international domain in its ASCII form; none if it is not an address.
pub fn normalise(text: &str) -> Option<String> {
    let (local, domain) = text.trim().rsplit_once('@')?;
    let is_atom = local
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || ATOM.contains(&byte));
    let has_dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
    if local.is_empty() || local.len() > LONGEST_LOCAL || !is_atom || has_dots {
        return None;
    }
    let Ok(Host::Domain(domain)) = Host::parse(domain) else {
        return None;
    };
    let is_full = domain.contains('.') && domain.split('.').all(is_label);
    let address = format!("{}@{domain}", local.to_ascii_lowercase());
    (is_full && address.len() <= LONGEST).then_some(address)
}

fn is_label(label: &str) -> bool {
    let is_plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (1..=63).contains(&label.len()) && is_plain && !label.starts_with('-') && !label.ends_with('-')
}

pub fn parse(text: &str, path: &str) -> Result<String, UserError> {
    normalise(text).ok_or_else(|| {
        let message = "this is not an email address: write it as name@example.com";
        UserError::new(UserErrorCode::Invalid, path, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_has_one_spelling() {
        for (given, kept) in [
            (" Ann.Long@Example.COM ", "ann.long@example.com"),
            ("o'neil+leads@sub.example.co.uk", "o'neil+leads@sub.example.co.uk"),
            ("info@Bücher.example", "info@xn--bcher-kva.example"),
        ] {
            assert_eq!(normalise(given).as_deref(), Some(kept));
            assert_eq!(normalise(kept).as_deref(), Some(kept));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(65));
        let longer = format!("a@{}com", "abcdefghi.".repeat(26));
        for text in [
            "",
            "@",
            "ann",
            "ann@",
            "@example.com",
            "ann@localhost",
            "ann@example.com.",
            "ann@-example.com",
            "ann@10.0.0.1",
            "ann@[::1]",
            "a b@example.com",
            "a@b@example.com",
            ".ann@example.com",
            "ann..l@example.com",
            "ann@exa mple.com",
            "ann@example..com",
            "ann\r\nbcc:x@example.com",
            "<ann@example.com>",
            "ann@example.com\0",
            "änn@example.com",
            &long,
            &longer,
        ] {
            assert_eq!(normalise(text), None, "{text:?}");
        }
    }
}
