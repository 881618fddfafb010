//! The DATE type.

use super::calendar::parse;
use super::datetime;

/// Reads a date as `YYYY-MM-DD`. A time of day after it is checked and dropped, without a conversion between time zones.
pub(super) fn read(text: &str, country: &str) -> Result<String, String> {
    let date = parse(text, country).or_else(|| datetime::split(text).and_then(|(date, _)| parse(date, country)));
    let message =
        || "This is not a date. Send it as 2024-12-31; the year needs four digits, and the day must exist.".to_owned();
    date.map(|date| date.format("%Y-%m-%d").to_string()).ok_or_else(message)
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
