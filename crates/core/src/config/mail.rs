//! The instance's own mail server, as `LEADMESH_SMTP_URL` and `LEADMESH_MAIL_FROM` name it.

use entity::smtp_settings::SmtpSecurity;
use lettre::message::Mailbox;
use url::{Host, Url};

use super::ConfigError;

/// The mail server of the instance's own emails; `Debug` hides the login.
#[derive(Clone, PartialEq, Eq)]
pub struct MailServer {
    pub host: String,
    /// 587 with STARTTLS, 465 with TLS, 25 without, unless the address names another.
    pub port: u16,
    pub security: SmtpSecurity,
    pub login: Option<(String, String)>,
    pub from_name: Option<String>,
    pub from_address: String,
}

impl std::fmt::Debug for MailServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MailServer({}:{}, {:?})", self.host, self.port, self.security)
    }
}

pub(super) fn mail_server(url: Option<&str>, from: Option<&str>) -> Result<Option<MailServer>, ConfigError> {
    let (url, from) = match (url, from) {
        (None, None) => return Ok(None),
        (Some(url), Some(from)) => (url, from),
        _ => {
            return Err(ConfigError::Set(
                "LEADMESH_SMTP_URL and LEADMESH_MAIL_FROM go together: set both or neither".into(),
            ));
        }
    };
    let from: Mailbox = from.trim().parse().map_err(|_invalid| {
        ConfigError::Set(format!(
            "LEADMESH_MAIL_FROM is {from:?} but must be an address such as leads@example.com or \"Leads <leads@example.com>\""
        ))
    })?;
    let server = server(url, from).ok_or_else(|| {
        ConfigError::Set(
            "LEADMESH_SMTP_URL must be smtp://user:password@host:587 (STARTTLS), smtps://user:password@host:465 (TLS) \
             or smtp+plain://host:25 (no TLS); write special characters of user and password as %XX"
                .into(),
        )
    })?;
    Ok(Some(server))
}

/// None for what is not such an address. The error must not repeat it, because of the password.
fn server(url: &str, from: Mailbox) -> Option<MailServer> {
    let url = Url::parse(url.trim()).ok()?;
    let (security, usual_port) = match url.scheme() {
        "smtp" => (SmtpSecurity::Starttls, 587),
        "smtps" => (SmtpSecurity::Tls, 465),
        "smtp+plain" => (SmtpSecurity::None, 25),
        _ => return None,
    };
    let rest = !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some();
    let port = url.port().unwrap_or(usual_port);
    // For unknown schemes the library does not normalize the host; parsing it again does.
    let host = match Host::parse(url.host_str()?).ok()? {
        Host::Domain(name) => name,
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    let login = match (url.username(), url.password()) {
        ("", None) => None,
        ("", Some(_)) | (_, None) => return None,
        (user, Some(password)) => Some((decoded(user)?, decoded(password)?)),
    };
    (!rest && port > 0).then(|| MailServer {
        host,
        port,
        security,
        login,
        from_name: from.name,
        from_address: from.email.to_string(),
    })
}

/// Undoes percent-encoding (RFC 3986, section 2.1).
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let value = digit(rest.next())? * 16 + digit(rest.next())?;
            u8::try_from(value).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Option<MailServer>, String> {
        mail_server(Some(url), Some("Leads <leads@example.com>")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_scheme_decides_how_the_connection_is_protected() {
        let read = |url| {
            let server = parse(url).unwrap().unwrap();
            (server.host, server.port, server.security)
        };
        let host = || "mail.example.com".to_owned();
        assert_eq!(read("smtp://mail.example.com"), (host(), 587, SmtpSecurity::Starttls));
        assert_eq!(read("smtps://Mail.Example.com/"), (host(), 465, SmtpSecurity::Tls));
        assert_eq!(
            read("smtp+plain://mail.example.com:1025"),
            (host(), 1025, SmtpSecurity::None)
        );
        assert_eq!(read("smtp+plain://[::1]"), ("::1".into(), 25, SmtpSecurity::None));
    }

    #[test]
    fn user_and_password_may_hold_any_character() {
        let server = parse("smtp://ann%40example.com:p%3A%2Fss+%C3%BC@mail.example.com").unwrap();
        let login = server.unwrap().login;
        assert_eq!(login, Some(("ann@example.com".into(), "p:/ss+ü".into())));
    }

    #[test]
    fn the_sender_may_have_a_name() {
        let server = parse("smtp://mail.example.com").unwrap().unwrap();
        assert_eq!(
            (server.from_name.as_deref(), server.from_address.as_str()),
            (Some("Leads"), "leads@example.com")
        );
        let error = mail_server(Some("smtp://mail.example.com"), Some("nobody")).unwrap_err();
        assert!(error.to_string().starts_with("LEADMESH_MAIL_FROM"), "{error}");
    }

    #[test]
    fn what_is_not_a_mail_server_is_refused_without_repeating_the_password() {
        for url in [
            "mail.example.com:587",
            "http://u:secret@mail.example.com",
            "smtp://user@mail.example.com",
            "smtp://:secret@mail.example.com",
            "smtp://u:secret@mail.example.com/path",
            "smtp://u:secret%GG@mail.example.com",
            "smtp://mail.example.com:99999",
            "smtp://",
        ] {
            let error = parse(url).unwrap_err();
            assert!(error.starts_with("LEADMESH_SMTP_URL must be smtp://"), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn one_setting_without_the_other_is_refused() {
        assert_eq!(mail_server(None, None).unwrap(), None);
        for (url, from) in [(Some("smtp://a.example"), None), (None, Some("a@a.example"))] {
            let error = mail_server(url, from).unwrap_err().to_string();
            assert!(error.contains("go together"), "{error}");
        }
    }
}
