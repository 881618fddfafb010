//! When an endpoint is left alone. Pure: what is kept of an endpoint, what an attempt says of it, time and randomness give what
//! is kept next.
//!
//! [`FAILURE_LIMIT`] failures in a row pause it. Then everything for it waits, without spending attempts; when the pause is over, one
//! delivery tries it. That one's success ends the pause, its failure makes one of twice the length. A 410 ends only by hand. An
//! endpoint that asks for peace (429, or `Retry-After` with a failure) gets it, without having failed so often.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::delivery;
use entity::endpoint::{Model, OpenReason};

/// Failures in a row after which an endpoint is paused.
pub const FAILURE_LIMIT: i32 = 10;
/// The first pause; each is twice as long as the one before.
pub const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(10);
/// The longest pause.
pub const LONGEST_PAUSE: TimeDelta = TimeDelta::seconds(300);
/// How long an endpoint that asks for peace is left alone at most. A delivery that was asked to wait longer waits longer itself.
pub const MAX_BACK_OFF: TimeDelta = TimeDelta::hours(1);
/// How long it is left alone if it does not say for how long.
pub const DEFAULT_BACK_OFF: TimeDelta = TimeDelta::seconds(5);
/// Of a delivery that tries an endpoint nothing may be heard for so long: then the next one may try. Longer than any attempt.
pub const PROBE_TIMEOUT: TimeDelta = TimeDelta::seconds(90);
/// As with retries, jitter adds up to a fifth and never takes away.
const JITTER: f64 = 0.2;

/// What an attempt says about the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It works: it took the lead, or said something about this one lead, such as 422.
    Works,
    /// It does not: no connection, no answer in time, or an answer that any lead would get, such as 500 or 404.
    Fails {
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// It has too much to do (429).
    Busy {
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// It is gone for good (410).
    Gone,
    /// Nothing: it was not asked.
    Silent,
}

/// One attempt, and what it says.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// Of which delivery.
    pub delivery: &'a delivery::Model,
    /// What it says about the endpoint.
    pub signal: Signal,
    /// In words; of a failure.
    pub message: &'a str,
}

/// What is kept of an endpoint after an attempt; none when there is nothing against it. `jitter` is a random number from 0 to 1.
pub fn next(kept: Option<Model>, observed: Observation<'_>, now: DateTime<Utc>, jitter: f64) -> Option<Model> {
    match observed.signal {
        Signal::Silent => kept,
        Signal::Works => kept.filter(|row| match row.open_reason {
            Some(OpenReason::Gone) => true,
            Some(OpenReason::Throttled) => row.is_open(now),
            Some(OpenReason::Failing) | None => false,
        }),
        Signal::Fails { retry_after } => {
            let row = with_failure(kept, observed)?;
            Some(failed(row, (observed, retry_after), now, jitter))
        }
        Signal::Busy { retry_after } => {
            let row = with_failure(kept, observed)?;
            Some(busy(row, observed, retry_after.map_or(DEFAULT_BACK_OFF, back_off), now))
        }
        Signal::Gone => {
            let row = with_failure(kept, observed)?;
            Some(match row.open_reason {
                Some(OpenReason::Gone) => row,
                _ => opened(row, OpenReason::Gone, now, None),
            })
        }
    }
}

/// The length of a pause, the first of which is number 1.
pub fn pause(number: i32, jitter: f64) -> TimeDelta {
    let doublings = u32::try_from(number.saturating_sub(1)).unwrap_or_default().min(16);
    let length = (FIRST_PAUSE * 2_i32.pow(doublings)).min(LONGEST_PAUSE);
    let share = if jitter.is_finite() {
        jitter.clamp(0.0, 1.0)
    } else {
        0.0
    };
    whole_micros(length.to_std().unwrap_or_default().mul_f64(1.0 + JITTER * share))
}

/// What is kept of a delivery's endpoint before there is anything against it; none when nothing is sent anywhere.
pub fn healthy(delivery: &delivery::Model) -> Option<Model> {
    let id = delivery.endpoint()?;
    Some(Model {
        id,
        account_id: delivery.account_id,
        partner_id: delivery.partner_id.filter(|_| id != delivery.account_id.0),
        failures: 0,
        open_reason: None,
        opened_at: None,
        open_until: None,
        pauses: 0,
        probe_id: None,
        last_error: String::new(),
        notified: false,
    })
}

fn with_failure(kept: Option<Model>, observed: Observation<'_>) -> Option<Model> {
    let mut row = match kept {
        Some(row) => row,
        None => healthy(observed.delivery)?,
    };
    if observed.delivery.endpoint() == Some(row.account_id.0) {
        row.partner_id = None;
    }
    row.failures = row.failures.saturating_add(1);
    observed.message.clone_into(&mut row.last_error);
    Some(row)
}

fn failed(
    row: Model,
    (observed, retry_after): (Observation<'_>, Option<Duration>),
    now: DateTime<Utc>,
    jitter: f64,
) -> Model {
    let asked = retry_after.map(back_off);
    match row.open_reason {
        Some(OpenReason::Gone) => row,
        Some(OpenReason::Failing) if row.probe_id != Some(observed.delivery.id) => row,
        _ if row.failures >= FAILURE_LIMIT || row.open_reason == Some(OpenReason::Failing) => {
            let pauses = row.pauses.saturating_add(1);
            let length = pause(pauses, jitter).max(asked.unwrap_or_default());
            opened(Model { pauses, ..row }, OpenReason::Failing, now, Some(now + length))
        }
        _ => match asked {
            Some(asked) => busy(row, observed, asked, now),
            None => row,
        },
    }
}

/// Peace is never shortened. One that was paused and is busy when it is tried is awake.
fn busy(row: Model, observed: Observation<'_>, asked: TimeDelta, now: DateTime<Utc>) -> Model {
    match row.open_reason {
        Some(OpenReason::Gone) => row,
        Some(OpenReason::Failing) if row.probe_id != Some(observed.delivery.id) => row,
        _ => {
            let promised = row
                .open_until
                .filter(|_| row.open_reason == Some(OpenReason::Throttled));
            let until = promised.map_or(now + asked, |until| until.max(now + asked));
            opened(row, OpenReason::Throttled, now, Some(until))
        }
    }
}

fn opened(row: Model, reason: OpenReason, now: DateTime<Utc>, until: Option<DateTime<Utc>>) -> Model {
    let since = row.opened_at.filter(|_| row.open_reason == Some(reason)).unwrap_or(now);
    let pauses = if reason == OpenReason::Failing { row.pauses } else { 0 };
    Model {
        open_reason: Some(reason),
        opened_at: Some(since),
        open_until: until,
        pauses,
        probe_id: None,
        ..row
    }
}

fn back_off(asked: Duration) -> TimeDelta {
    whole_micros(asked).min(MAX_BACK_OFF)
}

/// Databases keep microseconds; rounded up, so that nothing comes before its time.
pub(super) fn whole_micros(length: Duration) -> TimeDelta {
    let micros = i64::try_from(length.as_nanos().div_ceil(1_000)).unwrap_or(i64::MAX);
    TimeDelta::microseconds(micros)
}

#[cfg(test)]
mod tests;
