//! What an attempt has come to, and what follows for the delivery and for its endpoint.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus};
use entity::delivery_attempt;
use entity::delivery_config::RetryPolicy;
use entity::delivery_outcome::Outcome;
use entity::mail_recipient;
use sea_orm::Set;

use super::outcome::AttemptRecord;
use crate::breaker::{Signal, whole_micros};
use crate::payload::PayloadError;
use crate::redact::Secrets;
use crate::response::Verdict;
use crate::retry::{self, Next};
use leadmesh_core::error::Error;

const UNPREPARED: &str = "the delivery could not be prepared, nothing was sent: see the server's log";
const PANICKED: &str =
    "the attempt ended by a fault of the server, and the recipient may have it: see the server's log, and report it";
/// Characters kept of a message that repeats a recipient's answer.
const MESSAGE_CHARS: usize = 500;

pub(super) struct AttemptResult {
    pub(super) verdict: Verdict,
    pub(super) policy: RetryPolicy,
    pub(super) http_status: Option<u16>,
    pub(super) smtp_code: Option<u16>,
    pub(super) excerpt: Option<String>,
    /// Instead of the code that the verdict names.
    pub(super) code: Option<DeliveryErrorCode>,
    /// Whether the endpoint was asked at all.
    pub(super) asked: bool,
    /// What a mail server replied for each recipient.
    pub(super) recipients: Vec<mail_recipient::Model>,
    /// Whether at least one of several recipients has the mail, by this attempt or an earlier one: then the delivery does not fail for
    /// the others.
    pub(super) reached: bool,
    /// Whether it counts against the attempts of the retry policy. What this server could not do does not.
    pub(super) spends: bool,
}

pub(super) struct Timing {
    pub(super) started_at: DateTime<Utc>,
    pub(super) duration: Duration,
    /// When its outcome was decided.
    pub(super) now: DateTime<Utc>,
}

impl Timing {
    /// Of an attempt that was not made.
    pub(super) fn at(now: DateTime<Utc>) -> Self {
        Self {
            started_at: now,
            duration: Duration::ZERO,
            now,
        }
    }
}

impl AttemptResult {
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

    /// There was no exchange, and no further attempt would change that.
    pub(super) fn failed(code: DeliveryErrorCode, message: impl Into<String>) -> Self {
        let verdict = Verdict::Fail {
            code,
            message: message.into(),
        };
        Self {
            code: Some(code),
            asked: false,
            ..Self::judged(verdict, RetryPolicy::default())
        }
    }

    /// The payload cannot be rendered.
    pub(super) fn unrendered(error: &PayloadError) -> Self {
        Self::failed(error.code(), error.to_string())
    }

    /// Preparing failed for a reason of this server's. An outage is waited for; what will fail the same way next time, such as settings
    /// that cannot be read, fails the delivery.
    pub(super) fn internal_failure(error: &Error) -> Self {
        if error.is_temporary() {
            return Self::deferred_by_outage(error);
        }
        tracing::warn!(?error, "a delivery could not be prepared");
        let message = "the partner's delivery settings or secrets cannot be read, nothing was sent: see the server's \
                       log, set them anew, then retry the delivery with settings: CURRENT";
        Self::failed(DeliveryErrorCode::Template, message)
    }

    /// The attempt could not be made. An outage spends no attempts; any other failure of this server's is retried by the default policy.
    pub(super) fn deferred_by(error: &Error) -> Self {
        if error.is_temporary() {
            return Self::deferred_by_outage(error);
        }
        tracing::warn!(?error, "a delivery could not be made");
        Self::deferred(RetryPolicy::default(), UNPREPARED)
    }

    /// Waits until the outage is over, without spending attempts.
    pub(super) fn deferred_by_outage(error: &Error) -> Self {
        tracing::warn!(?error, "a delivery could not be prepared");
        let unlimited = RetryPolicy {
            attempts: u32::MAX,
            max_delay_ms: 60_000,
            ..RetryPolicy::default()
        };
        Self {
            spends: false,
            ..Self::deferred(unlimited, UNPREPARED)
        }
    }

    /// The attempt has panicked; it may have sent something before.
    pub(super) fn panicked() -> Self {
        Self::deferred(RetryPolicy::default(), PANICKED)
    }

    fn deferred(policy: RetryPolicy, message: &str) -> Self {
        let verdict = Verdict::Retry {
            code: DeliveryErrorCode::Network,
            message: message.to_owned(),
            retry_after: None,
        };
        Self {
            asked: false,
            ..Self::judged(verdict, policy)
        }
    }

    /// Without secrets in any text.
    pub(super) fn redacted(self, secrets: &Secrets) -> Self {
        let clean = |text: String| secrets.redact(text);
        let clean_reply = |recipient: mail_recipient::Model| mail_recipient::Model {
            reply: recipient.reply.map(clean),
            ..recipient
        };
        Self {
            verdict: self.verdict.map_texts(clean),
            excerpt: self.excerpt.map(clean),
            recipients: self.recipients.into_iter().map(clean_reply).collect(),
            ..self
        }
    }

    /// Takes into account that earlier attempts reached these recipients.
    pub(super) fn with_reached(mut self, reached: &[String]) -> Self {
        self.reached |= !reached.is_empty();
        self
    }

