//! One attempt of one delivery: rendered, sent with no transaction open, judged.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus};
use entity::delivery_attempt;
use entity::delivery_config::RetryPolicy;
use entity::delivery_outcome::Outcome;
use entity::smtp_settings;
use sea_orm::Set;

use super::Tools;
use super::finish::Finished;
use super::prepared::{Email, Prepared, Webhook};
use super::redact::Secrets;
use crate::delivery::breaker::Bearing;
use crate::delivery::email::{MailExchange, Message};
use crate::delivery::payload::Envelope;
use crate::delivery::response::{Cause, Verdict, judge, judge_mail};
use crate::delivery::retry::{self, Next};
use crate::delivery::smtp_server;
use crate::delivery::webhook::{Answer, Request};
use crate::error::Result;
use crate::queue::{Claimed, LeadContent};

/// For the whole exchange with a mail server.
const MAIL_TIMEOUT: Duration = Duration::from_secs(30);
/// Characters kept of a stranger's text.
const MESSAGE_CHARS: usize = 500;

/// What is known after an attempt, before it is decided what follows.
struct Tried {
    verdict: Verdict,
    policy: RetryPolicy,
    http_status: Option<u16>,
    smtp_code: Option<u16>,
    excerpt: Option<String>,
    /// Instead of the cause that the verdict names.
    code: Option<DeliveryErrorCode>,
    /// Whether the endpoint was asked at all.
    asked: bool,
}

impl Tried {
    fn failed(code: DeliveryErrorCode, message: impl Into<String>) -> Self {
        let verdict = Verdict::Fail {
            cause: Cause::HttpStatus,
            message: message.into(),
        };
        Self {
            verdict,
            policy: RetryPolicy::default(),
            http_status: None,
            smtp_code: None,
            excerpt: None,
            code: Some(code),
            asked: false,
        }
    }

    /// Without what must not be kept of it.
    fn without(self, secrets: &Secrets) -> Self {
        let clean = |text: String| secrets.redact(text);
        let verdict = match self.verdict {
            Verdict::Delivered { external_id, note } => Verdict::Delivered {
                external_id: external_id.map(clean),
                note: note.map(clean),
            },
            Verdict::Refused { reason, external_id } => Verdict::Refused {
                reason: clean(reason),
                external_id: external_id.map(clean),
            },
            Verdict::Retry {
                cause,
                message,
                retry_after,
            } => Verdict::Retry {
                cause,
                message: clean(message),
                retry_after,
            },
            Verdict::Fail { cause, message } => Verdict::Fail {
                cause,
                message: clean(message),
            },
            Verdict::Gone { message } => Verdict::Gone {
                message: clean(message),
            },
        };
        Self {
            verdict,
            excerpt: self.excerpt.map(clean),
            ..self
        }
    }

    /// Our own fault, such as a database that is away: tried again like a network error.
    fn hampered(error: &crate::error::Error) -> Self {
        tracing::warn!(?error, "a delivery could not be prepared");
        let message = "the delivery could not be prepared: see the server's log".to_owned();
        let verdict = Verdict::Retry {
            cause: Cause::Network,
            message,
            retry_after: None,
        };
        Self {
            verdict,
            policy: RetryPolicy::default(),
            http_status: None,
            smtp_code: None,
            excerpt: None,
            code: None,
            asked: false,
        }
    }
}

/// Makes one attempt. Never fails as such: what went wrong is what is recorded.
pub(super) async fn attempt(tools: &Tools, claimed: Claimed) -> Finished {
    let (started_at, started) = (tools.app.clock.now(), Instant::now());
    let Claimed {
        delivery,
        lead,
        mut slot,
    } = claimed;
    let tried = match tools.prepared.get(&tools.app, &delivery, &lead).await {
        Err(error) => Tried::hampered(&error),
        Ok(prepared) => match &*prepared {
            Prepared::Webhook(webhook) => send_webhook(tools, &delivery, &lead, webhook)
                .await
                .unwrap_or_else(|error| Tried::hampered(&error)),
            Prepared::Email(email) => send_email(tools, &delivery, &lead, email)
                .await
                .unwrap_or_else(|error| Tried::hampered(&error)),
            Prepared::Unusable(error) => Tried::failed(DeliveryErrorCode::Template, error.to_string()),
            Prepared::Nothing => {
                Tried::failed(DeliveryErrorCode::BuyerNotReady, "the channel takes no deliveries here")
            }
        },
    };
    slot.leave_destination();
    let tried = tried.without(&Secrets::of_lead(&lead));
    let outcome = outcome(&delivery, &tried, tools.app.clock.now());
    let attempt = attempt_row(&delivery, &tried, started_at, started.elapsed());
    Finished {
        outcome,
        attempt: Some(attempt),
        bearing: bearing(&tried),
        delivery,
        lead,
        slot: Some(slot),
    }
}

