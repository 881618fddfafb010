//! Why an attempt ended without an answer, in words for the people who run the destination.
//!
//! Library errors carry URLs and addresses in their texts; only what is put together here leaves this module, so no
//! secret in a URL can reach a log or an attempt record.

use std::{error::Error, io};

use rustls::{AlertDescription, CertificateError, Error as TlsError};

use super::guard::{Blocked, Refusal};

const REFUSED: &str = "the destination refused the connection; nothing listens on that port";
const UNREACHABLE: &str = "the destination cannot be reached from this network";
/// Within [`Refusal::Unresolved`].
const UNRESOLVED: &str = " could not be resolved: ";
const NO_TLS: &str = "the destination did not answer with TLS; check the port and the scheme";
const CERTIFICATE: &str = "the certificate of the destination";

/// How far an attempt came, by the text of its failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// There was no connection: the destination can have nothing of it.
    Nobody,
    /// Something that speaks no TLS.
    NoTls,
    /// A server with a certificate that is not acceptable.
    BadCertificate,
    /// Whatever else: it may have the lead.
    Further,
}

/// Reads it from the text, which is all that is stored of a failure.
pub fn reached(message: &str) -> Reached {
    let begins = |with: &str| message.starts_with(with);
    if begins(REFUSED) || begins(UNREACHABLE) || message.contains(UNRESOLVED) {
        Reached::Nobody
    } else if begins(NO_TLS) {
        Reached::NoTls
    } else if begins(CERTIFICATE) {
        Reached::BadCertificate
    } else {
        Reached::Further
    }
}

/// Why there was no answer. The texts contain no URL, no header value and no credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The deadline for the whole exchange passed.
    #[error("no answer within the time-out")]
    Timeout,
    /// No connection, or it broke.
    #[error("{0}")]
    Network(String),
    /// No secure connection; the text says what is wrong with the certificate or the server.
    #[error("{0}")]
    Tls(String),
    /// The destination must not be dialled.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// The request or mail cannot be put on the wire as it is; trying again changes nothing.
    #[error("{0}")]
    Unsendable(String),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Blocked(blocked) => Self::Blocked(blocked),
            Refusal::Unresolved { .. } => Self::Network(refusal.to_string()),
        }
    }
}

/// Finds the cause at the bottom of a library's error.
pub(super) fn explain(error: &(dyn Error + 'static)) -> Failure {
    let mut deepest = None;
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(failure) = known(error) {
            return failure;
        }
        deepest = Some(error);
        next = inner(error);
    }
    Failure::Network(deepest.map_or_else(
        || "the connection failed".into(),
        |e| format!("the connection failed: {e}"),
    ))
}

/// An `io::Error` that wraps another error names that error's source as its own and so hides the error itself.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn known(error: &(dyn Error + 'static)) -> Option<Failure> {
    if let Some(refusal) = error.downcast_ref::<Refusal>() {
        return Some(match refusal {
            Refusal::Blocked(blocked) => Failure::Blocked(blocked.clone()),
            Refusal::Unresolved { .. } => Failure::Network(refusal.to_string()),
        });
    }
    if let Some(tls) = error.downcast_ref::<TlsError>() {
        return Some(Failure::Tls(explain_tls(tls)));
    }
    let io = error.downcast_ref::<io::Error>()?;
    io.get_ref().is_none().then(|| explain_io(io.kind()))?
}

fn explain_io(kind: io::ErrorKind) -> Option<Failure> {
    let text = match kind {
        io::ErrorKind::TimedOut => return Some(Failure::Timeout),
        io::ErrorKind::ConnectionRefused => REFUSED,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            "the destination broke the connection"
        }
        io::ErrorKind::UnexpectedEof => "the destination closed the connection in the middle of the exchange",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => UNREACHABLE,
        _ => return None,
    };
    Some(Failure::Network(text.to_owned()))
}

fn explain_tls(error: &TlsError) -> String {
    match error {
        TlsError::InvalidCertificate(certificate) => explain_certificate(certificate),
        TlsError::InvalidMessage(_) | TlsError::InappropriateMessage { .. } => NO_TLS.to_owned(),
        TlsError::AlertReceived(AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion)
        | TlsError::PeerIncompatible(_) => {
            "the destination offers no TLS version or cipher that is still considered secure".to_owned()
        }
        other => format!("no secure connection: {other}"),
    }
}

fn explain_certificate(error: &CertificateError) -> String {
    let text = match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet",
        CertificateError::UnknownIssuer => {
            "was issued by an authority that is not trusted; it may be self-signed or lack its intermediate certificate"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "was issued for another host name"
        }
        CertificateError::Revoked => "was revoked",
        CertificateError::BadSignature | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "was not signed by the authority it names"
        }
        other => return format!("{CERTIFICATE} is not acceptable: {other}"),
    };
    format!("{CERTIFICATE} {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The way hyper and tokio-rustls hand a TLS error on.
    fn wrapped(error: CertificateError) -> io::Error {
        io::Error::other(io::Error::new(
            io::ErrorKind::InvalidData,
            TlsError::InvalidCertificate(error),
        ))
    }

    #[test]
    fn certificate_errors_are_explained_however_deep_they_are() {
        for (error, says) in [
            (CertificateError::Expired, "has expired"),
            (CertificateError::NotValidYet, "not valid yet"),
            (CertificateError::UnknownIssuer, "not trusted"),
            (CertificateError::NotValidForName, "another host name"),
            (CertificateError::Revoked, "revoked"),
        ] {
            match explain(&wrapped(error)) {
                Failure::Tls(text) => assert!(text.contains(says), "{text}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_plain_server_behind_https_is_told_from_a_bad_certificate() {
        let error = io::Error::other(TlsError::InvalidMessage(rustls::InvalidMessage::InvalidContentType));
        assert!(explain(&error).to_string().contains("did not answer with TLS"));
    }

    #[test]
    fn network_errors_have_plain_texts() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert!(matches!(explain(&refused), Failure::Network(text) if text.contains("refused")));
        assert_eq!(explain(&io::Error::from(io::ErrorKind::TimedOut)), Failure::Timeout);
        let odd = io::Error::other("something odd");
        assert_eq!(
            explain(&odd),
            Failure::Network("the connection failed: something odd".into())
        );
    }

    #[test]
    fn how_far_an_attempt_came_is_read_from_its_text() {
        let of = |error: &(dyn Error + 'static)| reached(&explain(error).to_string());
        for kind in [io::ErrorKind::ConnectionRefused, io::ErrorKind::HostUnreachable] {
            assert_eq!(of(&io::Error::from(kind)), Reached::Nobody);
        }
        let unknown = Refusal::Unresolved {
            host: "crm.example".into(),
            cause: "no such name".into(),
        };
        assert_eq!(of(&io::Error::other(unknown)), Reached::Nobody);
        let plain = TlsError::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        assert_eq!(of(&io::Error::other(plain)), Reached::NoTls);
        for error in [CertificateError::Expired, CertificateError::BadEncoding] {
            assert_eq!(of(&wrapped(error)), Reached::BadCertificate);
        }
        for kind in [
            io::ErrorKind::TimedOut,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::Other,
        ] {
            assert_eq!(of(&io::Error::from(kind)), Reached::Further);
        }
    }

    #[test]
    fn a_refusal_of_the_guard_is_found_inside_other_errors() {
        let blocked = Blocked::Address {
            address: [10, 0, 0, 1].into(),
            range: "private",
        };
        let error = io::Error::other(Refusal::Blocked(blocked.clone()));
        assert_eq!(explain(&error), Failure::Blocked(blocked));
    }
}
