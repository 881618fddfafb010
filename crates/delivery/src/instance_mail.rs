//! Sends the instance's own mails: invitations and links for new passwords. Unlike the mail servers of accounts, the operator's
//! may be anywhere, so the guard lets everything through.

use std::time::Duration;

use entity::mail;
use entity::smtp_settings::SmtpAuth;
use futures::future::join_all;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::email::{Mailer, Message, SmtpServer, auto_submitted, message_id};
use super::guard::Guard;
use leadmesh_core::app::App;
use leadmesh_core::config::{Config, MailServer};
use leadmesh_core::error::Result;
use leadmesh_core::identity::mail_queue::{self, MailBody};

/// For one mail, from name resolution to the last reply; well below [`mail_queue::LEASE`].
const TIMEOUT: Duration = Duration::from_secs(30);
/// Time between two searches for due mails: retries, and mails that another process wrote.
const LOOK: Duration = Duration::from_secs(1);
/// The bell rings within the transaction that writes a mail: until about then it is not to be seen yet.
const UNTIL_COMMITTED: Duration = Duration::from_millis(50);

/// Sends until stopped; mails that it has begun are sent to the end. Does nothing without a mail server.
pub async fn run(app: App, stop: CancellationToken) {
    let Some(settings) = app.config.mail.clone() else {
        return;
    };
    let (server, mailer) = (server(settings), mailer(&app.config));
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = app.mail_bell.notified() => sleep(UNTIL_COMMITTED).await,
            _ = look.tick() => {}
        }
        match send_due(&app, &server, &mailer).await {
            Ok(0) => {}
            // There may be more than one batch.
            Ok(_) => app.mail_bell.notify_one(),
            Err(error) => tracing::warn!(?error, "cannot look for mails to send; the next look will"),
        }
    }
}

/// Takes some mails that are due, sends them side by side, and answers how many there were.
async fn send_due(app: &App, server: &SmtpServer, mailer: &Mailer) -> Result<usize> {
    let claimed = mail_queue::claim_due(app).await?;
    let sending = claimed.iter().map(|(mail, body)| async move {
        let exchange = mailer.send(server, &message(app, server, mail, body), TIMEOUT).await;
        let outcome = match exchange.outcome.failure_message() {
            None => Ok(()),
            Some(trouble) => Err(trouble),
        };
        match &outcome {
            Ok(()) => tracing::info!(mail = %mail.id, "sent a mail"),
            Err(trouble) => tracing::warn!(mail = %mail.id, trouble, "could not send a mail; see LEADMESH_SMTP_URL"),
        }
        mail_queue::finish(app, mail, outcome).await
    });
    let results = join_all(sending).await;
    let count = results.len();
    results.into_iter().collect::<Result<()>>()?;
    Ok(count)
}

fn message(app: &App, server: &SmtpServer, mail: &mail::Model, body: &MailBody) -> Message {
    Message {
        recipients: vec![mail.to_address.clone()],
        subject: mail.subject.clone(),
        text: body.text.clone(),
        html: Some(body.html.clone()),
        message_id: message_id(mail.id, &server.from_address),
        sent_at: app.clock.now(),
        headers: vec![auto_submitted()],
    }
}

/// A mailer that may go anywhere, for the operator's own mail server only.
pub fn mailer(config: &Config) -> Mailer {
    let anywhere = vec![IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())];
    Mailer::new(Guard::new(anywhere), config.ehlo_name())
}

/// The operator's mail server as the mailer takes it.
pub fn server(settings: MailServer) -> SmtpServer {
    SmtpServer {
        host: settings.host,
        port: settings.port,
        security: settings.security,
        login: settings.login,
        auth: SmtpAuth::Password,
        from_name: settings.from_name,
        from_address: settings.from_address,
        reply_to: None,
    }
}