/// An attempt that could not be made, for reasons of our own.
pub(super) fn hampered(tools: &Tools, claimed: Claimed, error: &crate::error::Error) -> Finished {
    let now = tools.app.clock.now();
    let tried = Tried::hampered(error);
    let Claimed { delivery, lead, slot } = claimed;
    Finished {
        outcome: outcome(&delivery, &tried, now),
        attempt: Some(attempt_row(&delivery, &tried, now, Duration::ZERO)),
        bearing: Bearing::Silent,
        delivery,
        lead,
        slot: Some(slot),
    }
}

async fn send_webhook(
    tools: &Tools,
    delivery: &delivery::Model,
    lead: &LeadContent,
    webhook: &Webhook,
) -> Result<Tried> {
    let body = match webhook.payload.render(&lead.fields) {
        Ok(body) => body,
        Err(error) => return Ok(Tried::failed(DeliveryErrorCode::Template, error.to_string())),
    };
    let now = tools.app.clock.now();
    let request = Request {
        method: webhook.method.clone(),
        url: webhook.url.clone(),
        headers: webhook.headers.clone(),
        content_type: body.content_type,
        body: body.bytes.into(),
        id: delivery.id.to_string(),
        lead: lead.id.to_string(),
        sent_at: now,
        secrets: match delivery.partner_id {
            Some(partner) if webhook.config.sign => tools.prepared.secrets(&tools.app, partner).await?,
            _ => Vec::new(),
        },
        test: delivery.test,
        timeout: Duration::from_millis(u64::from(webhook.config.timeout_ms)),
    };
    let exchange = tools.sender.send(&request).await;
    let answer = exchange.result.as_ref().ok();
    let headers = Secrets::new(webhook.headers.iter().map(|(_, value)| value.clone()));
    let tried = Tried {
        verdict: judge(
            &exchange.result,
            webhook.config.response_rule.as_ref(),
            &webhook.config.retry.give_up_on,
            now,
        ),
        policy: webhook.config.retry.clone(),
        http_status: answer.map(|answer| answer.status),
        smtp_code: None,
        excerpt: answer.map(Answer::excerpt).filter(|text| !text.is_empty()),
        code: None,
        asked: true,
    };
    Ok(tried.without(&headers))
}

async fn send_email(tools: &Tools, delivery: &delivery::Model, lead: &LeadContent, email: &Email) -> Result<Tried> {
    let app = &tools.app;
    let Some(settings) = smtp_settings::Entity::in_account(delivery.account_id)
        .one(app.db.read())
        .await?
    else {
        let message = "the account has no mail server: set one with setSmtpSettings, then retry the delivery";
        return Ok(Tried::failed(DeliveryErrorCode::SmtpNotConfigured, message));
    };
    let (id, lead_id) = (delivery.id.to_string(), lead.id.to_string());
    let envelope = Envelope {
        delivery_id: &id,
        lead_id: &lead_id,
        test: delivery.test,
    };
    let mail = match email.mail.render(&lead.fields, &envelope) {
        Ok(mail) => mail,
        Err(error) => return Ok(Tried::failed(DeliveryErrorCode::Template, error.to_string())),
    };
    let domain = settings.from_address.rsplit('@').next().unwrap_or("leadmesh.invalid");
    let message = Message {
        recipients: email.config.recipients.clone(),
        subject: mail.subject,
        text: mail.text,
        html: mail.html,
        message_id: format!("<{id}@{domain}>"),
        sent_at: app.clock.now(),
        headers: envelope
            .headers()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    };
    let server = smtp_server::of_settings(app, &settings).await?;
    let exchange: MailExchange = tools.mailer.send(&server, &message, MAIL_TIMEOUT).await;
    Ok(Tried {
        verdict: judge_mail(&exchange.outcome),
        policy: RetryPolicy::default(),
        http_status: None,
        smtp_code: exchange.outcome.smtp_code(),
        excerpt: None,
        code: None,
        asked: true,
    })
}

fn outcome(delivery: &delivery::Model, tried: &Tried, now: DateTime<Utc>) -> Outcome {
    let age = (now - delivery.budget_since).to_std().unwrap_or_default();
    let attempt = u32::try_from(delivery.attempt_count - delivery.attempts_before).unwrap_or(u32::MAX);
    let next = retry::next(&tried.policy, attempt, age, &tried.verdict, rand::random());
    let due_at = match next {
        Next::After(delay) => Some(now + whole_micros(delay)),
        _ => None,
    };
    let status = match next {
        Next::Delivered => DeliveryStatus::Delivered,
        Next::Refused => DeliveryStatus::Refused,
        Next::After(_) => DeliveryStatus::Retrying,
        Next::Failed | Next::Gone | Next::Exhausted | Next::Expired => DeliveryStatus::Failed,
    };
    let failure = error_of(tried).map(|(code, message)| match next {
        Next::Exhausted => (
            DeliveryErrorCode::RetriesExhausted,
            format!("all {attempt} attempts failed; the last: {message}"),
        ),
        Next::Expired => (
            DeliveryErrorCode::Expired,
            format!("too old to be tried again; the last attempt: {message}"),
        ),
        _ => (code, message),
    });
    let external_id = match &tried.verdict {
        Verdict::Delivered { external_id, .. } | Verdict::Refused { external_id, .. } => external_id.clone(),
        _ => None,
    };
    Outcome {
        id: delivery.id,
        owner: delivery.lease_owner.unwrap_or_default(),
        attempt: delivery.attempt_count,
        status,
        due_at,
        settled_at: status.is_settled().then_some(now),
        failure,
        external_id,
    }
}

