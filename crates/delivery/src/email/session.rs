//! One connection to a mail server, and its SMTP dialogue.

use std::net::SocketAddr;

use lettre::{
    address::Address,
    transport::smtp::{
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, AsyncTokioStream},
        commands::{Data, Mail, Rcpt, Rset},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};

use entity::smtp_settings::SmtpAuth;

use super::smtp_error::{CLOSING, SmtpError, reply};
use super::{MailOutcome, RefusedRecipient, Reply, SmtpServer, compose::EncodedMail, wire};
use crate::failure::Failure;
use crate::guard::Guard;

pub(super) struct Session {
    connection: AsyncSmtpConnection,
    clean: bool,
}

impl Session {
    /// Connects to the addresses that pass the guard, secures the connection and logs in.
    pub(super) async fn open(guard: &Guard, server: &SmtpServer, hello: &ClientId) -> Result<Self, SmtpError> {
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
    ) -> Result<Self, SmtpError> {
        let connection = wire::over(stream, hello).await?;
        Self::begun(connection, server).await
    }

    async fn begun(mut connection: AsyncSmtpConnection, server: &SmtpServer) -> Result<Self, SmtpError> {
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
    pub(super) async fn begin(&mut self, mail: &EncodedMail) -> Result<(), SmtpError> {
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
    pub(super) async fn transact(&mut self, mail: &EncodedMail) -> Result<MailOutcome, SmtpError> {
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

    async fn name_recipients(&mut self, to: &[Address]) -> Result<Vec<RefusedRecipient>, SmtpError> {
        let mut refused = Vec::new();
        for address in to {
            match self
                .connection
                .command(Rcpt::new(address.clone(), Vec::new()))
                .await
                .map_err(SmtpError::from)
            {
                Ok(_) => {}
                Err(SmtpError::Reply(reply)) if reply.code != CLOSING => {
                    refused.push(RefusedRecipient {
                        address: address.to_string(),
                        reply,
                    });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(refused)
    }
}

async fn log_in(
    connection: &mut AsyncSmtpConnection,
    auth: SmtpAuth,
    credentials: &Credentials,
) -> Result<(), SmtpError> {
    let (mechanisms, names): (&[Mechanism], _) = match auth {
        SmtpAuth::Password => (&[Mechanism::Plain, Mechanism::Login], "PLAIN or LOGIN"),
        SmtpAuth::Xoauth2 => (&[Mechanism::Xoauth2], "XOAUTH2"),
    };
    if connection.server_info().get_auth_mechanism(mechanisms).is_none() {
        let text =
            format!("the mail server offers no login by {names} on this connection; check port, security and auth");
        return Err(Failure::Unsendable(text).into());
    }
    match connection.auth(mechanisms, credentials).await.map_err(SmtpError::from) {
        Ok(_) => Ok(()),
        Err(SmtpError::Reply(reply)) => Err(SmtpError::Reply(Reply {
            text: format!("{} (at login)", reply.text),
            ..reply
        })),
        Err(error) => Err(error),
    }
}
