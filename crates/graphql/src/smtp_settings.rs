//! The mail server through which an account delivers by email.

use async_graphql::{Context, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::smtp_settings::{self, SmtpAuth, SmtpSecurity};

use super::account::AccountPayload;
use super::context::app_and_caller;
use super::payload::{UserError, outcome};
use super::scalars::EmailAddress;
use leadmesh_core::error::Result;
use leadmesh_core::identity::mail_server;
use leadmesh_delivery::{smtp_server, test_mail};

/// A mail server.
pub struct SmtpSettings(pub smtp_settings::Model);

/// Mail server of an account's deliveries by email. Its password is never shown.
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

    /// Security of the connection.
    async fn security(&self) -> SmtpSecurity {
        self.0.security
    }

    /// How Leadmesh signs in.
    async fn auth(&self) -> SmtpAuth {
        self.0.auth
    }

    /// The most mails per minute, spread evenly; others wait without using up an attempt. Null means no limit.
    async fn mails_per_minute(&self) -> Option<i32> {
        self.0.mails_per_minute
    }

    /// User name; null to send without signing in.
    async fn username(&self) -> Option<&str> {
        self.0.username.as_deref()
    }

    /// Name of the sender, as mail programs show it.
    async fn from_name(&self) -> Option<&str> {
        self.0.from_name.as_deref()
    }

    /// Address of the sender.
    async fn from_address(&self) -> EmailAddress {
        EmailAddress(self.0.from_address.clone())
    }

    /// Address for replies, if not the sender's.
    async fn reply_to(&self) -> Option<EmailAddress> {
        self.0.reply_to.clone().map(EmailAddress)
    }

    /// When the server last took a test email with these settings; null if never.
    async fn verified_at(&self) -> Option<DateTime<Utc>> {
        self.0.verified_at
    }

    /// Error of the last test email; null if it succeeded.
    async fn last_error(&self) -> Option<&str> {
        self.0.last_error.as_deref()
    }
}

/// Result of a test email.
#[derive(SimpleObject)]
pub struct TestEmailPayload {
    /// Whether the mail server took the email, not whether it arrived.
    ok: bool,
    /// Reply of the mail server, or why it could not be reached, for people.
    message: String,
    /// Business rules that the request broke. Nothing was sent.
    user_errors: Vec<UserError>,
}

/// Changes of the caller's mail server.
#[derive(Default)]
pub struct SmtpSettingsMutation;

#[Object]
impl SmtpSettingsMutation {
    /// Sets the mail server for the account's deliveries by email. It is unverified until `sendTestEmail` has
    /// succeeded. Requires OWNER or ADMIN.
    async fn set_smtp_settings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The mail server.")] input: mail_server::SmtpSettings,
    ) -> Result<AccountPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let result = smtp_server::set(app, caller, input).await;
        AccountPayload::after(app, caller, result).await
    }

    /// Removes the mail server of the caller's account. Deliveries by email fail from then on. Requires OWNER or ADMIN.
    async fn clear_smtp_settings(&self, ctx: &Context<'_>) -> Result<AccountPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let result = mail_server::clear(app, caller).await;
        AccountPayload::after(app, caller, result).await
    }

    /// Sends a test email through the mail server of the caller's account, waits up to 20 seconds for the server's
    /// answer and stores it with the settings. At most 20 an hour, and 10 to one address from all accounts:
    /// `RATE_LIMITED`. Requires OWNER or ADMIN.
    async fn send_test_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Recipient of the email.")] to: EmailAddress,
    ) -> Result<TestEmailPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (tested, user_errors) = outcome(test_mail::send(app, caller, &to.0).await)?;
        Ok(TestEmailPayload {
            ok: tested.as_ref().is_some_and(|tested| tested.ok),
            message: tested.map_or_else(|| "Nothing was sent. See `userErrors`.".into(), |tested| tested.message),
            user_errors,
        })
    }
}
