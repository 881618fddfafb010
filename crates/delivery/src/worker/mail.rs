//! One attempt by mail: only to those recipients who do not have it yet.

use std::time::Duration;

use entity::delivery::{self, DeliveryErrorCode};
use entity::delivery_config::{Channel, RetryPolicy};
use entity::{mail_recipient, smtp_settings};

use super::Tools;
use super::attempt::Tried;
use super::pace;
use super::prepared::Email;
use crate::email::{MailOutcome, Message};
use crate::payload::{Envelope, Mail};
use crate::response::judge_mail;
use crate::smtp_server;
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::queue::LeadContent;

/// For the whole exchange with a mail server.
const TIMEOUT: Duration = Duration::from_secs(30);
const NO_SERVER: &str = "the account has no mail server: set one with setSmtpSettings, then retry the delivery";

/// Who has the mail of a delivery by earlier attempts.
pub(super) async fn reached(app: &App, delivery: &delivery::Model) -> Result<Vec<String>> {
    if delivery.channel != Channel::Email || delivery.attempt_count <= 1 {
        return Ok(Vec::new());
    }
    Ok(mail_recipient::Entity::reached(app.db.read(), delivery.id).await?)
}

/// Makes the attempt, to those who are not among `reached`; none when it is not the delivery's turn, and then it waits for it.
pub(super) async fn send(
    tools: &Tools,
    (delivery, reached): (&delivery::Model, &[String]),
    lead: &LeadContent,
    email: &Email,
) -> Result<Option<Tried>> {
    let app = &tools.app;
    let settings = smtp_settings::Entity::in_account(delivery.account_id);
    let Some(settings) = settings.one(app.db.read()).await? else {
        return Ok(Some(Tried::failed(DeliveryErrorCode::SmtpNotConfigured, NO_SERVER)));
    };
    let (id, lead_id) = (delivery.id.to_string(), lead.id.to_string());
    let envelope = Envelope {
        delivery_id: &id,
        lead_id: &lead_id,
        test: delivery.test,
    };
    let (prepared, fields, of) = (email.mail.clone(), lead.fields.clone(), (id.clone(), lead_id.clone()));
    let test = delivery.test;
    let rendered = app.rendering.run(TIMEOUT, move |budget| {
        let envelope = Envelope {
            delivery_id: &of.0,
            lead_id: &of.1,
            test,
        };
        prepared.render(&fields, &envelope, budget)
    });
    let mail = match rendered.await? {
        Ok(mail) => mail,
        Err(error) => return Ok(Some(Tried::unrendered(&error))),
    };
    let server = smtp_server::of_settings(app, &settings).await?;
    if !pace::is_its_turn(app, delivery, &settings).await? {
        return Ok(None);
    }
    let message = Message {
        recipients: missing(&email.config.recipients, reached),
        sent_at: app.clock.now(),
        ..letter(mail, &envelope, &settings.from_address)
    };
    let exchange = tools.mailer.send(&server, &message, TIMEOUT).await;
    let recipients = recipients(delivery, &message.recipients, &exchange.outcome);
    let taken = matches!(exchange.outcome, MailOutcome::Accepted { .. });
    Ok(Some(Tried {
        reached: taken,
        recipients,
        smtp_code: exchange.outcome.smtp_code(),
        ..Tried::judged(judge_mail(&exchange.outcome), RetryPolicy::default())
    }))
}

/// Those who have it get it no second time. Should all have it, for want of a record of the end, all get it again.
fn missing(all: &[String], reached: &[String]) -> Vec<String> {
    let missing: Vec<String> = all
        .iter()
        .filter(|address| !reached.contains(address))
        .cloned()
        .collect();
    if missing.is_empty() { all.to_vec() } else { missing }
}

fn letter(mail: Mail, envelope: &Envelope<'_>, from: &str) -> Message {
    let domain = from.rsplit('@').next().unwrap_or("leadmesh.invalid");
    let headers = envelope.headers().into_iter();
    Message {
        recipients: Vec::new(),
        subject: mail.subject,
        text: mail.text,
        html: mail.html,
        message_id: format!("<{}@{domain}>", envelope.delivery_id),
        sent_at: chrono::DateTime::UNIX_EPOCH,
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    }
}

/// What was said of each; nothing where the server said nothing of them.
fn recipients(delivery: &delivery::Model, asked: &[String], outcome: &MailOutcome) -> Vec<mail_recipient::Model> {
    let (taken, refused) = match outcome {
        MailOutcome::Accepted { reply, refused } => (Some(reply), refused.as_slice()),
        MailOutcome::Refused { refused, .. } => (None, refused.as_slice()),
        MailOutcome::Failed(_) => (None, [].as_slice()),
    };
    let of = |(place, address): (usize, &String)| {
        let no = refused.iter().find(|one| one.address == *address).map(|one| &one.reply);
        let reply = no.or(taken)?;
        Some(mail_recipient::Model {
            delivery_id: delivery.id,
            attempt: delivery.attempt_count,
            place: i32::try_from(place).unwrap_or(i32::MAX),
            address: address.clone(),
            ok: no.is_none(),
            code: Some(i32::from(reply.code)),
            reply: Some(reply.text.clone()),
        })
    };
    asked.iter().enumerate().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_it_is_left_out() {
        let all = ["a@x.test".to_owned(), "b@x.test".to_owned()];
        assert_eq!(missing(&all, &[]), all);
        assert_eq!(missing(&all, &all[..1]), all[1..]);
        assert_eq!(missing(&all, &all), all);
    }
}
