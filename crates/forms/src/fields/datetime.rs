//! Moments.

use std::sync::LazyLock;

use chrono::{DateTime, Datelike, NaiveTime, SecondsFormat, SubsecRound, TimeDelta, Utc};
use regex::{Captures, Regex};

use super::calendar;

/// The longest text that may hold a moment, in bytes.
const MAX_MOMENT: usize = 80;

/// A date, then `T` or a space, then a time of day with optional seconds, fraction, AM or PM, and offset.
#[expect(
    clippy::expect_used,
    reason = "the pattern is constant and every test of this file compiles it"
)]
static MOMENT: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?ix)^ (?<date>.+?) (?: t | ,?\s+ (?:at\s+)? )
        (?<hour>[0-9]{1,2}) : (?<minute>[0-9]{2}) (?: : (?<second>[0-9]{2}) (?: [.,] (?<fraction>[0-9]{1,12}) )? )?
        (?: \s* (?<half>[ap])\.?m\.? )? (?: \s* (?<zone> z | utc | gmt | [+-][0-9]{2}:?[0-9]{2} ) )? $";
    Regex::new(pattern).expect("a valid pattern")
});

/// A time of day with what must be subtracted to have it in UTC.
#[derive(Clone, Copy)]
pub(super) struct TimeOfDay {
    time: NaiveTime,
    offset: TimeDelta,
}

/// Reads a moment as RFC 3339 in UTC, cut to microseconds and without a fraction of zero.
///
/// Accepted are the dates of the DATE type, alone (midnight) or with a time of day on the 24-hour or 12-hour clock, and
/// Unix time in seconds (ten digits) or milliseconds (thirteen). Without an offset the time counts as UTC. Zones by
/// name, other than UTC and GMT, are refused: their abbreviations are not unique.
pub(super) fn read(text: &str, country: &str) -> Result<String, String> {
    let moment = unix(text)
        .or_else(|| combined(text, country))
        .or_else(|| alone(text, country));
    let moment = moment.filter(|moment| calendar::YEARS.contains(&moment.year()));
    let message =
        || "This is not a date and time. Send it as 2024-12-31T18:30:00Z or with an offset such as +02:00.".to_owned();
    let moment = moment.ok_or_else(message)?.trunc_subsecs(6);
    Ok(moment.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// Separates a valid time of day from the date in front of it.
pub(super) fn split(text: &str) -> Option<(&str, TimeOfDay)> {
    if text.len() > MAX_MOMENT {
        return None;
    }
    let found = MOMENT.captures(text)?;
    let date = found.name("date")?.as_str();
    Some((
        date,
        TimeOfDay {
            time: time_of_day(&found)?,
            offset: offset(&found)?,
        },
    ))
}

fn unix(text: &str) -> Option<DateTime<Utc>> {
    let number: i64 = text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))?;
    match text.len() {
        10 => DateTime::from_timestamp(number, 0),
        13 => DateTime::from_timestamp_millis(number),
        _ => None,
    }
}

fn combined(text: &str, country: &str) -> Option<DateTime<Utc>> {
    let (date, TimeOfDay { time, offset }) = split(text)?;
    let local = calendar::parse(date, country)?.and_time(time);
    local.checked_sub_signed(offset).map(|moment| moment.and_utc())
}

fn alone(text: &str, country: &str) -> Option<DateTime<Utc>> {
    calendar::parse(text, country).map(|date| date.and_time(NaiveTime::MIN).and_utc())
}

fn time_of_day(found: &Captures<'_>) -> Option<NaiveTime> {
    let number = |name| {
        found
            .name(name)
            .map_or(Some(0), |part| part.as_str().parse::<u32>().ok())
    };
    let hour = number("hour")?;
    let hour = match found.name("half").map(|half| half.as_str().to_ascii_lowercase()) {
        None => hour,
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(half) => hour % 12 + if half == "p" { 12 } else { 0 },
    };
    let fraction = found.name("fraction").map_or("0", |part| part.as_str());
    let micros: u32 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    NaiveTime::from_hms_micro_opt(hour, number("minute")?, number("second")?, micros)
}

fn offset(found: &Captures<'_>) -> Option<TimeDelta> {
    let zone = found.name("zone").map_or("", |part| part.as_str());
    let Some(digits) = zone.strip_prefix(['+', '-']) else {
        return Some(TimeDelta::zero());
    };
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let minutes: i64 = digits.get(digits.len().checked_sub(2)?..)?.parse().ok()?;
    let total = TimeDelta::minutes(hours * 60 + minutes);
    let real = hours < 24 && minutes < 60;
    real.then_some(if zone.starts_with('-') { -total } else { total })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_in_usual_forms_are_read() {
        let cases = [
            ("2024-02-09T10:11:12Z", "2024-02-09T10:11:12Z"),
            ("2024-02-09T10:11:12+02:00", "2024-02-09T08:11:12Z"),
            ("2024-02-09t01:11:12.5+0200", "2024-02-08T23:11:12.500Z"),
            ("2024-02-09 10:11", "2024-02-09T10:11:00Z"),
            ("2024-02-09T10:11:12.1234567Z", "2024-02-09T10:11:12.123456Z"),
            ("2024-02-09", "2024-02-09T00:00:00Z"),
            ("2/9/2024 3:04 PM", "2024-02-09T15:04:00Z"),
            ("2/9/2024 12:00 a.m.", "2024-02-09T00:00:00Z"),
            ("Feb 9, 2024 at 3:04pm UTC", "2024-02-09T15:04:00Z"),
            ("Fri, 9 Feb 2024 10:11:12 +0200", "2024-02-09T08:11:12Z"),
            ("9 August 2024 10:11 GMT", "2024-08-09T10:11:00Z"),
            ("1707473472", "2024-02-09T10:11:12Z"),
            ("1707473472500", "2024-02-09T10:11:12.500Z"),
            ("20240209", "2024-02-09T00:00:00Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text, "US").as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_moments() {
        let long = "2024-02-09 10:11 ".repeat(1000);
        let cases = [
            "10:11",
            "2024-02-09T24:00:00Z",
            "2024-02-09T10:60:00Z",
            "2024-02-09T10:11:60Z",
            "2024-02-30T10:11:00Z",
            "2024-02-09 13:00 PM",
            "2024-02-09 0:00 AM",
            "2024-02-09 10:11 EST",
            "2024-02-09T10:11:12+25:00",
            "9999-12-31T23:59:59-10:00",
            "170747347",
            "now",
            "2/9/24 10:11",
            "🙂",
            &long,
        ];
        for text in cases {
            assert!(read(text, "US").is_err(), "{text}");
        }
    }
}
