//! Time zones by IANA name, and the instants at which local times begin.

use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};

/// The zone of a stored name. A name that this build no longer knows counts as UTC: a cap with wrong hours is better than a flow
/// that stops.
pub fn stored(name: &str) -> Tz {
    name.parse().unwrap_or(Tz::UTC)
}

/// The first instant with that local time: the earlier one of a repeated time, the end of the gap of a skipped one.
pub fn first_instant(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    let instant = zone
        .from_local_datetime(&local)
        .earliest()
        .or_else(|| GapInfo::new(&local, &zone)?.end);
    instant.map_or_else(|| local.and_utc(), |instant| instant.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    #[test]
    fn a_zone_that_is_not_known_any_more_counts_as_utc() {
        assert_eq!(stored("Europe/Berlin"), Tz::Europe__Berlin);
        assert_eq!(stored("Mars/Olympus_Mons"), Tz::UTC);
    }

    #[test]
    fn a_skipped_time_begins_where_the_gap_ends_and_a_repeated_one_at_its_first_pass() {
        let cases = [
            (Tz::Europe__Berlin, "2024-01-15T12:00:00", "2024-01-15T11:00:00Z"),
            (Tz::Europe__Berlin, "2024-03-31T02:30:00", "2024-03-31T01:00:00Z"),
            (Tz::Europe__Berlin, "2024-10-27T02:30:00", "2024-10-27T00:30:00Z"),
            (Tz::America__Sao_Paulo, "2018-11-04T00:00:00", "2018-11-04T03:00:00Z"),
            (Tz::Pacific__Apia, "2011-12-30T00:00:00", "2011-12-30T10:00:00Z"),
        ];
        for (zone, at, expected) in cases {
            let expected: DateTime<Utc> = expected.parse().unwrap();
            assert_eq!(first_instant(zone, local(at)), expected, "{zone} {at}");
        }
    }
}
