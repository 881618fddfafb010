//! Parsing calendar dates.

use chrono::{Datelike, NaiveDate};

/// Years outside are typing errors (`0024`, `20245`).
pub(super) const YEARS: std::ops::RangeInclusive<i32> = 1000..=9999;

/// The longest text that may hold a date, in bytes.
const MAX_DATE: usize = 64;

/// Reads a date in these forms, with `-`, `/`, `.` or a space between the parts:
///
/// - year, month, day, also without separators (`20241231`);
/// - two numbers and the year: with full stops day first; otherwise month first for a lead of the United States, its
///   territories, Canada and the Philippines, and day first elsewhere. If that is no date but the other order is one,
///   that order is meant (`31/12/2024`);
/// - an English month name with day and year in any usual order, a weekday in front being ignored.
///
/// A year of two digits is refused: nothing says whether a birthday in 24 is a child's or a centenarian's.
pub(super) fn parse(text: &str, country: &str) -> Option<NaiveDate> {
    if text.len() > MAX_DATE {
        return None;
    }
    let text: String = text.trim().chars().map(super::fold::ascii_digit).collect();
    let date = if text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()) {
        NaiveDate::parse_from_str(&text, "%Y%m%d").ok()
    } else if text.contains(char::is_alphabetic) {
        named(&text)
    } else {
        numeric(&text, country)
    };
    date.filter(|date| YEARS.contains(&date.year()))
}

fn numeric(text: &str, country: &str) -> Option<NaiveDate> {
    let separator = text
        .chars()
        .find(|c| !c.is_ascii_digit())
        .filter(|c| matches!(c, '-' | '/' | '.' | ' '))?;
    let parts: Vec<&str> = text
        .split(separator)
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    let &[first, second, third] = parts.as_slice() else {
        return None;
    };
    if let Some(year) = year(first) {
        return NaiveDate::from_ymd_opt(year, short(second)?, short(third)?);
    }
    let (first, second, year) = (short(first)?, short(second)?, year(third)?);
    let day_first = NaiveDate::from_ymd_opt(year, second, first);
    let month_first = NaiveDate::from_ymd_opt(year, first, second);
    if separator != '.' && writes_month_first(country) {
        month_first.or(day_first)
    } else {
        day_first.or(month_first)
    }
}

fn writes_month_first(country: &str) -> bool {
    matches!(country, "US" | "AS" | "GU" | "MP" | "PR" | "UM" | "VI" | "CA" | "PH")
}

fn named(text: &str) -> Option<NaiveDate> {
    let lower = text.to_lowercase();
    let parts = lower
        .split([' ', ',', '-', '/', '.', '\u{a0}'])
        .filter(|part| !part.is_empty() && *part != "of");
    let parts: Vec<&str> = parts.skip_while(|part| is_weekday(part)).collect();
    let &[first, second, third] = parts.as_slice() else {
        return None;
    };
    let (month, day, year_text) = match (month(first), month(second)) {
        (Some(month), _) => (month, second, third),
        (None, Some(month)) if year(first).is_some() => (month, third, first),
        (None, Some(month)) => (month, first, third),
        (None, None) => return None,
    };
    let day = ["st", "nd", "rd", "th"]
        .iter()
        .find_map(|ending| day.strip_suffix(ending))
        .unwrap_or(day);
    NaiveDate::from_ymd_opt(year(year_text)?, month, short(day)?)
}

fn year(text: &str) -> Option<i32> {
    text.parse()
        .ok()
        .filter(|_| text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit()))
}

fn short(text: &str) -> Option<u32> {
    text.parse()
        .ok()
        .filter(|_| text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit()))
}

/// The months of the year, in English.
pub const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

fn month(word: &str) -> Option<u32> {
    let at = MONTHS.iter().position(|name| abbreviates(word, name, 3))?;
    u32::try_from(at + 1).ok()
}

fn is_weekday(word: &str) -> bool {
    const DAYS: [&str; 7] = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ];
    DAYS.iter().any(|name| abbreviates(word, name, 2))
}

fn abbreviates(word: &str, name: &str, at_least: usize) -> bool {
    word.len() >= at_least && name.starts_with(word)
}
