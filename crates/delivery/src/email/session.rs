//! One connection to a mail server, and what is said on it.

use std::{error::Error as _, io, net::SocketAddr};

use lettre::{
    address::Address,
    transport::smtp::{
        Error,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, AsyncTokioStream},
        commands::{Data, Mail, Rcpt, Rset},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};

use entity::smtp_settings::SmtpAuth;

use super::{MailOutcome, RefusedRecipient, Reply, SmtpServer, compose::EncodedMail, replies::TooLong, wire};
use crate::failure::{self, Failure};
use crate::guard::Guard;
use crate::text;

const LONGEST_REPLY: usize = 300;
/// "Service closing": the reply of a server that is about to hang up (RFC 5321, 3.8).
const CLOSING: u16 = 421;

/// An open connection, logged in.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    clean: bool,
}

/// What ends a dialogue.
#[derive(Debug)]
pub(super) enum Trouble {
    Reply(Reply),
    Failure(Failure),
}

impl Session {
    /// Connects to the addresses that pass the guard, secures the connection and logs in.
    pub(super) async fn open(guard: &Guard, server: &SmtpServer, hello: &ClientId) -> Result<Self, Trouble> {
        let found = guard.vet(&server.host).await.map_err(Failure::from)?;
        let addresses: Vec<SocketAddr> = found.iter().map(|ip| SocketAddr::new(*ip, server.port)).collect();
        let connection = wire::open(&addresses, server, hello).await?;
        Self::begun(connection, server).await
    }

    /// The same over a connection that is there, whatever it leads to.
    pub(super) async fn over(
        stream: impl AsyncTokioStream + 'static,
        server: &SmtpServer,
        hello: &ClientId,
    ) -> Result<Self, Trouble> {
        let connection = wire::over(stream, hello).await?;
        Self::begun(connection, server).await
    }

    async fn begun(mut connection: AsyncSmtpConnection, server: &SmtpServer) -> Result<Self, Trouble> {
        if let Some((user, password)) = &server.login {
            let credentials = Credentials::new(user.clone(), password.clone());
            log_in(&mut connection, server.auth, &credentials).await?;
        }
        Ok(Self {
            connection,
            clean: true,
        })
    }

    /// Names the sender. Until this succeeds nothing of the mail has been handed over.
    pub(super) async fn begin(&mut self, mail: &EncodedMail) -> Result<(), Trouble> {
        self.clean = false;
        let mut parameters = Vec::new();
        if mail.needs_utf8_addresses() {
            if !self.connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                let text = "the mail server does not support addresses with letters outside ASCII";
                return Err(Failure::Unsendable(text.into()).into());
            }
            // RFC 6531 has every such server take eight-bit content, which the addresses in the headers need.
            parameters.extend([
                MailParameter::SmtpUtfEight,
                MailParameter::Body(MailBodyParameter::EightBitMime),
            ]);
        }
        self.connection
            .command(Mail::new(Some(mail.from.clone()), parameters))
            .await?;
        Ok(())
    }

    /// Names the recipients and hands the mail over to those who were accepted.
    pub(super) async fn transact(&mut self, mail: &EncodedMail) -> Result<MailOutcome, Trouble> {
        let refused = self.name_recipients(&mail.to).await?;
        if let Some(first) = refused.first().filter(|_| refused.len() == mail.to.len()) {
            let reply = first.reply.clone();
            self.clean = self.connection.command(Rset).await.is_ok();
            return Ok(MailOutcome::Refused { reply, refused });
        }
        self.connection.command(Data).await?;
        let response = self.connection.message(&mail.content).await?;
        self.clean = true;
        let text = response.message().collect::<Vec<_>>().join(" ");
        Ok(MailOutcome::Accepted {
            reply: reply(response.code().into(), &text),
            refused,
        })
    }

    /// Whether the connection is ready for the next mail.
    pub(super) fn is_clean(&self) -> bool {
        self.clean && !self.connection.has_broken()
    }

    async fn name_recipients(&mut self, to: &[Address]) -> Result<Vec<RefusedRecipient>, Trouble> {
        let mut refused = Vec::new();
        for address in to {
            match self
                .connection
                .command(Rcpt::new(address.clone(), Vec::new()))
                .await
                .map_err(Trouble::from)
            {
                Ok(_) => {}
                Err(Trouble::Reply(reply)) if reply.code != CLOSING => {
                    refused.push(RefusedRecipient {
                        address: address.to_string(),
                        reply,
                    });
                }
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(refused)
    }
}

impl Trouble {
    /// Whether the connection is of no use any more, as opposed to the mail being unwelcome.
    pub(super) fn ends_connection(&self) -> bool {
        match self {
            Self::Reply(reply) => reply.code == CLOSING,
            Self::Failure(failure) => matches!(failure, Failure::Network(_) | Failure::Timeout),
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Error> for Trouble {
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

impl From<Trouble> for MailOutcome {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Reply(reply) => Self::Refused {
                reply,
                refused: Vec::new(),
            },
            Trouble::Failure(failure) => Self::Failed(failure),
        }
    }
}

async fn log_in(
    connection: &mut AsyncSmtpConnection,
    auth: SmtpAuth,
    credentials: &Credentials,
) -> Result<(), Trouble> {
    let (mechanisms, names): (&[Mechanism], _) = match auth {
        SmtpAuth::Password => (&[Mechanism::Plain, Mechanism::Login], "PLAIN or LOGIN"),
        SmtpAuth::Xoauth2 => (&[Mechanism::Xoauth2], "XOAUTH2"),
    };
    if connection.server_info().get_auth_mechanism(mechanisms).is_none() {
        let text =
            format!("the mail server offers no login by {names} on this connection; check port, security and auth");
        return Err(Failure::Unsendable(text).into());
    }
    match connection.auth(mechanisms, credentials).await.map_err(Trouble::from) {
        Ok(_) => Ok(()),
        Err(Trouble::Reply(reply)) => Err(Trouble::Reply(Reply {
            text: format!("{} (at login)", reply.text),
            ..reply
        })),
        Err(trouble) => Err(trouble),
    }
}

fn reply(code: u16, text: &str) -> Reply {
    Reply {
        code,
        text: text::one_line(text, LONGEST_REPLY),
    }
}