/// What the attempt says about the endpoint.
fn bearing(tried: &Tried) -> Bearing {
    if !tried.asked {
        return Bearing::Silent;
    }
    match (&tried.verdict, tried.http_status) {
        (Verdict::Gone { .. }, _) => Bearing::Gone,
        (Verdict::Delivered { .. } | Verdict::Refused { .. }, _) => Bearing::Works,
        (verdict, Some(status)) => bearing_of_status(verdict, status),
        (Verdict::Retry { cause, .. }, None) => match cause {
            Cause::Timeout | Cause::Network | Cause::Tls => Bearing::Fails { retry_after: None },
            // 421 is said of the whole server, other replies of one mail or mailbox.
            Cause::SmtpTemporary if tried.smtp_code == Some(421) => Bearing::Fails { retry_after: None },
            Cause::SmtpTemporary | Cause::SmtpRejected => Bearing::Works,
            Cause::HttpStatus | Cause::DestinationBlocked => Bearing::Silent,
        },
        (Verdict::Fail { cause, .. }, None) => match cause {
            Cause::SmtpTemporary | Cause::SmtpRejected => Bearing::Works,
            _ => Bearing::Silent,
        },
    }
}

fn bearing_of_status(verdict: &Verdict, status: u16) -> Bearing {
    let retry_after = match verdict {
        Verdict::Retry { retry_after, .. } => *retry_after,
        _ => None,
    };
    if status == 429 {
        Bearing::Busy { retry_after }
    } else if is_of_endpoint(status) {
        Bearing::Fails { retry_after }
    } else {
        Bearing::Works
    }
}

/// Whether a status that is no success would be answered to any lead: 400, 409, 413, 422 and the like are about this one. A
/// 2xx comes here with a body that does not answer the response rule, which an error page does.
fn is_of_endpoint(status: u16) -> bool {
    !(400..500).contains(&status) || matches!(status, 401 | 403 | 404 | 405 | 408)
}

/// Databases keep microseconds; rounded up, so that no attempt comes before its time.
fn whole_micros(delay: Duration) -> TimeDelta {
    TimeDelta::microseconds(i64::try_from(delay.as_nanos().div_ceil(1_000)).unwrap_or(i64::MAX))
}

fn error_of(tried: &Tried) -> Option<(DeliveryErrorCode, String)> {
    let (code, message) = match &tried.verdict {
        Verdict::Delivered { .. } => return None,
        Verdict::Refused { reason, .. } => (DeliveryErrorCode::RefusedByPartner, reason),
        Verdict::Gone { message } => (DeliveryErrorCode::HttpStatus, message),
        Verdict::Retry { cause, message, .. } | Verdict::Fail { cause, message } => (code_of(*cause), message),
    };
    let message = message
        .chars()
        .filter(|character| *character != '\0')
        .take(MESSAGE_CHARS)
        .collect();
    Some((tried.code.unwrap_or(code), message))
}

fn code_of(cause: Cause) -> DeliveryErrorCode {
    match cause {
        Cause::HttpStatus => DeliveryErrorCode::HttpStatus,
        Cause::Timeout => DeliveryErrorCode::Timeout,
        Cause::Network => DeliveryErrorCode::Network,
        Cause::Tls => DeliveryErrorCode::Tls,
        Cause::DestinationBlocked => DeliveryErrorCode::DestinationBlocked,
        Cause::SmtpTemporary => DeliveryErrorCode::SmtpTemporary,
        Cause::SmtpRejected => DeliveryErrorCode::SmtpRejected,
    }
}

fn attempt_row(
    delivery: &delivery::Model,
    tried: &Tried,
    started_at: DateTime<Utc>,
    duration: Duration,
) -> delivery_attempt::ActiveModel {
    let (code, message) = error_of(tried).unzip();
    let note = match &tried.verdict {
        Verdict::Delivered { note, .. } => note.clone(),
        _ => None,
    };
    delivery_attempt::ActiveModel {
        delivery_id: Set(delivery.id),
        number: Set(delivery.attempt_count),
        started_at: Set(started_at),
        duration_us: Set(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)),
        ok: Set(code.is_none()),
        http_status: Set(tried.http_status.map(i32::from)),
        smtp_code: Set(tried.smtp_code.map(i32::from)),
        error_code: Set(code),
        message: Set(message.or(note)),
        excerpt: Set(tried.excerpt.clone()),
    }
}
