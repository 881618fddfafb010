//! What an answer means for the delivery. Pure.
//!
//! A 2xx is a delivery unless the partner's response rule says otherwise. Everything else is tried again, except what
//! the partner's settings give up on, a 410, and a forbidden destination.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use entity::delivery::DeliveryErrorCode;
use entity::delivery_config::ResponseRule;
use serde_json::Value;

use leadmesh_forms::{lenient_json, numerals};

use super::{
    email::{MailOutcome, RefusedRecipient},
    failure::Failure,
    text,
    webhook::Answer,
};

const LONGEST_REASON: usize = 500;
const LONGEST_EXTERNAL_ID: usize = 255;

/// What one attempt means for the delivery. Texts of strangers in it are cut and free of control characters, but may
/// repeat what was sent to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Delivered {
        /// The receiver's own ID, where a response rule says where to find it.
        external_id: Option<String>,
        /// What else the user should know, such as a mail recipient who was refused.
        note: Option<String>,
    },
    /// The partner does not want the lead: the exchange worked, no attempt will change it.
    Refused {
        reason: String,
        /// The receiver's own ID, if it gave one all the same.
        external_id: Option<String>,
    },
    Retry {
        code: DeliveryErrorCode,
        message: String,
        /// How long the destination asked to be left alone, not yet capped.
        retry_after: Option<Duration>,
    },
    /// No attempt will change it.
    Fail { code: DeliveryErrorCode, message: String },
    /// 410: no attempt will change it, and the destination wants no other delivery either.
    Gone { message: String },
}

impl Verdict {
    /// The same with every text changed.
    #[must_use]
    pub fn map_texts(self, change: impl Fn(String) -> String) -> Self {
        match self {
            Self::Delivered { external_id, note } => Self::Delivered {
                external_id: external_id.map(&change),
                note: note.map(&change),
            },
            Self::Refused { reason, external_id } => Self::Refused {
                reason: change(reason),
                external_id: external_id.map(&change),
            },
            Self::Retry {
                code,
                message,
                retry_after,
            } => Self::Retry {
                code,
                message: change(message),
                retry_after,
            },
            Self::Fail { code, message } => Self::Fail {
                code,
                message: change(message),
            },
            Self::Gone { message } => Self::Gone {
                message: change(message),
            },
        }
    }
}

/// Judges the end of an HTTP exchange. `now` is what a `Retry-After` date is compared with.
///
/// `give_up_on` comes first, so a partner may list 410 to fail without being paused.
pub fn judge(
    result: &Result<Answer, Failure>,
    rule: Option<&ResponseRule>,
    give_up_on: &[u16],
    now: DateTime<Utc>,
) -> Verdict {
    let answer = match result {
        Ok(answer) => answer,
        Err(failure) => return judge_failure(failure),
    };
    match answer.status {
        200..300 => rule.map_or(
            Verdict::Delivered {
                external_id: None,
                note: None,
            },
            |rule| apply(rule, answer),
        ),
        status if give_up_on.contains(&status) => Verdict::Fail {
            code: DeliveryErrorCode::HttpStatus,
            message: format!("{}, which is given up on", answered(status)),
        },
        410 => Verdict::Gone { message: answered(410) },
        status => Verdict::Retry {
            code: DeliveryErrorCode::HttpStatus,
            message: answered(status),
            retry_after: answer.retry_after.as_deref().and_then(|text| retry_after(text, now)),
        },
    }
}

/// Judges the end of an SMTP exchange: 4xx is tried again, 5xx is not. Where some recipients were accepted, those put off
/// by a 4xx are worth another attempt, to them alone; those refused by a 5xx are named in the note.
pub fn judge_mail(outcome: &MailOutcome) -> Verdict {
    match outcome {
        MailOutcome::Accepted { refused, .. } if refused.iter().any(|one| one.reply.is_temporary()) => Verdict::Retry {
            code: DeliveryErrorCode::SmtpTemporary,
            message: note(refused).unwrap_or_default(),
            retry_after: None,
        },
        MailOutcome::Accepted { refused, .. } => Verdict::Delivered {
            external_id: None,
            note: note(refused),
        },
        MailOutcome::Refused { reply, refused } => {
            let message = note(refused).unwrap_or_else(|| format!("{ANSWERED}{reply}"));
            if reply.is_temporary() || refused.iter().any(|one| one.reply.is_temporary()) {
                Verdict::Retry {
                    code: DeliveryErrorCode::SmtpTemporary,
                    message,
                    retry_after: None,
                }
            } else {
                Verdict::Fail {
                    code: DeliveryErrorCode::SmtpRejected,
                    message,
                }
            }
        }
        MailOutcome::Failed(Failure::Unsendable(message)) => Verdict::Fail {
            code: DeliveryErrorCode::SmtpRejected,
            message: message.clone(),
        },
        MailOutcome::Failed(failure) => judge_failure(failure),
    }
}