    pub(super) fn into_record(self, delivery: &delivery::Model, timing: &Timing) -> AttemptRecord {
        AttemptRecord {
            outcome: self.outcome(delivery, timing.now),
            attempt: Some(self.attempt_row(delivery, timing)),
            signal: self.signal(),
            recipients: self.recipients,
        }
    }

    fn outcome(&self, delivery: &delivery::Model, now: DateTime<Utc>) -> Outcome {
        let age = (now - delivery.budget_since).to_std().unwrap_or_default();
        let attempt = u32::try_from(delivery.attempt_count.saturating_sub(delivery.attempts_before));
        let attempt = attempt.unwrap_or_default();
        let next = match retry::next(&self.policy, attempt, age, &self.verdict, rand::random()) {
            // The attempts name the recipients who do not have it.
            Next::Failed | Next::Exhausted | Next::Expired if self.reached => Next::Delivered,
            next => next,
        };
        let status = match next {
            Next::Delivered => DeliveryStatus::Delivered,
            Next::Refused => DeliveryStatus::Refused,
            Next::After(_) => DeliveryStatus::Retrying,
            Next::Failed | Next::Gone | Next::Exhausted | Next::Expired => DeliveryStatus::Failed,
        };
        let failure = self.error().filter(|_| next != Next::Delivered);
        let failure = failure.map(|(code, message)| match next {
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
        let external_id = match &self.verdict {
            Verdict::Delivered { external_id, .. } | Verdict::Refused { external_id, .. } => external_id.clone(),
            _ => None,
        };
        Outcome {
            spends: self.spends,
            due_at: match next {
                Next::After(delay) => Some(now.checked_add_signed(whole_micros(delay)).unwrap_or(now)),
                _ => None,
            },
            settled_at: status.is_settled().then_some(now),
            failure,
            external_id,
            ..Outcome::ended(delivery, status, now)
        }
    }

    fn signal(&self) -> Signal {
        use DeliveryErrorCode::{Network, SmtpRejected, SmtpTemporary, Timeout, Tls};
        if !self.asked {
            return Signal::Silent;
        }
        match (&self.verdict, self.http_status) {
            (Verdict::Gone { .. }, _) => Signal::Gone,
            (Verdict::Delivered { .. } | Verdict::Refused { .. }, _) => Signal::Works,
            (verdict, Some(status)) => signal_of_status(verdict, status),
            (Verdict::Retry { code, .. }, None) => match code {
                Timeout | Network | Tls => Signal::Fails { retry_after: None },
                // A 421 is about the whole server, other replies about one mail or mailbox (RFC 5321, 4.2.2).
                SmtpTemporary if self.smtp_code == Some(421) => Signal::Fails { retry_after: None },
                SmtpTemporary | SmtpRejected => Signal::Works,
                _ => Signal::Silent,
            },
            (Verdict::Fail { code, .. }, None) => match code {
                SmtpTemporary | SmtpRejected => Signal::Works,
                _ => Signal::Silent,
            },
        }
    }

    fn error(&self) -> Option<(DeliveryErrorCode, String)> {
        let (code, message) = match &self.verdict {
            Verdict::Delivered { .. } => return None,
            Verdict::Refused { reason, .. } => (DeliveryErrorCode::RefusedByPartner, reason),
            Verdict::Gone { message } => (DeliveryErrorCode::HttpStatus, message),
            Verdict::Retry { code, message, .. } | Verdict::Fail { code, message } => (*code, message),
        };
        // PostgreSQL takes no NUL in a text.
        let message = message
            .chars()
            .filter(|character| *character != '\0')
            .take(MESSAGE_CHARS)
            .collect();
        Some((self.code.unwrap_or(code), message))
    }

    fn attempt_row(&self, delivery: &delivery::Model, timing: &Timing) -> delivery_attempt::ActiveModel {
        let (code, message) = self.error().unzip();
        let note = match &self.verdict {
            Verdict::Delivered { note, .. } => note.clone(),
            _ => None,
        };
        delivery_attempt::ActiveModel {
            delivery_id: Set(delivery.id),
            number: Set(delivery.attempt_count),
            started_at: Set(timing.started_at),
            duration_us: Set(i64::try_from(timing.duration.as_micros()).unwrap_or(i64::MAX)),
            ok: Set(code.is_none()),
            http_status: Set(self.http_status.map(i32::from)),
            smtp_code: Set(self.smtp_code.map(i32::from)),
            error_code: Set(code),
            message: Set(message.or(note)),
            excerpt: Set(self.excerpt.clone()),
        }
    }
}

fn signal_of_status(verdict: &Verdict, status: u16) -> Signal {
    let retry_after = match verdict {
        Verdict::Retry { retry_after, .. } => *retry_after,
        _ => None,
    };
    if status == 429 {
        Signal::Busy { retry_after }
    } else if concerns_endpoint(status) {
        Signal::Fails { retry_after }
    } else {
        Signal::Works
    }
}

/// Whether any lead would get this status, which is no success: 400, 409, 413, 422 and the like are about the one lead. A 2xx comes
/// here with a body that does not answer the response rule, as an error page does.
fn concerns_endpoint(status: u16) -> bool {
    !(400..500).contains(&status) || matches!(status, 401 | 403 | 404 | 405 | 408)
}

#[cfg(test)]
mod tests;
