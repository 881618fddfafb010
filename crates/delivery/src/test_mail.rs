//! A mail by which an account sees whether its mail server works.

use std::time::Duration;

use entity::ids::MailId;
use entity::smtp_settings;

use super::email::{MailOutcome, Mailer, Message, auto_submitted, domain, message_id};
use super::guard::Guard;
use super::smtp_server;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::mail_quota::{self, QuotaKey};
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::{email_address, mail_server};

/// For the whole exchange; below what a request may take.
const PATIENCE: Duration = Duration::from_secs(20);
const NO_SERVER: &str = "the account has no mail server: set one with setSmtpSettings first";

/// How a test mail went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestMail {
    /// Whether the server took it.
    pub ok: bool,
    /// What it said, or why it said nothing.
    pub message: String,
}

/// Sends a test mail through the settings of the caller's account and keeps with them how it went. That the server took
/// the mail does not say that it arrived. `RATE_LIMITED` after too many, of the account or to the address: the account chooses the
/// server and the recipient, who may be strangers.
pub async fn send(app: &App, caller: &Caller, to: &str) -> Result<TestMail> {
    caller.require(Action::ManageMailServer)?;
    let to = email_address::parse(to, "to")?;
    let settings = mail_server::get(app, caller).await?;
    let settings = settings.ok_or_else(|| Error::user(UserErrorCode::NotConfigured, "", NO_SERVER))?;
    let tx = app.db.begin().await?;
    mail_quota::require(&tx, app, QuotaKey::TestMailsBy(settings.account_id)).await?;
    mail_quota::require(&tx, app, QuotaKey::TestMailsTo(&to)).await?;
    tx.commit().await?;
    let server = smtp_server::of_settings(app, &settings).await?;
    let mailer = Mailer::new(
        Guard::new(app.config.settings.allow_destinations.clone()),
        app.config.ehlo_name(),
    );
    let exchange = mailer.send(&server, &message(app, &settings, to), PATIENCE).await;
    let tested = judged(&exchange.outcome);
    let outcome = if tested.ok { Ok(()) } else { Err(tested.message.clone()) };
    mail_server::verified(app, &settings, outcome).await?;
    Ok(tested)
}

fn message(app: &App, settings: &smtp_settings::Model, to: String) -> Message {
    let domain = domain(&settings.from_address);
    let (host, port) = (&settings.host, settings.port);
    Message {
        subject: "Test mail from Leadmesh".into(),
        text: format!(
            "This is a test. Somebody in your account asked Leadmesh for it.\n\n\
             It came through {host}, port {port}, so leads that are delivered by email can go the same way.\n\n\
             If it landed among spam, see that SPF and DKIM of {domain} allow this server to send for it.\n"
        ),
        html: None,
        message_id: message_id(app.clock.id::<MailId>(), &settings.from_address),
        sent_at: app.clock.now(),
        headers: vec![auto_submitted()],
        recipients: vec![to],
    }
}

fn judged(outcome: &MailOutcome) -> TestMail {
    let (ok, message) = match outcome {
        MailOutcome::Accepted { reply, .. } => (true, format!("the mail server took the mail: {reply}")),
        MailOutcome::Refused { reply, .. } => (false, format!("the mail server refused: {reply}")),
        MailOutcome::Failed(failure) => (false, failure.to_string()),
    };
    TestMail { ok, message }
}
