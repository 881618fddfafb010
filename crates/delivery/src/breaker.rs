//! The circuit breaker of endpoints. Pure: the stored circuit, the signal of an attempt, time and randomness give the next circuit.
//!
//! [`FAILURE_LIMIT`] failures in a row pause an endpoint: its circuit opens, and its deliveries wait without spending attempts. After the
//! pause one delivery probes it. A success closes the circuit, a failure makes a pause of twice the length. After a 410 only a person
//! closes it. A 429, or `Retry-After` with a failure, opens the circuit for a back-off, whatever the number of failures.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::delivery;
use entity::endpoint::{Model, OpenReason};

/// Failures in a row after which an endpoint is paused.
pub const FAILURE_LIMIT: i32 = 10;
/// The first pause; each is twice as long as the one before.
pub const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(10);
pub const LONGEST_PAUSE: TimeDelta = TimeDelta::seconds(300);
/// The longest back-off of an endpoint. The delivery that got a longer `Retry-After` waits longer itself.
pub const MAX_BACK_OFF: TimeDelta = TimeDelta::hours(1);
/// The back-off after a 429 without `Retry-After`.
pub const DEFAULT_BACK_OFF: TimeDelta = TimeDelta::seconds(5);
/// Probe timeout, after which another delivery may probe; longer than any attempt.
pub const PROBE_TIMEOUT: TimeDelta = TimeDelta::seconds(90);
/// As with retries, jitter adds up to a fifth and never subtracts.
const JITTER: f64 = 0.2;

/// What an attempt says about the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It works: it took the lead, or answered about this one lead, such as 422.
    Works,
    /// It fails: no connection, no answer in time, or an answer that any lead would get, such as 500 or 404.
    Fails {
        /// The `Retry-After` of its answer.
        retry_after: Option<Duration>,
    },
    /// It is overloaded (429).
    Busy {
        /// The `Retry-After` of its answer.
        retry_after: Option<Duration>,
    },
    /// It is gone for good (410).
    Gone,
    /// Nothing: it was not asked.
    Silent,
}

#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    pub delivery: &'a delivery::Model,
    pub signal: Signal,
    /// What the failure says.
    pub message: &'a str,
}

/// The circuit after an attempt; none when the endpoint is healthy. `jitter` is a random number from 0 to 1.
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
            Some(failed(row, observed, retry_after, now, jitter))
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

/// The length of the pause with this number, counted from 1.
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

/// The circuit of a delivery's endpoint without failures; none where the channel has no endpoint.
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
    observed: Observation<'_>,
    retry_after: Option<Duration>,
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

/// Never shortens an earlier `Retry-After`. A 429 to a probe ends the pause.
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

/// Databases store microseconds. Rounded up, so that nothing comes before its time.
pub(super) fn whole_micros(length: Duration) -> TimeDelta {
    let micros = i64::try_from(length.as_nanos().div_ceil(1_000)).unwrap_or(i64::MAX);
    TimeDelta::microseconds(micros)
}

#[cfg(test)]
mod tests;
