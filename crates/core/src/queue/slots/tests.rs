use entity::ids::PartnerId;
use uuid::Uuid;

use super::*;

fn partner(number: u128) -> Destination {
    Destination::Partner(PartnerId(Uuid::from_u128(number)))
}

fn account(number: u128) -> AccountId {
    AccountId(Uuid::from_u128(number))
}

/// As many slots as an account gets, at as many partners as it takes.
fn all_of(slots: &Slots, number: u128, retry: bool) -> Vec<Slot> {
    let partners = (0..1_000).map(|one| partner(number * 1_000 + one));
    partners
        .map_while(|partner| slots.try_take(account(number), partner, retry))
        .collect()
}

#[test]
fn a_destination_never_has_more_than_its_share() {
    let slots = Slots::new(8, 2);
    let first = slots.try_take(account(1), partner(1), false);
    let second = slots.try_take(account(1), partner(1), false);
    assert!(first.is_some() && second.is_some());
    assert!(slots.try_take(account(1), partner(1), false).is_none());
    assert_eq!(slots.full_destinations(false), [partner(1)]);
    assert!(slots.try_take(account(1), partner(2), false).is_some());
    drop(first);
    assert!(slots.try_take(account(1), partner(1), false).is_some());
}

#[test]
fn a_destination_is_free_when_the_exchange_is_over_and_the_process_when_it_is_recorded() {
    let slots = Slots::new(2, 1);
    let mut first = slots.try_take(account(1), partner(1), false).unwrap();
    first.leave_destination();
    let second = slots.try_take(account(1), partner(1), false);
    assert!(second.is_some() && slots.try_take(account(1), partner(2), false).is_none());
    drop(first);
    assert!(slots.try_take(account(1), partner(2), false).is_some());
    assert_eq!(slots.full_destinations(false), [partner(1)]);
}

#[test]
fn a_destination_that_fails_has_ever_fewer_at_once_until_it_works_again() {
    let slots = Slots::new(64, 16);
    let at_once = || {
        std::iter::from_fn(|| slots.try_take(account(1), partner(1), true))
            .collect::<Vec<_>>()
            .len()
    };
    let mut shares = vec![at_once()];
    for _ in 0..5 {
        slots.halve_limit(partner(1));
        shares.push(at_once());
    }
    assert_eq!(shares, [16, 8, 4, 2, 1, 1]);
    assert!(
        (0..16).all(|_| slots.try_take(account(1), partner(2), true).is_some()),
        "others have all of theirs"
    );
    let held = slots.try_take(account(1), partner(1), true);
    assert_eq!(slots.full_destinations(true), [partner(1)]);
    drop(held);
    shares = (0..5)
        .map(|_| {
            slots.double_limit(partner(1));
            at_once()
        })
        .collect();
    assert_eq!(shares, [2, 4, 8, 16, 16]);
}

#[test]
fn retries_leave_a_quarter_to_first_attempts() {
    let slots = Slots::new(4, 4);
    let held: Vec<Slot> = std::iter::from_fn(|| slots.try_take(account(1), partner(1), true)).collect();
    assert_eq!((held.len(), slots.free()), (3, 1));
    assert!(slots.try_take(account(1), partner(1), false).is_some());
}

#[test]
fn first_attempts_leave_an_eighth_to_retries_that_wait() {
    let slots = Slots::new(100, 16);
    slots.set_retries_wait(true);
    let held: Vec<Slot> = std::iter::from_fn(|| slots.try_take(account(1), partner(1), false)).collect();
    assert_eq!(held.len(), 14, "of the destination's 16");
    assert_eq!(slots.full_destinations(false), [partner(1)]);
    assert!(slots.full_destinations(true).is_empty());
    let retries: Vec<Slot> = std::iter::from_fn(|| slots.try_take(account(1), partner(1), true)).collect();
    assert_eq!(retries.len(), 2);
    slots.set_retries_wait(false);
    assert!(
        slots.try_take(account(1), partner(1), false).is_none(),
        "the retries have the rest"
    );
}

#[test]
fn an_account_alone_has_all_slots() {
    let slots = Slots::new(256, 64);
    let held = all_of(&slots, 1, false);
    assert_eq!((held.len(), slots.free()), (256, 0));
}

