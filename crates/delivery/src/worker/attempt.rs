//! One attempt of one delivery: rendered, sent with no transaction open, judged.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus};
use entity::delivery_attempt;
use entity::delivery_config::RetryPolicy;
use entity::delivery_outcome::Outcome;
use entity::mail_recipient;
use sea_orm::Set;

use super::Tools;
use super::finish::Made;
use super::mail;
use super::prepared::{Prepared, Webhook};
use crate::breaker::Bearing;
use crate::payload::{Body, PayloadError};
use crate::redact::Secrets;
use crate::response::{Cause, Verdict, judge};
use crate::retry::{self, Next};
use crate::webhook::{Answer, Request};
use leadmesh_core::error::{Error, Result};
use leadmesh_core::queue::{Claimed, LeadContent};

/// What is to be signed never goes out unsigned.
const NO_SECRET: &str =
    "the partner has no signing secret, nothing was sent: make one with rotateSigningSecret, then retry the delivery";
const UNPREPARED: &str = "the delivery could not be prepared, nothing was sent: see the server's log";
const PANICKED: &str =
    "the attempt ended by a fault of the server, and the recipient may have it: see the server's log, and report it";
/// Characters kept of a stranger's text.
const MESSAGE_CHARS: usize = 500;

/// What is known after an attempt, before it is decided what follows.
pub(super) struct Tried {
    pub(super) verdict: Verdict,
    pub(super) policy: RetryPolicy,
    pub(super) http_status: Option<u16>,
    pub(super) smtp_code: Option<u16>,
    pub(super) excerpt: Option<String>,
    /// Instead of the cause that the verdict names.
    pub(super) code: Option<DeliveryErrorCode>,
    /// Whether the endpoint was asked at all.
    pub(super) asked: bool,
    /// What a mail server said of each recipient.
    pub(super) recipients: Vec<mail_recipient::Model>,
    /// Whether one of several recipients has it, by this attempt or an earlier one: then it is not failed for the others.
    pub(super) reached: bool,
    /// Whether it counts against the attempts that the settings allow: not what has waited for ourselves.
    pub(super) spends: bool,
}

impl Tried {
    /// What an exchange has come to, under that policy.
    pub(super) fn judged(verdict: Verdict, policy: RetryPolicy) -> Self {
        Self {
            verdict,
            policy,
            http_status: None,
            smtp_code: None,
            excerpt: None,
            code: None,
            asked: true,
            recipients: Vec::new(),
            reached: false,
            spends: true,
        }
    }

    /// There was no exchange, and there will be none.
    pub(super) fn failed(code: DeliveryErrorCode, message: impl Into<String>) -> Self {
        let verdict = Verdict::Fail {
            cause: Cause::HttpStatus,
            message: message.into(),
        };
        Self {
            code: Some(code),
            asked: false,
            ..Self::judged(verdict, RetryPolicy::default())
        }
    }

    /// There is nothing that could be sent, and there will be nothing.
    pub(super) fn unrendered(error: &PayloadError) -> Self {
        Self::failed(error.code(), error.to_string())
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
        let clean_reply = |recipient: mail_recipient::Model| mail_recipient::Model {
            reply: recipient.reply.map(clean),
            ..recipient
        };
        Self {
            verdict,
            excerpt: self.excerpt.map(clean),
            recipients: self.recipients.into_iter().map(clean_reply).collect(),
            ..self
        }
    }

    /// Knowing who of several recipients has it by earlier attempts, whatever has come of this one.
    fn knowing(mut self, reached: &[String]) -> Self {
        self.reached |= !reached.is_empty();
        self
    }

    /// Our own fault. A database that is away is waited for; what will be the same next time, such as settings that cannot be
    /// read, fails at once.
    fn hampered(error: &Error) -> Self {
        if error.is_temporary() {
            return Self::put_off_patiently(error);
        }
        tracing::warn!(?error, "a delivery could not be prepared");
        let message = "the partner's delivery settings or secrets cannot be read, nothing was sent: see the server's \
                       log, set them anew, then retry the delivery with settings: CURRENT";
        Self::failed(DeliveryErrorCode::Template, message)
    }

    /// Waits for ourselves: for what passes by itself without spending attempts, for anything else as often as for a destination.
    fn put_off_by(error: &Error) -> Self {
        if error.is_temporary() {
            return Self::put_off_patiently(error);
        }
        tracing::warn!(?error, "a delivery could not be made");
        Self::put_off(RetryPolicy::default(), UNPREPARED)
    }

    /// Waits for ourselves, however many attempts the settings allow.
    fn put_off_patiently(error: &Error) -> Self {
        tracing::warn!(?error, "a delivery could not be prepared");
        let patient = RetryPolicy {
            attempts: u32::MAX,
            max_delay_ms: 60_000,
            ..RetryPolicy::default()
        };
        Self {
            spends: false,
            ..Self::put_off(patient, UNPREPARED)
        }
    }

    /// Waits for ourselves.
    fn put_off(policy: RetryPolicy, why: &str) -> Self {
        let verdict = Verdict::Retry {
            cause: Cause::Network,
            message: why.to_owned(),
            retry_after: None,
        };
        Self {
            asked: false,
            ..Self::judged(verdict, policy)
        }
    }
}

