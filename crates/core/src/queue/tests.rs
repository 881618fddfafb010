use clap::Parser;

use super::*;

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    settings: Settings,
}

fn queue() -> Queue {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let line = CommandLine::parse_from(["leadmesh", "--master-key", key, "--token-secret", key]);
    Queue::new(&line.settings, None, Counter::default())
}

fn lease(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

#[test]
fn a_lease_that_was_given_up_while_it_was_renewed_stays_given_up() {
    let queue = queue();
    assert!(queue.take_lease(lease(1), None) && queue.renew_lease(lease(1), None));
    queue.abandon_lease();
    assert!(!queue.renew_lease(lease(1), None), "the renewal was under way");
    assert_eq!((queue.owner(), queue.may_begin(Some(lease(1)))), (None, false));
    assert!(queue.take_lease(lease(2), None));
    assert!(!queue.renew_lease(lease(1), None), "another has taken its place");
    assert_eq!(queue.valid_owner(), Some(lease(2)));
}

#[test]
fn what_was_claimed_under_a_lease_that_may_have_run_out_does_not_begin_and_the_lease_is_given_up() {
    let queue = queue();
    queue.take_lease(lease(1), Some(Instant::now()));
    assert_eq!((queue.owner(), queue.valid_owner()), (Some(lease(1)), None));
    assert!(!queue.may_begin(Some(lease(2))), "somebody else's");
    assert_eq!(queue.owner(), Some(lease(1)));
    assert!(!queue.may_begin(Some(lease(1))));
    assert_eq!(queue.owner(), None, "so that others take over what does not begin");
}

#[test]
fn a_stopping_worker_claims_nothing_and_takes_no_lease_but_ends_what_it_has() {
    let queue = queue();
    queue.take_lease(lease(1), None);
    queue.stop_claiming();
    assert_eq!((queue.valid_owner(), queue.may_begin(Some(lease(1)))), (None, true));
    assert!(queue.renew_lease(lease(1), None) && !queue.take_lease(lease(2), None));
    queue.abandon_lease();
    assert_eq!(queue.owner(), Some(lease(1)), "it gives back all that is under it");
}

#[test]
fn a_panic_while_something_is_claimed_gives_the_lease_up() {
    let queue = queue();
    queue.take_lease(lease(1), None);
    drop(queue.abandon_on_panic());
    assert_eq!(queue.owner(), Some(lease(1)));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _claiming = queue.abandon_on_panic();
        panic!("as if a row could not be read");
    }));
    assert!(panicked.is_err());
    assert_eq!(queue.owner(), None);
}
