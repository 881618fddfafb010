//! Calendar dates.

use chrono::{Datelike, NaiveDate};

use super::datetime;

/// Years outside are typing errors (`0024`, `20245`).
pub(super) const YEARS: std::ops::RangeInclusive<i32> = 1000..=9999;

/// The longest text that may hold a date, in bytes.
const MAX_DATE: usize = 64;

/// Reads a date as `YYYY-MM-DD`. A time of day behind it is checked and dropped, without moving the date between zones.
pub(super) fn read(text: &str, country: &str) -> Result<String, String> {
    let date = parse(text, country).or_else(|| datetime::split(text).and_then(|(date, _)| parse(date, country)));
    let message =
        || "This is not a date. Send it as 2024-12-31; the year needs four digits, and the day must exist.".to_owned();
    date.map(|date| date.format("%Y-%m-%d").to_string()).ok_or_else(message)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_in_usual_forms_are_read() {
        let cases = [
            ("2024-02-29", "2024-02-29"),
            ("2024/2/9", "2024-02-09"),
            ("20240229", "2024-02-29"),
            ("2024.02.09", "2024-02-09"),
            ("2/9/2024", "2024-02-09"),
            ("02-09-2024", "2024-02-09"),
            ("31/12/2024", "2024-12-31"),
            ("9.2.2024", "2024-02-09"),
            ("9. 2. 2024", "2024-02-09"),
            ("Feb 9, 2024", "2024-02-09"),
            ("9 February 2024", "2024-02-09"),
            ("February 9th 2024", "2024-02-09"),
            ("Fri, 9 Feb 2024", "2024-02-09"),
            ("9-Feb-2024", "2024-02-09"),
            ("2024-Feb-09", "2024-02-09"),
            ("Sept. 9, 2024", "2024-09-09"),
            ("the 9th of May 2024", ""),
            ("9th of May 2024", "2024-05-09"),
            ("2024-02-09T23:30:00-08:00", "2024-02-09"),
            ("2/9/2024 3:04 PM", "2024-02-09"),
            ("٢٠٢٤-٠٢-٠٩", "2024-02-09"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text, "US").ok().as_deref().unwrap_or_default(), expected, "{text}");
        }
    }

    #[test]
    fn the_country_decides_between_day_and_month() {
        let cases = [
            ("US", "2024-02-09"),
            ("CA", "2024-02-09"),
            ("GB", "2024-09-02"),
            ("DE", "2024-09-02"),
            ("", "2024-09-02"),
        ];
        for (country, expected) in cases {
            assert_eq!(read("2/9/2024", country).as_deref(), Ok(expected), "{country}");
        }
        assert_eq!(read("12/31/2024", "GB").as_deref(), Ok("2024-12-31"));
    }

    #[test]
    fn other_texts_are_no_dates() {
        let long = "2".repeat(10_000);
        let cases = [
            "2023-02-29",
            "2/9/24",
            "13/13/2024",
            "2024-13-01",
            "24-02-09",
            "0024-02-09",
            "20245-01-01",
            "2024-02",
            "yesterday",
            "00000000",
            "1707436800",
            "2024-02-09T25:00:00Z",
            "2024/02-09",
            "Feb 2024",
            "9 Febtober 2024",
            "1/2/3/2024",
            "🙂",
            &long,
        ];
        for text in cases {
            assert!(read(text, "US").is_err(), "{text}");
        }
    }
}
