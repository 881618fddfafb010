use entity::delivery::{DeliveryStatus, Reservations};
use entity::delivery_config::Channel;
use entity::ids::{AccountId, DeliveryId};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const FAILS: Signal = Signal::Fails { retry_after: None };

fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn delivery(number: u128, channel: Channel) -> delivery::Model {
    delivery::Model {
        id: DeliveryId(Uuid::from_u128(number)),
        account_id: AccountId(Uuid::from_u128(7)),
        lead_id: Uuid::nil().into(),
        flow_id: Uuid::nil().into(),
        step_id: None,
        profile_id: None,
        assignment_id: None,
        partner_id: Some(Uuid::from_u128(8).into()),
        buyer_account_id: None,
        connection_id: None,
        settings_id: Uuid::from_u128(9).into(),
        channel,
        status: DeliveryStatus::Sending,
        test: false,
        attempt_count: 1,
        attempts_before: 0,
        budget_since: start(),
        due_at: None,
        lease_owner: None,
        failure_code: None,
        failure_message: None,
        external_id: None,
        price_e4: None,
        price_currency: None,
        review: None,
        review_by: None,
        review_at: None,
        review_reason: None,
        reservations: Reservations::default(),
        created_at: start(),
        settled_at: None,
        suspended_for: None,
        follows: None,
        erased_at: None,
    }
}

/// After an attempt of the delivery of that number, so many seconds after the start.
fn see(kept: Option<Model>, number: u128, signal: Signal, at: i64) -> Option<Model> {
    let delivery = delivery(number, Channel::Webhook);
    let observed = Observation {
        delivery: &delivery,
        signal,
        message: "the destination answered 500",
    };
    next(kept, observed, start() + TimeDelta::seconds(at), 0.0)
}

fn paused() -> Model {
    (0..10).fold(None, |kept, _| see(kept, 1, FAILS, 0)).unwrap()
}

fn until(row: &Model) -> i64 {
    (row.open_until.unwrap() - start()).num_seconds()
}

/// The pause is over, and that delivery tries.
fn probed(row: Model, number: u128) -> Model {
    Model {
        probe_id: Some(DeliveryId(Uuid::from_u128(number))),
        ..row
    }
}

#[test]
fn ten_failures_in_a_row_pause_and_a_success_among_them_does_not() {
    let nine = (0..9).fold(None, |kept, _| see(kept, 1, FAILS, 0));
    assert_eq!(
        nine.as_ref().map(|row| (row.failures, row.open_reason)),
        Some((9, None))
    );
    assert_eq!(see(nine.clone(), 1, Signal::Works, 0), None);
    assert_eq!(see(nine.clone(), 1, Signal::Silent, 0), nine);
    let row = see(nine, 1, FAILS, 0).unwrap();
    assert_eq!(
        (row.open_reason, row.opened_at, until(&row)),
        (Some(OpenReason::Failing), Some(start()), 10)
    );
    assert_eq!(row.last_error, "the destination answered 500");
    assert!(row.is_open(start() + TimeDelta::days(1)), "until it is tried");
}

#[test]
fn pauses_double_to_five_minutes_and_only_the_probe_makes_the_next() {
    let lengths: Vec<i64> = (1..=8).map(|number| pause(number, 0.0).num_seconds()).collect();
    assert_eq!(lengths, [10, 20, 40, 80, 160, 300, 300, 300]);
    assert_eq!(pause(i32::MAX, 1.0).num_seconds(), 360);
    let still = see(Some(paused()), 2, FAILS, 5).unwrap();
    assert_eq!(
        (until(&still), still.pauses, still.failures),
        (10, 1, 11),
        "it was under way before"
    );
    let again = see(Some(probed(still, 3)), 3, FAILS, 12).unwrap();
    assert_eq!((until(&again), again.pauses, again.probe_id), (32, 2, None));
    assert_eq!(again.opened_at, Some(start()));
    assert_eq!(see(Some(again), 4, Signal::Works, 13), None);
}

#[test]
fn a_hold_ends_at_a_time_that_databases_can_keep() {
    for jitter in [0.123_456_789_123, 0.999_999_999] {
        assert_eq!(pause(3, jitter).subsec_nanos() % 1_000, 0);
    }
    assert_eq!(back_off(Duration::MAX), MAX_BACK_OFF);
}

