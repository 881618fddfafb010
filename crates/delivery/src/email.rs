//! Sends one mail through a mail server that an account or the operator has chosen.
//!
//! The server's addresses pass the same guard as webhooks, and exactly those are dialled, while TLS verifies the name
//! that was configured. The SMTP dialogue is held here command by command, because a recipient that is refused must be
//! told apart from one that is accepted, which a whole-message interface does not do.

use std::{fmt, net::Ipv4Addr, time::Duration};

use chrono::{DateTime, Utc};
use entity::smtp_settings::{SmtpAuth, SmtpSecurity};
use lettre::transport::smtp::extension::ClientId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use super::{failure::Failure, guard::Guard};
use leadmesh_core::spans;

mod compose;
mod pool;
mod replies;
mod session;
mod smtp_error;
mod trust;
mod wire;

use pool::{Key, Pool};
use replies::BoundedReplies;
use session::Session;
use smtp_error::SmtpError;

/// A mail server and the sender it is used for. `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpServer {
    pub host: String,
    /// Usually 587 for STARTTLS, 465 for TLS, 25 or 1025 without.
    pub port: u16,
    /// How the connection is secured. There is no fallback from one to another.
    pub security: SmtpSecurity,
    /// User name and password, if the server wants them.
    pub login: Option<(String, String)>,
    pub auth: SmtpAuth,
    /// What mail programs show instead of the address.
    pub from_name: Option<String>,
    pub from_address: String,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<String>,
}