/// How messages go on with what a mail server replied.
const ANSWERED: &str = "the mail server answered ";
const WAS_REFUSED: &str = " was refused: ";

/// Whether a message made here repeats what a mail server replied.
pub fn repeats_a_reply(message: &str) -> bool {
    message.contains(ANSWERED) || message.contains(WAS_REFUSED)
}

/// Whether a text is a JSON pointer of RFC 6901: empty, or parts that each start with `/`, with `~` only in `~0`, `~1`.
pub fn is_pointer(text: &str) -> bool {
    let mut after_tilde = text.split('~').skip(1);
    (text.is_empty() || text.starts_with('/')) && after_tilde.all(|rest| rest.starts_with(['0', '1']))
}

fn judge_failure(failure: &Failure) -> Verdict {
    let message = failure.to_string();
    let code = match failure {
        Failure::Blocked(_) => {
            return Verdict::Fail {
                code: DeliveryErrorCode::DestinationBlocked,
                message,
            };
        }
        Failure::Unsendable(_) => {
            return Verdict::Fail {
                code: DeliveryErrorCode::Network,
                message,
            };
        }
        Failure::Timeout => DeliveryErrorCode::Timeout,
        Failure::Network(_) => DeliveryErrorCode::Network,
        Failure::Tls(_) => DeliveryErrorCode::Tls,
    };
    Verdict::Retry {
        code,
        message,
        retry_after: None,
    }
}

fn answered(status: u16) -> String {
    match status {
        300..400 => format!("the destination answered {status}; redirects are not followed, so set the final URL"),
        410 => "the destination answered 410: it is gone for good".to_owned(),
        _ => format!("the destination answered {status}"),
    }
}

/// A body that does not answer the rule's question (no JSON, cut off, nothing or null at the pointer) is a failed
/// attempt and no refusal: an error page behind a 200 must not lose the lead.
fn apply(rule: &ResponseRule, answer: &Answer) -> Verdict {
    let Some(body) = json(&answer.body) else {
        return unanswered(
            answer.status,
            "the body is not JSON, so the response rule cannot be applied",
        );
    };
    let Some(given) = body.pointer(&rule.pointer).map(as_text) else {
        return unanswered(answer.status, &format!("the body has nothing at {}", rule.pointer));
    };
    let external_id = found(&body, rule.external_id_pointer.as_deref(), LONGEST_EXTERNAL_ID);
    if accepts(rule, &given) {
        return Verdict::Delivered {
            external_id,
            note: None,
        };
    }
    if body.pointer(&rule.pointer).is_some_and(Value::is_null) {
        return unanswered(answer.status, &format!("the body has null at {}", rule.pointer));
    }
    let reason = found(&body, rule.reason_pointer.as_deref(), LONGEST_REASON);
    Verdict::Refused {
        reason: reason.unwrap_or_else(|| text::one_line(&given, LONGEST_REASON)),
        external_id,
    }
}

fn accepts(rule: &ResponseRule, given: &str) -> bool {
    let given = given.trim().to_lowercase();
    rule.accepted_values
        .iter()
        .any(|value| value.trim().to_lowercase() == given)
}

fn unanswered(status: u16, what: &str) -> Verdict {
    let message = format!("the destination answered {status}, but {what}");
    Verdict::Retry {
        code: DeliveryErrorCode::HttpStatus,
        message,
        retry_after: None,
    }
}

/// Parses the answer leniently, so that an odd value does not hide that the recipient has the lead: a number of 20 digits keeps them,
/// and half of a surrogate pair becomes U+FFFD.
fn json(body: &[u8]) -> Option<Value> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let value = serde_json::from_slice(&lenient_json::repair(body, 0)).ok()?;
    Some(numerals::unmark(value))
}

fn found(body: &Value, pointer: Option<&str>, longest: usize) -> Option<String> {
    let value = body.pointer(pointer?).filter(|value| !value.is_null())?;
    Some(text::one_line(&as_text(value), longest)).filter(|text| !text.is_empty())
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `Retry-After` in seconds or as the one date format RFC 9110 lets senders write; anything else is ignored.
fn retry_after(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    let text = text.trim();
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let date = NaiveDateTime::parse_from_str(text, "%a, %d %b %Y %H:%M:%S GMT").ok()?;
    date.and_utc().signed_duration_since(now).to_std().ok()
}

fn note(refused: &[RefusedRecipient]) -> Option<String> {
    let each: Vec<String> = refused
        .iter()
        .map(|one| format!("{}{WAS_REFUSED}{}", one.address, one.reply))
        .collect();
    (!each.is_empty()).then(|| each.join("; "))
}

#[cfg(test)]
mod tests;
