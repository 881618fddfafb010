//! Windows at every kind of clock change, and which lists of caps are allowed.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn cap(period: CapPeriod, timezone: &str) -> Cap {
    Cap {
        id: CapId(Uuid::from_u128(1)),
        period,
        limit: 1,
        timezone: timezone.into(),
    }
}

fn shown(period: CapPeriod, timezone: &str, at: &str) -> (String, String) {
    let (start, end) = window(&cap(period, timezone), at.parse().unwrap());
    let text = |instant: DateTime<Utc>| instant.format("%FT%RZ").to_string();
    (text(start), end.map_or_else(|| "never".to_owned(), text))
}

/// Each line: period, zone, an instant, and the start and end of the window that contains it.
fn check_windows(table: &str) {
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [period, zone, at, start, end] = words[..] else {
            panic!("{line}")
        };
        let period = serde_json::from_value(period.into()).unwrap();
        let expected = (start.to_owned(), end.to_owned());
        assert_eq!(shown(period, zone, &at.replace('Z', ":00Z")), expected, "{line}");
    }
}

#[test]
fn windows_follow_the_calendar_of_the_zone() {
    check_windows(
        "DAY      America/New_York 2024-07-01T03:59Z 2024-06-30T04:00Z 2024-07-01T04:00Z
         WEEK     UTC              2024-05-12T23:59Z 2024-05-06T00:00Z 2024-05-13T00:00Z
         WEEK     UTC              2024-05-13T00:00Z 2024-05-13T00:00Z 2024-05-20T00:00Z
         MONTH    Asia/Tokyo       2024-01-31T15:00Z 2024-01-31T15:00Z 2024-02-29T15:00Z
         MONTH    UTC              2024-12-31T23:59Z 2024-12-01T00:00Z 2025-01-01T00:00Z
         LIFETIME UTC              2024-12-31T23:59Z 1970-01-01T00:00Z never",
    );
}

#[test]
fn hours_begin_when_the_clocks_of_the_zone_show_a_full_one() {
    check_windows("HOUR Asia/Kathmandu 2024-05-15T10:14Z 2024-05-15T09:15Z 2024-05-15T10:15Z");
}

#[test]
fn a_day_on_which_clocks_change_has_23_or_25_hours() {
    check_windows(
        "DAY Europe/Berlin 2024-03-31T12:00Z 2024-03-30T23:00Z 2024-03-31T22:00Z
         DAY Europe/Berlin 2024-10-27T12:00Z 2024-10-26T22:00Z 2024-10-27T23:00Z",
    );
}

#[test]
fn an_hour_that_comes_twice_is_two_windows() {
    check_windows(
        "HOUR Europe/Berlin 2024-10-27T00:30Z 2024-10-27T00:00Z 2024-10-27T01:00Z
         HOUR Europe/Berlin 2024-10-27T01:30Z 2024-10-27T01:00Z 2024-10-27T02:00Z",
    );
}

#[test]
fn a_day_without_midnight_starts_at_its_first_instant() {
    check_windows(
        "DAY America/Sao_Paulo 2018-11-04T02:59Z 2018-11-03T03:00Z 2018-11-04T03:00Z
         DAY America/Sao_Paulo 2018-11-04T03:00Z 2018-11-04T03:00Z 2018-11-05T02:00Z",
    );
}

#[test]
fn a_day_that_has_begun_goes_on_when_clocks_go_back_over_midnight() {
    // From 00:01 to 23:01 of the day before.
    check_windows("DAY America/St_Johns 2010-11-07T02:45Z 2010-11-07T02:30Z 2010-11-08T03:30Z");
}

#[test]
fn a_day_that_a_zone_skips_has_no_window() {
    check_windows(
        "DAY Pacific/Apia 2011-12-30T09:59Z 2011-12-29T10:00Z 2011-12-30T10:00Z
         DAY Pacific/Apia 2011-12-30T10:00Z 2011-12-30T10:00Z 2011-12-31T10:00Z",
    );
}

