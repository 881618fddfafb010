//! Web and IP addresses.

use std::net::IpAddr;

use url::Url;

/// The longest URL, in bytes of its canonical form.
pub const MAX_URL_BYTES: usize = 2048;

/// Reads an absolute `http` or `https` URL into its canonical form (WHATWG URL Standard): scheme and host in lower
/// case, an international host in ASCII, other characters percent-encoded. Text without a scheme that begins with a
/// host name gets `https`; an `@` in it is refused, since it is then an email address.
pub(super) fn read_url(text: &str) -> Result<String, String> {
    let expected = || "This is not a web address. Send it in full, such as https://example.com/page.".to_owned();
    if text.len() > MAX_URL_BYTES {
        return Err(too_long());
    }
    if text.contains(char::is_whitespace) {
        return Err("This web address contains a space or line break. Write a space as %20.".to_owned());
    }
    let url = match text.split_once("://") {
        Some((scheme, _)) if is_http(scheme) => Url::parse(text).ok(),
        Some(_) => return Err("Only http and https addresses are accepted.".to_owned()),
        None => Url::parse(&format!("https://{text}"))
            .ok()
            .filter(|url| is_bare_host(text, url)),
    };
    let canonical = String::from(url.ok_or_else(expected)?);
    if canonical.len() > MAX_URL_BYTES {
        Err(too_long())
    } else {
        Ok(canonical)
    }
}

fn is_http(scheme: &str) -> bool {
    ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// Whether text without a scheme is likely meant as a web address: `example.com/a`, but not `n/a` or `mailto:a@b.c`.
fn is_bare_host(text: &str, url: &Url) -> bool {
    let dotted = url.domain().is_some_and(|host| host.trim_matches('.').contains('.'));
    dotted && !text.contains('@') && text.starts_with(char::is_alphanumeric)
}

fn too_long() -> String {
    "This web address is too long. Send at most 2,048 characters.".to_owned()
}

/// Reads an IPv4 or IPv6 address into its shortest form; an IPv4 address inside IPv6 (`::ffff:192.0.2.1`) becomes
/// IPv4, so that one client has one spelling. Ports and zones are refused; brackets around IPv6 are dropped.
pub(super) fn read_ip(text: &str) -> Result<String, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let address: Result<IpAddr, _> = bare.parse();
    let message = |_| "This is not an IP address. Send IPv4 such as 192.0.2.1 or IPv6 such as 2001:db8::1.".to_owned();
    Ok(address.map_err(message)?.to_canonical().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_take_their_canonical_form() {
        let cases = [
            ("https://example.com", "https://example.com/"),
            ("HTTP://Example.COM:80/A?b=C#d", "http://example.com/A?b=C#d"),
            ("example.com/a", "https://example.com/a"),
            ("www.example.com", "https://www.example.com/"),
            ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
            ("http://localhost:8080/", "http://localhost:8080/"),
            (
                "example.com/?u=https%3A%2F%2Fa.b",
                "https://example.com/?u=https%3A%2F%2Fa.b",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(read_url(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_urls() {
        let long = format!("https://example.com/{}", "é".repeat(400));
        let cases = [
            "n/a",
            "none",
            "ftp://example.com",
            "javascript:alert(1)",
            "javascript://example.com",
            "ann@example.com",
            "mailto:a@b.com",
            "https://",
            "https://exa mple.com",
            "/path",
            "//example.com",
            "https://[::1",
            "🙂",
            &long,
        ];
        for text in cases {
            assert!(read_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ip_addresses_take_their_shortest_form() {
        let cases = [
            ("192.0.2.1", "192.0.2.1"),
            ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("[::1]", "::1"),
        ];
        for (text, expected) in cases {
            assert_eq!(read_ip(text).as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "192.0.2",
            "192.0.2.256",
            "192.000.002.001",
            "192.0.2.1:80",
            "fe80::1%eth0",
            "localhost",
            "3221225985",
        ] {
            assert!(read_ip(text).is_err(), "{text}");
        }
    }
}
