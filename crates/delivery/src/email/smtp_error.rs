//! Why a dialogue with a mail server has ended without success.

use std::error::Error as _;
use std::io;

use lettre::transport::smtp::Error;

use super::replies::TooLong;
use super::{MailOutcome, Reply};
use crate::failure::{self, Failure};
use crate::text;

const LONGEST_REPLY: usize = 300;
/// "Service closing": the reply of a server that is about to hang up (RFC 5321, 3.8).
pub(super) const CLOSING: u16 = 421;

#[derive(Debug)]
pub(super) enum SmtpError {
    Reply(Reply),
    Failure(Failure),
}

impl SmtpError {
    /// Whether the connection is of no use any more, as opposed to the mail being unwelcome.
    pub(super) fn ends_connection(&self) -> bool {
        match self {
            Self::Reply(reply) => reply.code == CLOSING,
            Self::Failure(failure) => matches!(failure, Failure::Network(_) | Failure::Timeout),
        }
    }
}

impl From<Failure> for SmtpError {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Error> for SmtpError {
    fn from(error: Error) -> Self {
        if let Some(code) = error.status() {
            let text = error.source().map(ToString::to_string).unwrap_or_default();
            return Self::Reply(reply(code.into(), &text));
        }
        if is_too_long(&error) {
            return Self::Failure(Failure::Network(TooLong.to_string()));
        }
        if error.is_response() {
            let text = "the mail server hung up or answered with something that is not SMTP; check port and security";
            return Self::Failure(Failure::Network(text.into()));
        }
        Self::Failure(failure::explain(&error))
    }
}

/// Whether a reply went beyond the bounds of this server, or of the library.
fn is_too_long(error: &Error) -> bool {
    let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let own = cause
        .and_then(io::Error::get_ref)
        .is_some_and(<dyn std::error::Error + Send + Sync>::is::<TooLong>);
    own || (error.is_response() && error.to_string().contains("too l"))
}

impl From<SmtpError> for MailOutcome {
    fn from(error: SmtpError) -> Self {
        match error {
            SmtpError::Reply(reply) => Self::Refused {
                reply,
                refused: Vec::new(),
            },
            SmtpError::Failure(failure) => Self::Failed(failure),
        }
    }
}

pub(super) fn reply(code: u16, text: &str) -> Reply {
    Reply {
        code,
        text: text::one_line(text, LONGEST_REPLY),
    }
}