/// One mail to any number of recipients, all of whom see each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Plain addresses, at least one.
    pub recipients: Vec<String>,
    /// Line breaks and control characters become spaces.
    pub subject: String,
    pub text: String,
    /// The same as HTML, offered as the better alternative.
    pub html: Option<String>,
    /// `<unique@host>`: the same on every attempt, so that receivers recognise repeats.
    pub message_id: String,
    /// The `Date` header.
    pub sent_at: DateTime<Utc>,
    /// Further headers; line breaks and control characters in values become spaces.
    pub headers: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailExchange {
    /// What the server said, or why it said nothing.
    pub outcome: MailOutcome,
    /// From the call to the last reply.
    pub duration: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailOutcome {
    /// The server took the mail for at least one recipient.
    Accepted {
        reply: Reply,
        refused: Vec<RefusedRecipient>,
    },
    /// The server took it for no recipient.
    Refused {
        /// The reply that settled it: to login, sender, first recipient or content.
        reply: Reply,
        /// The recipients, where it was they who were refused.
        refused: Vec<RefusedRecipient>,
    },
    Failed(Failure),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Three digits; 4xx asks to come back later, 5xx is final.
    pub code: u16,
    /// One line of at most 300 characters.
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRecipient {
    pub address: String,
    pub reply: Reply,
}

/// Sends mails. Cheap to clone; the clones share the guard and a bounded pool of idle connections.
#[derive(Clone, Debug)]
pub struct Mailer {
    guard: Guard,
    pool: Pool,
    ehlo: ClientId,
}

impl Mailer {
    /// A mailer that trusts the certificate authorities of the system, or Mozilla's where the system has none. It gives itself
    /// `ehlo_name` to mail servers, or, without a domain name, an address literal (RFC 5321, section 4.1.4) that tells nothing.
    pub fn new(guard: Guard, ehlo_name: Option<String>) -> Self {
        leadmesh_core::tls::install_tls();
        Self {
            guard,
            pool: Pool::default(),
            ehlo: ehlo_name.map_or(ClientId::Ipv4(Ipv4Addr::LOCALHOST), ClientId::Domain),
        }
    }

    /// Makes one attempt, `timeout` from name resolution to the last reply. Never fails as such: what went wrong is
    /// part of the exchange. After a time-out the server may have taken the mail all the same.
    pub async fn send(&self, server: &SmtpServer, message: &Message, timeout: Duration) -> MailExchange {
        let started = Instant::now();
        let span = spans::mail(&message.message_id, message.recipients.len());
        let attempt = timeout_at(started + timeout, self.attempt(server, message));
        let outcome = match attempt.instrument(span.clone()).await {
            Err(_) => MailOutcome::Failed(Failure::Timeout),
            Ok(Ok(outcome)) => outcome,
            Ok(Err(trouble)) => trouble.into(),
        };
        spans::mailed(
            &span,
            outcome.smtp_code(),
            matches!(outcome, MailOutcome::Accepted { .. }),
        );
        MailExchange {
            outcome,
            duration: started.elapsed(),
        }
    }

    /// Connects and logs in, and sends nothing. What the server says against it comes back in words.
    pub async fn probe(&self, server: &SmtpServer, timeout: Duration) -> Result<(), String> {
        match timeout_at(Instant::now() + timeout, Session::open(&self.guard, server, &self.ehlo)).await {
            Err(_) => Err(Failure::Timeout.to_string()),
            Ok(Err(trouble)) => Err(MailOutcome::from(trouble).failure_message().unwrap_or_default()),
            Ok(Ok(_session)) => Ok(()),
        }
    }

    /// Sends over an existing connection without TLS, for tests that play the mail server.
    pub async fn send_over<S>(&self, stream: S, server: &SmtpServer, message: &Message) -> MailOutcome
    where
        S: AsyncRead + AsyncWrite + Send + Sync + Unpin + fmt::Debug + 'static,
    {
        let dialogue = async {
            let mail = compose::encode(server, message)?;
            let mut session = Session::over(BoundedReplies::new(stream), server, &self.ehlo).await?;
            session.begin(&mail).await?;
            session.transact(&mail).await
        };
        dialogue.await.unwrap_or_else(SmtpError::into)
    }

    async fn attempt(&self, server: &SmtpServer, message: &Message) -> Result<MailOutcome, SmtpError> {
        let mail = compose::encode(server, message)?;
        let key = Key::of(server);
        let mut session = self.begin(server, &key, &mail).await?;
        let outcome = session.transact(&mail).await?;
        if session.is_clean() {
            self.pool.put(key, session);
        }
        Ok(outcome)
    }

    /// A session whose server has taken the sender. Servers close idle connections as they please, so a pooled one
    /// that turns out to be dead here, before anything was handed over, is passed over and costs no attempt.
    async fn begin(&self, server: &SmtpServer, key: &Key, mail: &compose::EncodedMail) -> Result<Session, SmtpError> {
        while let Some(mut session) = self.pool.take(key) {
            match session.begin(mail).await {
                Err(trouble) if trouble.ends_connection() => {}
                Err(trouble) => return Err(trouble),
                Ok(()) => return Ok(session),
            }
        }
        let mut session = Session::open(&self.guard, server, &self.ehlo).await?;
        session.begin(mail).await?;
        Ok(session)
    }
}

/// The header of mails that no person has written: it keeps automatic answers away (RFC 3834).
pub(super) fn auto_submitted() -> (String, String) {
    ("Auto-Submitted".into(), "auto-generated".into())
}

/// The message ID of what `id` names, within the sender's domain.
pub(super) fn message_id(id: impl fmt::Display, from_address: &str) -> String {
    format!("<{id}@{}>", domain(from_address))
}

pub(super) fn domain(from_address: &str) -> &str {
    from_address.rsplit('@').next().unwrap_or("leadmesh.invalid")
}

impl MailOutcome {
    /// Why no recipient got the mail.
    pub fn failure_message(&self) -> Option<String> {
        match self {
            Self::Accepted { .. } => None,
            Self::Refused { reply, .. } => Some(reply.to_string()),
            Self::Failed(failure) => Some(failure.to_string()),
        }
    }

    /// The code of the reply that settled it, if there was one.
    pub fn smtp_code(&self) -> Option<u16> {
        match self {
            Self::Accepted { reply, .. } | Self::Refused { reply, .. } => Some(reply.code),
            Self::Failed(_) => None,
        }
    }
}

impl Reply {
    /// Whether the server asks to come back later.
    pub fn is_temporary(&self) -> bool {
        (400..500).contains(&self.code)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

impl fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpServer")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("security", &self.security)
            .field("user", &self.login.as_ref().map(|(user, _)| user))
            .field("from_address", &self.from_address)
            .finish_non_exhaustive()
    }
}
