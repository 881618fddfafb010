//! The mail server through which an account delivers by email.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::smtp_settings::{self, SmtpAuth, SmtpSecurity};

use super::account::AccountPayload;
use super::context::app_and_caller;
use super::payload::{UserError, outcome};
use super::scalars::EmailAddress;
use crate::delivery::{smtp_server, test_mail};
use crate::error::Result;
use crate::identity::mail_server;

/// A mail server.
pub struct SmtpSettings(pub smtp_settings::Model);

/// The mail server through which an account delivers leads by email. Its password is never shown.
#[Object]
impl SmtpSettings {
    /// Name or IP address of the server.
    async fn host(&self) -> &str {
        &self.0.host
    }

    /// TCP port of the server.
    async fn port(&self) -> i32 {
        self.0.port
    }

    /// How the connection is protected.
    async fn security(&self) -> SmtpSecurity {
        self.0.security
    }

    /// How Leadmesh signs in there.
    async fn auth(&self) -> SmtpAuth {
        self.0.auth
    }

    /// The most mails that go through it in a minute, spread evenly; the others wait without spending an attempt. Null for no
    /// limit.
    async fn mails_per_minute(&self) -> Option<i32> {
        self.0.mails_per_minute
    }

    /// The name with which Leadmesh signs in there; null to send without signing in.
    async fn username(&self) -> Option<&str> {
        self.0.username.as_deref()
    }

    /// The sender's name as mail programs show it.
    async fn from_name(&self) -> Option<&str> {
        self.0.from_name.as_deref()
    }

    /// The sender's address.
    async fn from_address(&self) -> EmailAddress {
        EmailAddress(self.0.from_address.clone())
    }

    /// Where answers go, if not to the sender.
    async fn reply_to(&self) -> Option<EmailAddress> {
        self.0.reply_to.clone().map(EmailAddress)
    }

    /// When the server last took a test mail with these settings; null if it never did.
    async fn verified_at(&self) -> Option<DateTime<Utc>> {
        self.0.verified_at
    }

    /// Why the last test mail failed; null if it did not.
    async fn last_error(&self) -> Option<&str> {
        self.0.last_error.as_deref()
    }
}

/// A mail server for the caller's account, replacing the one before.
#[derive(InputObject)]
pub struct SmtpSettingsInput {
    /// Name or IP address of the server, such as `smtp.example.com`. `DESTINATION_BLOCKED` where it is an address in a private or
    /// other special network, which the operator has not allowed.
    host: String,
    /// TCP port of the server, 1 to 65535; by custom 587 with STARTTLS, 465 with TLS.
    port: i32,
    /// How the connection is protected. There is no fallback from one to another.
    security: SmtpSecurity,
    /// How to sign in; left out, by password.
    #[graphql(default_with = "SmtpAuth::Password")]
    auth: SmtpAuth,
    /// The most mails a minute, 1 to 10,000, as the provider of the server allows. Mails are spread evenly, and those that wait
    /// spend no attempt. Left out, there is no limit.
    mails_per_minute: Option<i32>,
    /// The name to sign in with, at most 500 characters; left out, mails are sent without signing in.
    username: Option<String>,
    /// The password to sign in with, at most 500 characters, or the access token, at most 4,000; kept encrypted. Left out, the one
    /// before stays, as long as host, port, security, kind of sign-in and user name stay too.
    #[graphql(secret)]
    password: Option<String>,
    /// The sender's name as mail programs show it, at most 120 characters.
    from_name: Option<String>,
    /// The sender's address.
    from_address: EmailAddress,
    /// Where answers go, if not to the sender.
    reply_to: Option<EmailAddress>,
}

impl From<SmtpSettingsInput> for mail_server::SmtpSettings {
    fn from(input: SmtpSettingsInput) -> Self {
        Self {
            host: input.host,
            port: input.port,
            security: input.security,
            auth: input.auth,
            mails_per_minute: input.mails_per_minute,
            username: input.username,
            password: input.password,
            from_name: input.from_name,
            from_address: input.from_address.0,
            reply_to: input.reply_to.map(|email| email.0),
        }
    }
}

/// How a test mail went.
#[derive(SimpleObject)]
pub struct TestEmailPayload {
    /// Whether the mail server took the mail; whether it arrives is for the recipient's side to say.
    ok: bool,
    /// What the mail server said, or why it could not be asked; for people.
    message: String,
    /// Rules that the request broke: then nothing was sent.
    user_errors: Vec<UserError>,
}

/// Changes of the caller's mail server.
#[derive(Default)]
pub struct SmtpSettingsMutation;

#[Object]
impl SmtpSettingsMutation {
    /// Sets the mail server through which the caller's account delivers leads by email. It counts as not verified until
    /// sendTestEmail has gone through. Takes an OWNER or ADMIN.
    async fn set_smtp_settings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The mail server.")] input: SmtpSettingsInput,
    ) -> Result<AccountPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let result = smtp_server::set(app, caller, input.into()).await;
        AccountPayload::after(app, caller, result).await
    }

    /// Takes the mail server of the caller's account away: deliveries by email fail from now on. Takes an OWNER or ADMIN.
    async fn clear_smtp_settings(&self, ctx: &Context<'_>) -> Result<AccountPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let result = mail_server::clear(app, caller).await;
        AccountPayload::after(app, caller, result).await
    }

    /// Sends a test mail through the mail server of the caller's account, waits up to 20 seconds for the server's answer, and
    /// keeps it with the settings. At most 20 an hour, and 10 to one address by all accounts: `RATE_LIMITED`. Takes an OWNER or ADMIN.
    async fn send_test_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who gets the mail.")] to: EmailAddress,
    ) -> Result<TestEmailPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (tested, user_errors) = outcome(test_mail::send(app, caller, &to.0).await)?;
        Ok(TestEmailPayload {
            ok: tested.as_ref().is_some_and(|tested| tested.ok),
            message: tested.map_or_else(|| "nothing was sent: see userErrors".into(), |tested| tested.message),
            user_errors,
        })
    }
}
