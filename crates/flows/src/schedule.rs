//! Schedules: the hours of the week in which a partner receives leads.
//!
//! Local time decides: an instant is inside a window if its local day and time are. So a repeated hour counts twice, and a window
//! within a skipped hour does not open that day; all others open and close at their times, and are an hour shorter or longer.

use chrono::{DateTime, Datelike, Timelike, Utc};
use entity::assignment::{Schedule, Weekday, Window};

use super::timezone;
use leadmesh_core::error::{UserError, UserErrorCode};
use leadmesh_core::identity::texts;

/// Most windows of a schedule.
pub const MAX_WINDOWS: usize = 50;
const DAY: u32 = 24 * 60;

/// Checks a schedule; `path` is where the input has it. It has at least one window, each with at least one day; duplicate days are
/// removed.
pub fn check(schedule: Schedule, path: &str) -> Result<Schedule, UserError> {
    let timezone = texts::timezone(&schedule.timezone, &format!("{path}.timezone"))?;
    let count = schedule.windows.len();
    if count == 0 {
        let message = "give at least one window, or leave the schedule out to be open at all times";
        return Err(UserError::new(
            UserErrorCode::Required,
            &format!("{path}.windows"),
            message,
        ));
    }
    if count > MAX_WINDOWS {
        let message = format!("a schedule has {MAX_WINDOWS} windows at most");
        return Err(UserError::new(
            UserErrorCode::LimitReached,
            &format!("{path}.windows"),
            message,
        ));
    }
    let numbered = schedule.windows.into_iter().enumerate();
    let windows = numbered.map(|(index, window)| check_window(window, &format!("{path}.windows.{index}")));
    Ok(Schedule {
        timezone,
        windows: windows.collect::<Result<_, _>>()?,
    })
}

fn check_window(window: Window, path: &str) -> Result<Window, UserError> {
    let broken =
        |field: &str, message: &str| UserError::new(UserErrorCode::Invalid, &format!("{path}.{field}"), message);
    let mut days: Vec<Weekday> = Vec::new();
    for day in window.days {
        if !days.contains(&day) {
            days.push(day);
        }
    }
    if days.is_empty() {
        return Err(broken("days", "name at least one day"));
    }
    if minutes(&window.from).is_none_or(|from| from == DAY) {
        return Err(broken("from", "give a time from 00:00 to 23:59, as HH:MM"));
    }
    if minutes(&window.to).is_none() {
        return Err(broken("to", "give a time from 00:00 to 24:00, as HH:MM"));
    }
    Ok(Window { days, ..window })
}

/// Whether a stored schedule is open at an instant.
pub fn open_at(schedule: &Schedule, at: DateTime<Utc>) -> bool {
    let local = at.with_timezone(&timezone::stored(&schedule.timezone));
    let now = local.hour() * 60 + local.minute();
    let today = local.weekday();
    schedule.windows.iter().any(|window| {
        let (Some(from), Some(to)) = (minutes(&window.from), minutes(&window.to)) else {
            return false;
        };
        let begins = |day: chrono::Weekday| window.days.contains(&named(day));
        if from < to {
            begins(today) && (from..to).contains(&now)
        } else {
            (begins(today) && now >= from) || (begins(today.pred()) && now < to)
        }
    })
}

/// Minutes since midnight of a time written as `HH:MM`, `24:00` included.
fn minutes(text: &str) -> Option<u32> {
    let [h1, h2, b':', m1, m2] = text.as_bytes() else {
        return None;
    };
    let pair = |tens: &u8, ones: &u8| Some(char::from(*tens).to_digit(10)? * 10 + char::from(*ones).to_digit(10)?);
    let (hours, minutes) = (pair(h1, h2)?, pair(m1, m2)?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= DAY).then_some(total)
}