#[test]
fn an_account_that_is_not_alone_leaves_a_quarter_and_never_takes_it_from_who_has_less() {
    let slots = Slots::new(256, 64);
    drop(slots.try_take(account(2), partner(2), false));
    let mut big = all_of(&slots, 1, false);
    assert_eq!((big.len(), slots.full_accounts(false)), (192, vec![account(1)]));
    let other = all_of(&slots, 2, false);
    assert_eq!((other.len(), slots.free()), (48, 16));
    assert!(!all_of(&slots, 3, false).is_empty(), "there is one for who has none");
    big.truncate(160);
    assert!(
        slots.try_take(account(1), partner(1), false).is_none(),
        "it has more than its share still"
    );
    assert!(slots.try_take(account(2), partner(2), false).is_some());
}

#[test]
fn accounts_that_want_everything_end_with_the_same_share() {
    let slots = Slots::new(256, 64);
    let mut held: Vec<Vec<Slot>> = (1..=3).map(|_| Vec::new()).collect();
    for round in 0..2_000 {
        let one = round % 3;
        if round % 5 == 0 {
            held[one].pop();
        }
        held[one].extend(slots.try_take(account(one as u128), partner(round as u128), false));
    }
    let counts: Vec<usize> = held.iter().map(Vec::len).collect();
    assert!(counts.iter().all(|count| (74..=78).contains(count)), "{counts:?}");
    assert!((24..=28).contains(&slots.free()), "{}", slots.free());
}

#[test]
fn an_account_s_first_attempts_do_not_take_the_slots_of_its_retries() {
    let slots = Slots::new(256, 64);
    drop(slots.try_take(account(2), partner(2), false));
    slots.set_retries_wait(true);
    let first = all_of(&slots, 1, false);
    assert_eq!(first.len(), 168);
    let later = all_of(&slots, 1, true);
    assert_eq!(
        later.len(),
        18,
        "three times as many as it leaves of the 192 for retries"
    );
    assert!(slots.try_take(account(2), partner(2), true).is_some());
}

#[test]
fn few_slots_are_enough_for_several_accounts() {
    let slots = Slots::new(1, 1);
    drop(slots.try_take(account(2), partner(2), false));
    for retry in [false, true] {
        let held = slots.try_take(account(1), partner(1), retry);
        assert!(held.is_some() && slots.try_take(account(2), partner(2), retry).is_none());
    }
}

#[test]
fn one_that_is_to_be_alone_waits_for_the_others_and_holds_up_those_to_come() {
    let slots = Slots::new(4, 4);
    let other = slots.try_take(account(1), partner(1), false);
    assert!(slots.try_take_alone(account(2), partner(2)).is_none());
    assert!(slots.try_take(account(1), partner(1), false).is_none() && slots.free() == 0);
    drop(other);
    let alone = slots.try_take_alone(account(2), partner(2));
    assert!(alone.is_some() && slots.try_take(account(1), partner(1), false).is_none());
    drop(alone);
    assert!(slots.try_take(account(1), partner(1), false).is_some());
}

#[test]
fn what_is_given_up_holds_up_nobody() {
    let slots = Slots::new(4, 4);
    let _other = slots.try_take(account(1), partner(1), false);
    assert!(slots.try_take_alone(account(2), partner(2)).is_none());
    assert!(slots.try_take_isolated(account(2), partner(2)).is_none());
    slots.give_up_alone();
    let isolated = slots.try_take_isolated(account(2), partner(2));
    assert_eq!((isolated.is_some(), slots.free()), (true, 2));
}

#[test]
fn being_alone_is_waited_for_only_so_long() {
    let slots = Slots::new(4, 4);
    let other = slots.try_take(account(1), partner(1), false);
    let long_ago = Instant::now().checked_sub(PATIENCE).unwrap();
    assert!(slots.try_take_alone_at(account(2), partner(2), long_ago).is_none());
    assert!(
        slots.try_take(account(1), partner(1), false).is_some(),
        "even before anybody looks again"
    );
    assert!(slots.try_take_alone(account(2), partner(2)).is_none());
    assert!(
        slots.try_take_alone(account(2), partner(2)).is_none(),
        "the others go on for a while"
    );
    assert_eq!(slots.free(), 3);
    drop(other);
    let later = Instant::now() + REST;
    assert!(slots.try_take_alone_at(account(2), partner(2), later).is_some());
}
