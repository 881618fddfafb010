//! When an endpoint is left alone. Pure: what is kept of an endpoint, what an attempt says of it, time and randomness give what
//! is kept next.
//!
//! [`LIMIT`] failures in a row pause it. Then everything for it waits, without spending attempts; when the pause is over, one
//! delivery tries it. That one's success ends the pause, its failure makes one of twice the length. A 410 ends only by hand. An
//! endpoint that asks for peace (429, or `Retry-After` with a failure) gets it, without having failed so often.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::delivery;
use entity::endpoint::{Hold, Model};

/// Failures in a row after which an endpoint is paused.
pub const LIMIT: i32 = 10;
/// The first pause; each is twice as long as the one before.
pub const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(10);
/// The longest pause.
pub const LONGEST_PAUSE: TimeDelta = TimeDelta::seconds(300);
/// How long an endpoint that asks for peace is left alone at most. A delivery that was asked to wait longer waits longer itself.
pub const LONGEST_PEACE: TimeDelta = TimeDelta::hours(1);
/// How long it is left alone if it does not say for how long.
pub const SHORT_PEACE: TimeDelta = TimeDelta::seconds(5);
/// Of a delivery that tries an endpoint nothing may be heard for so long: then the next one may try. Longer than any attempt.
pub const PROBE_PATIENCE: TimeDelta = TimeDelta::seconds(90);
/// As with retries, jitter adds up to a fifth and never takes away.
const JITTER: f64 = 0.2;

/// What an attempt says about the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearing {
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
pub struct Seen<'a> {
    /// Of which delivery.
    pub delivery: &'a delivery::Model,
    /// What it says about the endpoint.
    pub bearing: Bearing,
    /// In words; of a failure.
    pub message: &'a str,
}

/// What is kept of an endpoint after an attempt; none when there is nothing against it. `jitter` is a random number from 0 to 1.
pub fn after(kept: Option<Model>, seen: Seen<'_>, now: DateTime<Utc>, jitter: f64) -> Option<Model> {
    match seen.bearing {
        Bearing::Silent => kept,
        Bearing::Works => kept.filter(|row| match row.hold {
            Some(Hold::Gone) => true,
            Some(Hold::Throttled) => row.is_closed(now),
            Some(Hold::Failing) | None => false,
        }),
        Bearing::Fails { retry_after } => {
            let row = counted(kept, seen)?;
            Some(failed(row, (seen, retry_after), now, jitter))
        }
        Bearing::Busy { retry_after } => {
            let row = counted(kept, seen)?;
            Some(busy(row, seen, retry_after.map_or(SHORT_PEACE, peace), now))
        }
        Bearing::Gone => {
            let row = counted(kept, seen)?;
            Some(match row.hold {
                Some(Hold::Gone) => row,
                _ => held(row, Hold::Gone, now, None),
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
pub fn blank(delivery: &delivery::Model) -> Option<Model> {
    let id = delivery.endpoint()?;
    Some(Model {
        id,
        account_id: delivery.account_id,
        partner_id: delivery.partner_id.filter(|_| id != delivery.account_id.0),
        failures: 0,
        hold: None,
        held_since: None,
        held_until: None,
        pauses: 0,
        probe_id: None,
        why: String::new(),
        told: false,
    })
}

fn counted(kept: Option<Model>, seen: Seen<'_>) -> Option<Model> {
    let mut row = match kept {
        Some(row) => row,
        None => blank(seen.delivery)?,
    };
    if seen.delivery.endpoint() == Some(row.account_id.0) {
        row.partner_id = None;
    }
    row.failures = row.failures.saturating_add(1);
    seen.message.clone_into(&mut row.why);
    Some(row)
}

fn failed(row: Model, (seen, retry_after): (Seen<'_>, Option<Duration>), now: DateTime<Utc>, jitter: f64) -> Model {
    let asked = retry_after.map(peace);
    match row.hold {
        Some(Hold::Gone) => row,
        Some(Hold::Failing) if row.probe_id != Some(seen.delivery.id) => row,
        _ if row.failures >= LIMIT || row.hold == Some(Hold::Failing) => {
            let pauses = row.pauses.saturating_add(1);
            let length = pause(pauses, jitter).max(asked.unwrap_or_default());
            held(Model { pauses, ..row }, Hold::Failing, now, Some(now + length))
        }
        _ => match asked {
            Some(asked) => busy(row, seen, asked, now),
            None => row,
        },
    }
}

/// Peace is never shortened. One that was paused and is busy when it is tried is awake.
fn busy(row: Model, seen: Seen<'_>, asked: TimeDelta, now: DateTime<Utc>) -> Model {
    match row.hold {
        Some(Hold::Gone) => row,
        Some(Hold::Failing) if row.probe_id != Some(seen.delivery.id) => row,
        _ => {
            let promised = row.held_until.filter(|_| row.hold == Some(Hold::Throttled));
            let until = promised.map_or(now + asked, |until| until.max(now + asked));
            held(row, Hold::Throttled, now, Some(until))
        }
    }
}

fn held(row: Model, hold: Hold, now: DateTime<Utc>, until: Option<DateTime<Utc>>) -> Model {
    let since = row.held_since.filter(|_| row.hold == Some(hold)).unwrap_or(now);
    let pauses = if hold == Hold::Failing { row.pauses } else { 0 };
    Model {
        hold: Some(hold),
        held_since: Some(since),
        held_until: until,
        pauses,
        probe_id: None,
        ..row
    }
}

fn peace(asked: Duration) -> TimeDelta {
    whole_micros(asked).min(LONGEST_PEACE)
}

/// Databases keep microseconds; rounded up, so that nothing comes before its time.
fn whole_micros(length: Duration) -> TimeDelta {
    let micros = i64::try_from(length.as_nanos().div_ceil(1_000)).unwrap_or(i64::MAX);
    TimeDelta::microseconds(micros)
}

#[cfg(test)]
mod tests;
