//! Caps: checks of lists of caps, and the calendar window in which each counts.

use async_graphql::InputObject;
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use entity::cap_usage::{Cap, CapPeriod, Caps};
use entity::ids::CapId;
use entity::scalars;

use super::timezone;
use leadmesh_core::error::{UserError, UserErrorCode};
use leadmesh_core::identity::texts;

/// Highest limit of a cap.
pub const MAX_LIMIT: i32 = 1_000_000_000;
/// Most caps in one input.
pub const MAX_CAPS: usize = 10;
const HOUR: i64 = 3_600;

/// A cap: the most leads taken in a calendar window. Each object has at most one cap per period.
#[derive(Clone, Debug, PartialEq, Eq, InputObject)]
pub struct CapInput {
    /// The calendar window.
    pub period: CapPeriod,
    /// Leads per window, 0 to 1,000,000,000. 0 lets none through.
    pub limit: i32,
    /// Time zone of the window. Defaults to the partner's, otherwise the account's.
    pub timezone: Option<scalars::TimeZone>,
}

/// Checks a list of caps, one per period, that replaces `old`; `zone` is the default zone, `path` is where the input has the list. A
/// cap with the same period and zone keeps its identifier, and with it its count.
pub fn check(
    inputs: &[CapInput],
    old: &Caps,
    zone: &str,
    path: &str,
    mut new_id: impl FnMut() -> CapId,
) -> Result<Caps, UserError> {
    if inputs.len() > MAX_CAPS {
        let message = format!("{MAX_CAPS} caps at most: give one per period");
        return Err(UserError::new(UserErrorCode::LimitReached, path, message));
    }
    let mut caps: Vec<Cap> = Vec::with_capacity(inputs.len());
    for (index, input) in inputs.iter().enumerate() {
        let at = |field: &str| format!("{path}.{index}.{field}");
        if caps.iter().any(|cap| cap.period == input.period) {
            let message = "there is another cap for this period: give one per period";
            return Err(UserError::new(UserErrorCode::Invalid, &at("period"), message));
        }
        if !(0..=MAX_LIMIT).contains(&input.limit) {
            let message = "a limit is a number of leads from 0 to 1,000,000,000";
            return Err(UserError::new(UserErrorCode::Invalid, &at("limit"), message));
        }
        let timezone = match &input.timezone {
            Some(name) => texts::timezone(name, &at("timezone"))?,
            None => zone.to_owned(),
        };
        let same = |cap: &&Cap| cap.period == input.period && cap.timezone == timezone;
        caps.push(Cap {
            id: old.0.iter().find(same).map_or_else(&mut new_id, |cap| cap.id),
            period: input.period,
            limit: input.limit,
            timezone,
        });
    }
    Ok(Caps(caps))
}

/// The window of the cap that contains an instant: its start, inclusive, and its end, exclusive; a LIFETIME starts at the epoch and
/// does not end.
///
/// Windows follow the zone's calendar without gap or overlap. A day has 23 or 25 hours where clocks change, and starts at
/// its first instant if midnight is skipped. A repeated hour is two windows.
pub fn window(cap: &Cap, at: DateTime<Utc>) -> (DateTime<Utc>, Option<DateTime<Utc>>) {
    let zone = timezone::stored(&cap.timezone);
    let bounds = match cap.period {
        CapPeriod::Hour => hour(zone, at),
        CapPeriod::Day | CapPeriod::Week | CapPeriod::Month => calendar(cap.period, zone, at),
        CapPeriod::Lifetime => None,
    };
    bounds.map_or((DateTime::UNIX_EPOCH, None), |(start, end)| (start, Some(end)))
}

/// Midnight to midnight. Where clocks go back over midnight, the local date goes back too, but the current window
/// continues.
fn calendar(period: CapPeriod, zone: Tz, at: DateTime<Utc>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let midnight = |date: NaiveDate| timezone::first_instant(zone, date.and_time(NaiveTime::MIN));
    let first = first_day(period, at.with_timezone(&zone).date_naive())?;
    let next = following(period, first)?;
    if at < midnight(next) {
        Some((midnight(first), midnight(next)))
    } else {
        Some((midnight(next), midnight(following(period, next)?)))
    }
}

fn first_day(period: CapPeriod, date: NaiveDate) -> Option<NaiveDate> {
    match period {
        CapPeriod::Week => date.checked_sub_days(Days::new(date.weekday().num_days_from_monday().into())),
        CapPeriod::Month => date.with_day(1),
        CapPeriod::Hour | CapPeriod::Day | CapPeriod::Lifetime => Some(date),
    }
}

fn following(period: CapPeriod, first: NaiveDate) -> Option<NaiveDate> {
    match period {
        CapPeriod::Week => first.checked_add_days(Days::new(7)),
        CapPeriod::Month => first.checked_add_months(Months::new(1)),
        CapPeriod::Hour | CapPeriod::Day | CapPeriod::Lifetime => first.succ_opt(),
    }
}

/// From one full hour of the zone's clocks to the next, cut where the clocks change between the two.
fn hour(zone: Tz, at: DateTime<Utc>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let now = at.timestamp();
    let offset = offset(zone, now)?;
    let full = now - (now + offset).rem_euclid(HOUR);
    let start = if self::offset(zone, full)? == offset {
        full
    } else {
        change(zone, full, now)?
    };
    let last = full + HOUR - 1;
    let end = if self::offset(zone, last)? == offset {
        last + 1
    } else {
        change(zone, now, last)?
    };
    Some((DateTime::from_timestamp(start, 0)?, DateTime::from_timestamp(end, 0)?))
}

/// Seconds that the zone's clocks are ahead of UTC.
fn offset(zone: Tz, at: i64) -> Option<i64> {
    let utc = DateTime::from_timestamp(at, 0)?.naive_utc();
    Some(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc().into())
}

/// The first second with another offset than `before`; `after` has another one, and is less than an hour later.
fn change(zone: Tz, mut before: i64, mut after: i64) -> Option<i64> {
    let offset = offset(zone, before)?;
    while after - before > 1 {
        let middle = before.midpoint(after);
        if self::offset(zone, middle)? == offset {
            before = middle;
        } else {
            after = middle;
        }
    }
    Some(after)
}

#[cfg(test)]
mod tests;