#[test]
fn whoever_is_busy_gets_peace_and_is_not_paused() {
    let asked = |seconds| Signal::Busy {
        retry_after: Some(Duration::from_secs(seconds)),
    };
    let row = (0..20).fold(None, |kept, _| see(kept, 1, asked(7), 0)).unwrap();
    assert_eq!(
        (row.open_reason, until(&row), row.failures),
        (Some(OpenReason::Throttled), 7, 20)
    );
    assert!(row.is_open(start() + TimeDelta::seconds(6)) && !row.is_open(start() + TimeDelta::seconds(7)));
    let shorter = see(Some(row.clone()), 1, asked(1), 0).unwrap();
    assert_eq!(until(&shorter), 7, "peace is not shortened");
    assert_eq!(
        see(Some(row.clone()), 1, Signal::Works, 6),
        Some(row.clone()),
        "nor by a success"
    );
    assert_eq!(see(Some(row), 1, Signal::Works, 7), None);
    assert_eq!(until(&see(None, 1, asked(864_000), 0).unwrap()), 3_600);
    assert_eq!(until(&see(None, 1, Signal::Busy { retry_after: None }, 0).unwrap()), 5);
}

#[test]
fn a_failure_with_retry_after_is_left_alone_as_long_as_it_asks() {
    let asked = Signal::Fails {
        retry_after: Some(Duration::from_mins(1)),
    };
    let row = see(None, 1, asked, 0).unwrap();
    assert_eq!((row.open_reason, until(&row)), (Some(OpenReason::Throttled), 60));
    let nine = (0..9).fold(None, |kept, _| see(kept, 1, FAILS, 0));
    let row = see(nine, 1, asked, 0).unwrap();
    assert_eq!((row.open_reason, until(&row)), (Some(OpenReason::Failing), 60));
}

#[test]
fn what_is_gone_stays_gone_whatever_else_is_seen() {
    let gone = see(None, 1, Signal::Gone, 0).unwrap();
    assert_eq!((gone.open_reason, gone.open_until), (Some(OpenReason::Gone), None));
    for signal in [
        Signal::Works,
        Signal::Silent,
        FAILS,
        Signal::Busy { retry_after: None },
        Signal::Gone,
    ] {
        let kept = see(Some(gone.clone()), 2, signal, 1).unwrap();
        assert_eq!(
            (kept.open_reason, kept.opened_at, kept.open_until),
            (gone.open_reason, gone.opened_at, None)
        );
    }
    let probe = see(Some(probed(paused(), 5)), 5, Signal::Gone, 20).unwrap();
    assert_eq!(
        (probe.open_reason, probe.opened_at),
        (Some(OpenReason::Gone), Some(start() + TimeDelta::seconds(20)))
    );
}

#[test]
fn mail_says_something_of_the_accounts_server_and_a_portal_of_nothing() {
    let mail = delivery(1, Channel::Email);
    let observed = Observation {
        delivery: &mail,
        signal: FAILS,
        message: "",
    };
    let row = next(None, observed, start(), 0.5).unwrap();
    assert_eq!((row.id, row.partner_id), (mail.account_id.0, None));
    let portal = delivery(1, Channel::Portal);
    assert_eq!(
        next(
            None,
            Observation {
                delivery: &portal,
                ..observed
            },
            start(),
            0.5
        ),
        None
    );
}

fn bearings() -> impl Strategy<Value = Signal> {
    let asked = || prop::option::of((0..100_000_u64).prop_map(Duration::from_secs));
    prop_oneof![
        Just(Signal::Works),
        Just(Signal::Silent),
        asked().prop_map(|retry_after| Signal::Fails { retry_after }),
        asked().prop_map(|retry_after| Signal::Busy { retry_after }),
        Just(Signal::Gone),
    ]
}

proptest! {
    #[test]
    fn a_hold_has_a_beginning_and_all_but_410_an_end(observed in prop::collection::vec((bearings(), 1..4_u128, 0..600_i64), 1..80), jitter in 0.0..1.0) {
        let (mut kept, mut now) = (None::<Model>, start());
        for (signal, number, later) in observed {
            now += TimeDelta::seconds(later);
            let one = delivery(number, Channel::Webhook);
            kept = next(kept.map(|row| probed(row, 1)), Observation { delivery: &one, signal, message: "" }, now, jitter);
            if let Some(row) = &kept {
                prop_assert_eq!(row.open_reason.is_some(), row.opened_at.is_some());
                prop_assert_eq!(row.open_reason.is_some() && row.open_reason != Some(OpenReason::Gone), row.open_until.is_some());
                prop_assert!(row.open_until.is_none_or(|until| until <= now + TimeDelta::hours(1)));
            }
        }
    }
}