#[test]
fn an_hour_in_whose_middle_clocks_change_is_cut_there() {
    check_windows(
        "HOUR Australia/Lord_Howe 2024-04-06T14:30Z 2024-04-06T14:00Z 2024-04-06T15:00Z
         HOUR Australia/Lord_Howe 2024-04-06T15:10Z 2024-04-06T15:00Z 2024-04-06T15:30Z",
    );
}

fn input(period: CapPeriod, limit: i32, timezone: Option<&str>) -> CapInput {
    CapInput {
        period,
        limit,
        timezone: timezone.map(Into::into),
    }
}

fn checked(inputs: &[CapInput], old: &Caps) -> Result<Caps, UserError> {
    let mut next = 100;
    check(inputs, old, "Europe/Berlin", "input.caps", || {
        next += 1;
        CapId(Uuid::from_u128(next))
    })
}

#[test]
fn a_cap_keeps_its_identifier_while_period_and_zone_stay() {
    let day = input(CapPeriod::Day, 5, None);
    let first = checked(&[day], &Caps::default()).unwrap();
    assert_eq!(first.0[0].timezone, "Europe/Berlin");
    let raised = [
        input(CapPeriod::Hour, 1, None),
        input(CapPeriod::Day, 6, Some("Europe/Berlin")),
    ];
    let second = checked(&raised, &first).unwrap();
    assert_eq!((second.0[1].id, second.0[1].limit), (first.0[0].id, 6));
    let moved = checked(
        &[input(CapPeriod::Day, 6, Some("UTC"))],
        &Caps(vec![cap(CapPeriod::Day, "Europe/Berlin")]),
    );
    assert_ne!(moved.unwrap().0[0].id, CapId(Uuid::from_u128(1)));
}

#[test]
fn lists_that_contradict_themselves_or_leave_the_bounds_are_refused() {
    let day = input(CapPeriod::Day, 5, None);
    let cases = [
        (vec![day.clone(), day.clone()], "input.caps.1.period"),
        (vec![input(CapPeriod::Day, -1, None)], "input.caps.0.limit"),
        (vec![input(CapPeriod::Day, MAX_LIMIT + 1, None)], "input.caps.0.limit"),
        (vec![input(CapPeriod::Day, 1, Some("Nowhere"))], "input.caps.0.timezone"),
        (vec![day.clone(); 11], "input.caps"),
    ];
    for (inputs, path) in cases {
        let broken = checked(&inputs, &Caps::default()).unwrap_err();
        assert_eq!(broken.path.join("."), path);
    }
    assert!(
        checked(
            &[input(CapPeriod::Hour, 0, None), input(CapPeriod::Day, MAX_LIMIT, None)],
            &Caps::default()
        )
        .is_ok()
    );
}

fn any_period() -> impl Strategy<Value = CapPeriod> {
    prop_oneof![
        Just(CapPeriod::Hour),
        Just(CapPeriod::Day),
        Just(CapPeriod::Week),
        Just(CapPeriod::Month)
    ]
}

/// From 1990 to 2040.
fn any_instant() -> impl Strategy<Value = DateTime<Utc>> {
    (631_152_000_000_i64..2_208_988_800_000).prop_map(|millis| DateTime::from_timestamp_millis(millis).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn windows_contain_their_instant_and_follow_one_another_without_gap(
        period in any_period(),
        zone in proptest::sample::select(&chrono_tz::TZ_VARIANTS[..]),
        at in any_instant(),
    ) {
        let cap = cap(period, zone.name());
        let (start, end) = window(&cap, at);
        let end = end.unwrap();
        prop_assert!(start <= at && at < end);
        prop_assert_eq!(window(&cap, start), (start, Some(end)));
        prop_assert_eq!(window(&cap, end - chrono::Duration::microseconds(1)), (start, Some(end)));
        prop_assert_eq!(window(&cap, end).0, end);
    }
}
