//! Email addresses.

use url::Host;

/// The longest address, in bytes (RFC 5321 section 4.5.3.1.3 less the angle brackets).
pub const MAX_EMAIL_BYTES: usize = 254;
/// The longest part before the `@`, in bytes (RFC 5321 section 4.5.3.1.1).
const MAX_LOCAL_BYTES: usize = 64;

/// Reads one address into lower case.
///
/// Accepted is what mail servers really take: a dot-atom of ASCII before the `@`, a domain name of at least two labels
/// behind it. Deliberately absent are display names, comments, quoted local parts, address literals and local parts
/// outside ASCII. A `mailto:` and angle brackets around the whole, and a full stop after it, are dropped.
/// An international domain takes its ASCII form (`xn--…`), the one spelling in which it can be compared and mailed to.
pub(super) fn read(text: &str) -> Result<String, String> {
    let bare = strip(text);
    let (local, domain) = bare.rsplit_once('@').ok_or_else(expected)?;
    if !is_local(local) {
        return Err(expected());
    }
    let domain = ascii_domain(domain).ok_or_else(|| {
        "The part after the @ is not a domain name. Send an address such as ann@example.com.".to_owned()
    })?;
    let address = format!("{}@{domain}", local.to_ascii_lowercase());
    if local.len() > MAX_LOCAL_BYTES || address.len() > MAX_EMAIL_BYTES {
        return Err("This address is too long. Send at most 64 characters before the @ and 254 in all.".to_owned());
    }
    Ok(address)
}

fn strip(text: &str) -> &str {
    let text = text
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'))
        .unwrap_or(text);
    let scheme = text.get(..7).filter(|head| head.eq_ignore_ascii_case("mailto:"));
    let address = scheme.and_then(|_| text.get(7..)).unwrap_or(text);
    address.strip_suffix('.').unwrap_or(address)
}

fn is_local(local: &str) -> bool {
    let is_atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    local
        .split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(is_atom))
}

fn ascii_domain(domain: &str) -> Option<String> {
    if domain.len() > MAX_EMAIL_BYTES {
        return None;
    }
    let lower = domain.to_ascii_lowercase();
    let ascii = if lower.is_ascii() && !lower.contains("xn--") {
        lower
    } else {
        match Host::parse(&lower).ok()? {
            Host::Domain(name) => name,
            _ => return None,
        }
    };
    is_domain(&ascii).then_some(ascii)
}

/// Letters, digits and hyphens in labels of 1 to 63 bytes; the last is no number (RFC 1123 section 2.1).
fn is_domain(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit_once('.').map(|(_, last)| last);
    name.split('.').all(is_label)
        && last.is_some_and(|last| last.len() >= 2 && last.starts_with(|c: char| c.is_ascii_alphabetic()))
}

fn expected() -> String {
    "This is not an email address. Send one address such as ann@example.com, without a name.".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_lower_case() {
        let long = format!("{}@example.com", "a".repeat(64));
        let cases = [
            ("Ann@Example.COM", "ann@example.com"),
            ("o'brien+tag@mail.example.co.uk", "o'brien+tag@mail.example.co.uk"),
            ("<ann@example.com>", "ann@example.com"),
            ("MAILTO:ann@example.com", "ann@example.com"),
            ("ann@example.com.", "ann@example.com"),
            ("ann@BÜCHER.example", "ann@xn--bcher-kva.example"),
            ("ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
            ("a@1.travel", "a@1.travel"),
            (&long, &long),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_addresses() {
        let local = format!("{}@example.com", "a".repeat(65));
        let label = format!("a@{}.com", "a".repeat(64));
        let whole = format!("a@{}com", "abcdefg.".repeat(32));
        let cases = [
            "ann",
            "ann@",
            "@example.com",
            "ann@example",
            "ann@@example.com",
            "a b@example.com",
            "ann@exa mple.com",
            "Ann <ann@example.com>",
            "a@b.com, c@d.com",
            ".ann@example.com",
            "a..b@example.com",
            "ann@-example.com",
            "ann@example-.com",
            "ann@example..com",
            "ann@1.2.3.4",
            "ann@[1.2.3.4]",
            "\"a b\"@example.com",
            "ann@example.c",
            "ann@example.123",
            "jürgen@example.com",
            "🙂@example.com",
            "ann@xn--a.com",
            "ann\n@example.com",
            &local,
            &label,
            &whole,
        ];
        for text in cases {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
