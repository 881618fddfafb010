//! One attempt by mail: only to those recipients who do not have it yet.

use std::time::Duration;

use entity::delivery::{self, DeliveryErrorCode};
use entity::delivery_config::{Channel, RetryPolicy};
use entity::{mail_recipient, smtp_settings};

use super::attempt_result::AttemptResult;
use super::prepared::Email;
use super::smtp_rate_limit;
use super::tools::Tools;
use crate::email::{MailOutcome, Message, message_id};
use crate::payload::Envelope;
use crate::response::judge_mail;
use crate::smtp_server;
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::queue::LeadContent;

const TIMEOUT: Duration = Duration::from_secs(30);
const NO_SERVER: &str = "the account has no mail server: set one with setSmtpSettings, then retry the delivery";

/// The recipients who have the mail of a delivery by earlier attempts.
pub(super) async fn reached(app: &App, delivery: &delivery::Model) -> Result<Vec<String>> {
    if delivery.channel != Channel::Email || delivery.attempt_count <= 1 {
        return Ok(Vec::new());
    }
    Ok(mail_recipient::Entity::reached(app.db.read(), delivery.id).await?)
}

pub(super) struct MailAttempt<'a> {
    pub(super) delivery: &'a delivery::Model,
    pub(super) lead: &'a LeadContent,
    pub(super) email: &'a Email,
    /// The recipients who have it by earlier attempts.
    pub(super) reached: &'a [String],
}

impl MailAttempt<'_> {
    /// Sends the mail to the other recipients; none where the delivery was put back to wait for a send slot.
    pub(super) async fn send(&self, tools: &Tools) -> Result<Option<AttemptResult>> {
        let (app, delivery) = (&tools.app, self.delivery);
        let settings = smtp_settings::Entity::in_account(delivery.account_id);
        let Some(settings) = settings.one(app.db.read()).await? else {
            let failed = AttemptResult::failed(DeliveryErrorCode::SmtpNotConfigured, NO_SERVER);
            return Ok(Some(failed));
        };
        let envelope = Envelope::of(delivery);
        let (prepared, fields, owned) = (self.email.mail.clone(), self.lead.fields.clone(), envelope.clone());
        let rendered = app
            .rendering
            .run(TIMEOUT, move |budget| prepared.render(&fields, &owned, budget));
        let mail = match rendered.await? {
            Ok(mail) => mail,
            Err(error) => return Ok(Some(AttemptResult::unrendered(&error))),
        };
        let server = smtp_server::of_settings(app, &settings).await?;
        if !smtp_rate_limit::take_slot(app, delivery, &settings).await? {
            return Ok(None);
        }
        let headers = envelope.headers().into_iter();
        let message = Message {
            recipients: missing(&self.email.config.recipients, self.reached),
            subject: mail.subject,
            text: mail.text,
            html: mail.html,
            message_id: message_id(&envelope.delivery_id, &settings.from_address),
            sent_at: app.clock.now(),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        };
        let outcome = tools.mailer.send(&server, &message, TIMEOUT).await.outcome;
        Ok(Some(AttemptResult {
            reached: matches!(outcome, MailOutcome::Accepted { .. }),
            recipients: replies(delivery, &message.recipients, &outcome),
            smtp_code: outcome.smtp_code(),
            ..AttemptResult::judged(judge_mail(&outcome), RetryPolicy::default())
        }))
    }
}

/// Recipients who have the mail do not get it again. If all have it, because the end of an attempt was not recorded, all get it again.
fn missing(all: &[String], reached: &[String]) -> Vec<String> {
    let missing: Vec<String> = all
        .iter()
        .filter(|address| !reached.contains(address))
        .cloned()
        .collect();
    if missing.is_empty() { all.to_vec() } else { missing }
}

/// The server's reply for each recipient, as far as there was one.
fn replies(delivery: &delivery::Model, asked: &[String], outcome: &MailOutcome) -> Vec<mail_recipient::Model> {
    let (taken, refused) = match outcome {
        MailOutcome::Accepted { reply, refused } => (Some(reply), refused.as_slice()),
        MailOutcome::Refused { refused, .. } => (None, refused.as_slice()),
        MailOutcome::Failed(_) => (None, [].as_slice()),
    };
    let of = |(index, address): (usize, &String)| {
        let no = refused.iter().find(|one| one.address == *address).map(|one| &one.reply);
        let reply = no.or(taken)?;
        Some(mail_recipient::Model {
            delivery_id: delivery.id,
            attempt: delivery.attempt_count,
            place: i32::try_from(index).unwrap_or(i32::MAX),
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
