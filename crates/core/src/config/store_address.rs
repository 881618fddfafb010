//! Addresses of the stores, `DATABASE_URL` and `REDIS_URL`. They hold passwords, so they are never displayed whole.

use url::Url;

use super::ConfigError;

/// Refuses an address in which the end of the password is ambiguous: an unescaped `#`, `/`, `?` or `@` in a password would
/// become another part of the address, which would be shown or dialled. The error repeats nothing of the address but its
/// scheme.
pub(super) fn check(variable: &str, address: &str, schemes: &[&str]) -> Result<(), ConfigError> {
    let choices = schemes.join("… or ");
    // Without a colon it may be anything, even a password.
    let scheme = address.split_once(':').map_or("something else", |(scheme, _)| scheme);
    if !schemes.iter().any(|scheme| address.starts_with(scheme)) {
        return Err(ConfigError::Set(format!(
            "{variable} starts with {scheme:?} but must be {choices}…"
        )));
    }
    if address.starts_with("sqlite:") || is_unambiguous(address) {
        return Ok(());
    }
    Err(ConfigError::Set(format!(
        "{variable} cannot be read as an address: write {scheme}://user:password@host:port/name, and in user name and password write the characters @ : / ? # and % as %40 %3A %2F %3F %23 and %25"
    )))
}

/// Whether the address parses, and no part of a password can have fallen into another part of it.
fn is_unambiguous(address: &str) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    let after_scheme = address.split_once("://").map_or("", |(_, rest)| rest);
    let ats = after_scheme.bytes().filter(|byte| *byte == b'@').count();
    let has_user = !url.username().is_empty() || url.password().is_some();
    let password_end = after_scheme.find('@').unwrap_or(0);
    let host_start = after_scheme.find(['/', '?', '#']).unwrap_or(after_scheme.len());
    ats == usize::from(has_user) && password_end <= host_start && url.fragment().is_none()
}

/// For logs and error messages: without password and options.
pub fn display(address: &str) -> String {
    if address.starts_with("sqlite:") {
        return address.to_owned();
    }
    let (Ok(mut url), true) = (Url::parse(address), is_unambiguous(address)) else {
        return "an address that cannot be read".to_owned();
    };
    // These fail only for addresses without a host, which have no password.
    let _no_host = url.set_password(None);
    url.set_query(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSTGRES: [&str; 2] = ["postgres://", "postgresql://"];

    #[test]
    fn an_address_is_shown_without_its_password() {
        assert_eq!(
            display("postgres://ann:secret@db.example:5433/leads?password=secret"),
            "postgres://ann@db.example:5433/leads"
        );
        assert_eq!(display("redis://:secret@cache.example/1"), "redis://cache.example/1");
        assert_eq!(display("sqlite://./data/leadmesh.db"), "sqlite://./data/leadmesh.db");
    }

    #[test]
    fn good_addresses_pass() {
        for address in [
            "postgres://h/db",
            "postgres://u@h/db",
            "postgres://u:p@h:5432/db?sslmode=require",
            "postgres://u:p%40%23%2F%3F%25x@[::1]:5432/db",
            "postgresql:///db?host=/run/postgresql",
        ] {
            check("DATABASE_URL", address, &POSTGRES).unwrap();
            assert!(!display(address).contains("%23"), "{address}");
        }
    }

    #[test]
    fn a_password_with_separators_is_neither_accepted_nor_repeated() {
        for password in [
            "top#secret",
            "12#secret",
            "top@secret",
            "12@secret",
            "top/secret",
            "12/secret",
            "top?secret",
            "12?secret",
            "#secret",
            "@secret",
            "top#se@secret",
            "12/x@secret",
            "12?x=@secret",
        ] {
            for address in [
                format!("postgres://u:{password}@db.example:5432/leads"),
                format!("postgres://:{password}@db.example/leads"),
                format!("postgres://u:good@db.example/leads?password={password}"),
            ] {
                // A question mark is no separator within the options.
                let refused = check("DATABASE_URL", &address, &POSTGRES);
                if let Err(error) = refused {
                    let error = error.to_string();
                    assert!(!error.contains("secret") && !error.contains("12"), "{address}: {error}");
                    assert!(error.contains("%40"), "{error}");
                } else {
                    assert!(
                        address.contains("options") || address.contains("password="),
                        "{address}"
                    );
                }
                let display = display(&address);
                assert!(
                    !display.contains("secret") && !display.contains("12"),
                    "{address}: {display}"
                );
            }
        }
    }

    #[test]
    fn another_scheme_is_told_and_nothing_else() {
        for (address, scheme) in [("mysql://u:secret@h/db", "\"mysql\""), ("secret", "\"something else\"")] {
            let error = check("DATABASE_URL", address, &POSTGRES).unwrap_err().to_string();
            assert!(error.contains(scheme) && !error.contains("secret"), "{error}");
        }
    }
}