fn named(day: chrono::Weekday) -> Weekday {
    match day {
        chrono::Weekday::Mon => Weekday::Monday,
        chrono::Weekday::Tue => Weekday::Tuesday,
        chrono::Weekday::Wed => Weekday::Wednesday,
        chrono::Weekday::Thu => Weekday::Thursday,
        chrono::Weekday::Fri => Weekday::Friday,
        chrono::Weekday::Sat => Weekday::Saturday,
        chrono::Weekday::Sun => Weekday::Sunday,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WORKDAYS: [Weekday; 5] = [
        Weekday::Monday,
        Weekday::Tuesday,
        Weekday::Wednesday,
        Weekday::Thursday,
        Weekday::Friday,
    ];

    fn schedule(timezone: &str, windows: &[(&[Weekday], &str, &str)]) -> Schedule {
        let windows = windows.iter().map(|(days, from, to)| Window {
            days: days.to_vec(),
            from: (*from).into(),
            to: (*to).into(),
        });
        Schedule {
            timezone: timezone.into(),
            windows: windows.collect(),
        }
    }

    fn open(schedule: &Schedule, at: &str) -> bool {
        open_at(schedule, at.replace('Z', ":00Z").parse().unwrap())
    }

    #[test]
    fn a_window_is_open_from_its_start_until_before_its_end_on_its_days() {
        let office = schedule("America/New_York", &[(&WORKDAYS, "09:00", "17:00")]);
        for (at, expected) in [
            ("2024-07-01T12:59Z", false),
            ("2024-07-01T13:00Z", true),
            ("2024-07-01T20:59Z", true),
            ("2024-07-01T21:00Z", false),
            // Sunday.
            ("2024-06-30T15:00Z", false),
            // In winter the zone is an hour further from UTC.
            ("2024-12-02T13:30Z", false),
            ("2024-12-02T14:00Z", true),
        ] {
            assert_eq!(open(&office, at), expected, "{at}");
        }
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
        let night = schedule("UTC", &[(&[Weekday::Saturday], "22:00", "06:00")]);
        for (at, expected) in [
            ("2024-06-29T05:59Z", false),
            ("2024-06-29T21:59Z", false),
            ("2024-06-29T22:00Z", true),
            ("2024-06-30T05:59Z", true),
            ("2024-06-30T06:00Z", false),
            ("2024-06-30T22:00Z", false),
        ] {
            assert_eq!(open(&night, at), expected, "{at}");
        }
    }

    #[test]
    fn midnight_ends_a_day_and_equal_times_are_a_whole_day() {
        let evening = schedule("UTC", &[(&[Weekday::Saturday], "18:00", "24:00")]);
        assert!(open(&evening, "2024-06-29T23:59Z"));
        assert!(!open(&evening, "2024-06-30T00:00Z"));
        let round = schedule("UTC", &[(&[Weekday::Saturday], "08:00", "08:00")]);
        assert!(!open(&round, "2024-06-29T07:59Z"));
        assert!(open(&round, "2024-06-29T08:00Z"));
        assert!(open(&round, "2024-06-30T07:59Z"));
        assert!(!open(&round, "2024-06-30T08:00Z"));
    }

    #[test]
    fn the_clocks_on_the_wall_decide_when_they_change() {
        let early = schedule("Europe/Berlin", &[(&[Weekday::Sunday], "02:00", "03:00")]);
        // Skipped on the last Sunday of March: 01:59 is followed by 03:00.
        assert!(!open(&early, "2024-03-31T00:59Z"));
        assert!(!open(&early, "2024-03-31T01:00Z"));
        // Shown twice on the last Sunday of October.
        assert!(open(&early, "2024-10-27T00:30Z"));
        assert!(open(&early, "2024-10-27T01:30Z"));
        assert!(!open(&early, "2024-10-27T02:00Z"));
        let night = schedule("Europe/Berlin", &[(&[Weekday::Saturday], "22:00", "04:00")]);
        assert!(open(&night, "2024-03-31T01:59Z"));
        assert!(!open(&night, "2024-03-31T02:00Z"));
    }

    #[test]
    fn what_cannot_be_a_schedule_is_refused_where_it_stands() {
        let monday = &[Weekday::Monday][..];
        let cases = [
            (schedule("Nowhere", &[(monday, "09:00", "17:00")]), "schedule.timezone"),
            (schedule("UTC", &[]), "schedule.windows"),
            (schedule("UTC", &[(monday, "09:00", "17:00"); 51]), "schedule.windows"),
            (schedule("UTC", &[(&[], "09:00", "17:00")]), "schedule.windows.0.days"),
            (
                schedule("UTC", &[(monday, "24:00", "17:00")]),
                "schedule.windows.0.from",
            ),
            (schedule("UTC", &[(monday, "9:00", "17:00")]), "schedule.windows.0.from"),
            (
                schedule("UTC", &[(monday, "09:00", "17:00"), (monday, "09:60", "17:00")]),
                "schedule.windows.1.from",
            ),
            (schedule("UTC", &[(monday, "09:00", "24:01")]), "schedule.windows.0.to"),
            (
                schedule("UTC", &[(monday, "09:00", "17:00:00")]),
                "schedule.windows.0.to",
            ),
            (schedule("UTC", &[(monday, "09:00", "１7:00")]), "schedule.windows.0.to"),
        ];
        for (schedule, path) in cases {
            assert_eq!(check(schedule, "schedule").unwrap_err().path.join("."), path);
        }
        let twice = schedule("UTC", &[(&[Weekday::Monday, Weekday::Monday], "00:00", "24:00")]);
        assert_eq!(check(twice, "schedule").unwrap().windows[0].days, monday);
    }

    fn time() -> impl Strategy<Value = String> {
        (0..24_u32, 0..60_u32).prop_map(|(hours, minutes)| format!("{hours:02}:{minutes:02}"))
    }

    /// Zones whose clocks change in either half of the world, by a whole hour and by half of one, and the days of both changes.
    const CHANGES: [(&str, [&str; 2]); 6] = [
        ("Europe/Berlin", ["2024-03-31", "2024-10-27"]),
        ("America/New_York", ["2024-03-10", "2024-11-03"]),
        ("America/St_Johns", ["2024-03-10", "2024-11-03"]),
        ("Australia/Lord_Howe", ["2024-04-07", "2024-10-06"]),
        // At midnight, so that it is the evening before that is an hour longer.
        ("America/Santiago", ["2024-04-06", "2024-09-08"]),
        ("Pacific/Auckland", ["2024-04-07", "2024-09-29"]),
    ];

    /// What the clocks on the wall show, minute by minute, for the day before a change, its day, and the day after.
    fn around(zone: &str, day: &str) -> impl Iterator<Item = (DateTime<Utc>, chrono::NaiveDateTime)> {
        let zone = timezone::stored(zone);
        let noon: DateTime<Utc> = format!("{day}T12:00:00Z").parse().unwrap();
        let minutes = -36 * 60..36 * 60;
        minutes.map(move |minute| {
            let at = noon + chrono::TimeDelta::minutes(minute);
            (at, at.with_timezone(&zone).naive_local())
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// A window that began before a change is open until the clocks show its end, however often or seldom they show it.
        #[test]
        fn over_a_change_of_the_clocks_the_time_shown_decides(
            change in 0..CHANGES.len(),
            second: bool,
            from in time(),
            to in time(),
            day in 0..7_usize,
        ) {
            let all = [&WORKDAYS[..], &[Weekday::Saturday, Weekday::Sunday]].concat();
            let (zone, days) = CHANGES[change];
            let one = schedule(zone, &[(&all[day..=day], &from, &to)]);
            let every = schedule(zone, &[(&all, &from, &to)]);
            let (from, to) = (minutes(&from).unwrap(), minutes(&to).unwrap());
            for (at, shown) in around(zone, days[usize::from(second)]) {
                let minute = shown.hour() * 60 + shown.minute();
                let inside = if from < to { minute >= from && minute < to } else { minute >= from || minute < to };
                prop_assert_eq!(open_at(&every, at), inside, "{} {}", at, shown);
                // After midnight it is the day before that counts.
                let began = if from >= to && minute < to && minute < from { shown.date().pred_opt().unwrap() } else { shown.date() };
                let own = named(began.weekday()) == all[day];
                prop_assert_eq!(open_at(&one, at), inside && own, "{} {}", at, shown);
            }
        }

        /// A day of 23 or 25 hours is open for as long as its window, the change given or taken.
        #[test]
        fn a_whole_day_is_as_long_as_the_clocks_make_it(change in 0..CHANGES.len(), second: bool) {
            let (zone, days) = CHANGES[change];
            let all = [&WORKDAYS[..], &[Weekday::Saturday, Weekday::Sunday]].concat();
            let date: chrono::NaiveDate = days[usize::from(second)].parse().unwrap();
            let today = all.iter().position(|day| *day == named(date.weekday())).unwrap();
            let whole = schedule(zone, &[(&all[today..=today], "00:00", "24:00")]);
            let open = around(zone, days[usize::from(second)]).filter(|(at, _)| open_at(&whole, *at)).count();
            let shown = around(zone, days[usize::from(second)]).filter(|(_, shown)| shown.date() == date).count();
            prop_assert_eq!(open, shown);
            prop_assert!(shown != 24 * 60, "the clocks do not change on {} in {}", date, zone);
        }
    }

    proptest! {
        #[test]
        fn a_window_and_its_complement_are_never_open_together(
            from in time(),
            to in time(),
            zone in proptest::sample::select(&chrono_tz::TZ_VARIANTS[..]),
            at in 946_684_800_i64..2_208_988_800,
        ) {
            prop_assume!(from != to);
            let every_day = [&WORKDAYS[..], &[Weekday::Saturday, Weekday::Sunday]].concat();
            let at = DateTime::from_timestamp(at, 0).unwrap();
            let inside = open_at(&schedule(zone.name(), &[(&every_day, &from, &to)]), at);
            let recipients = open_at(&schedule(zone.name(), &[(&every_day, &to, &from)]), at);
            prop_assert!(inside != recipients);
        }
    }
}