/// Makes one attempt. Never fails as such: what went wrong is what is recorded. None where it was put back to wait for its turn.
pub(super) async fn attempt(tools: &Tools, claimed: &mut Claimed) -> Option<Made> {
    let (started_at, started) = (tools.app.clock.now(), Instant::now());
    let Claimed { delivery, lead, slot } = claimed;
    let tried = match mail::reached(&tools.app, delivery).await {
        Err(error) => Tried::put_off_patiently(&error),
        Ok(reached) => try_once(tools, delivery, lead, &reached).await?.knowing(&reached),
    };
    slot.leave_destination();
    let tried = tried.without(&Secrets::of_fields(&lead.definitions, &lead.fields));
    let attempt = attempt_row(delivery, &tried, started_at, started.elapsed());
    Some(Made {
        outcome: outcome(delivery, &tried, tools.app.clock.now()),
        attempt,
        bearing: bearing(&tried),
        recipients: tried.recipients,
    })
}

/// Sends it if that can be done; none where it waits for its turn. `reached` has it already.
async fn try_once(tools: &Tools, delivery: &delivery::Model, lead: &LeadContent, reached: &[String]) -> Option<Tried> {
    let tried = match tools.prepared.get(&tools.app, delivery, lead).await {
        Err(error) => Tried::hampered(&error),
        Ok(prepared) => match &*prepared {
            Prepared::Webhook(webhook) => send_webhook(tools, delivery, lead, webhook)
                .await
                .unwrap_or_else(|error| Tried::hampered(&error)),
            Prepared::Email(email) => match mail::send(tools, (delivery, reached), lead, email).await {
                Ok(tried) => tried?,
                Err(error) => Tried::hampered(&error),
            },
            Prepared::Unusable(error) => Tried::unrendered(error),
            Prepared::Nothing => {
                Tried::failed(DeliveryErrorCode::BuyerNotReady, "the channel takes no deliveries here")
            }
        },
    };
    Some(tried)
}

/// An attempt that could not be made, for reasons of our own: a database that is away, or a setup that changes too quickly, is waited
/// for and costs no attempts.
pub(super) fn hampered(tools: &Tools, delivery: &delivery::Model, error: &Error) -> Made {
    unsent(tools, delivery, &Tried::put_off_by(error))
}

/// An attempt that has panicked, whatever it had done before.
pub(super) fn panicked(tools: &Tools, delivery: &delivery::Model) -> Made {
    unsent(tools, delivery, &Tried::put_off(RetryPolicy::default(), PANICKED))
}

fn unsent(tools: &Tools, delivery: &delivery::Model, tried: &Tried) -> Made {
    let now = tools.app.clock.now();
    Made {
        outcome: outcome(delivery, tried, now),
        attempt: attempt_row(delivery, tried, now, Duration::ZERO),
        recipients: Vec::new(),
        bearing: Bearing::Silent,
    }
}

async fn send_webhook(
    tools: &Tools,
    delivery: &delivery::Model,
    lead: &LeadContent,
    webhook: &Webhook,
) -> Result<Tried> {
    let timeout = Duration::from_millis(u64::from(webhook.config.timeout_ms));
    let body = match body(tools, webhook, lead, timeout).await? {
        Ok(body) => body,
        Err(error) => return Ok(Tried::unrendered(&error)),
    };
    let secrets = match delivery.partner_id {
        Some(partner) if webhook.config.sign => tools.prepared.secrets(&tools.app, partner).await?,
        _ => Vec::new(),
    };
    if webhook.config.sign && secrets.is_empty() {
        return Ok(Tried::failed(DeliveryErrorCode::Template, NO_SECRET));
    }
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
        secrets,
        test: delivery.test,
        timeout,
    };
    let exchange = tools.sender.send(&request).await;
    let answer = exchange.result.as_ref().ok();
    let headers = Secrets::new(webhook.headers.iter().map(|(_, value)| value.clone()));
    let config = &webhook.config;
    let verdict = judge(
        &exchange.result,
        config.response_rule.as_ref(),
        &config.retry.give_up_on,
        now,
    );
    let tried = Tried {
        http_status: answer.map(|answer| answer.status),
        excerpt: answer.map(Answer::excerpt).filter(|text| !text.is_empty()),
        ..Tried::judged(verdict, config.retry.clone())
    };
    Ok(tried.without(&headers))
}

/// The body, made off the threads that serve everybody unless it takes no template.
async fn body(
    tools: &Tools,
    webhook: &Webhook,
    lead: &LeadContent,
    within: Duration,
) -> Result<std::result::Result<Body, PayloadError>> {
    let rendering = &tools.app.rendering;
    if webhook.payload.is_plain() {
        return Ok(webhook.payload.render(&lead.fields, &rendering.budget()));
    }
    let (payload, fields) = (webhook.payload.clone(), lead.fields.clone());
    rendering
        .run(within, move |budget| payload.render(&fields, budget))
        .await
}

fn outcome(delivery: &delivery::Model, tried: &Tried, now: DateTime<Utc>) -> Outcome {
    let age = (now - delivery.budget_since).to_std().unwrap_or_default();
    let attempt = u32::try_from(delivery.attempt_count.saturating_sub(delivery.attempts_before)).unwrap_or_default();
    let next = match retry::next(&tried.policy, attempt, age, &tried.verdict, rand::random()) {
        // The others are named in the attempts.
        Next::Failed | Next::Exhausted | Next::Expired if tried.reached => Next::Delivered,
        next => next,
    };
    let due_at = match next {
        Next::After(delay) => Some(now.checked_add_signed(whole_micros(delay)).unwrap_or(now)),
        _ => None,
    };
    let status = match next {
        Next::Delivered => DeliveryStatus::Delivered,
        Next::Refused => DeliveryStatus::Refused,
        Next::After(_) => DeliveryStatus::Retrying,
        Next::Failed | Next::Gone | Next::Exhausted | Next::Expired => DeliveryStatus::Failed,
    };
    let error = error_of(tried).filter(|_| next != Next::Delivered);
    let failure = error.map(|(code, message)| match next {
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
        spends: tried.spends,
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

#[cfg(test)]
mod tests;
