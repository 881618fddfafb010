use entity::delivery::Reservations;
use entity::delivery_config::Channel;

use super::*;

fn delivery(number: u128, attempt_count: i32) -> delivery::Model {
    delivery::Model {
        id: Uuid::from_u128(number).into(),
        account_id: Uuid::from_u128(7).into(),
        lead_id: Uuid::nil().into(),
        flow_id: Uuid::nil().into(),
        step_id: None,
        profile_id: None,
        assignment_id: None,
        partner_id: Some(Uuid::from_u128(8).into()),
        buyer_account_id: None,
        connection_id: None,
        settings_id: Uuid::from_u128(9).into(),
        channel: Channel::Webhook,
        status: DeliveryStatus::Retrying,
        test: false,
        attempt_count,
        attempts_before: 0,
        budget_since: DateTime::UNIX_EPOCH,
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
        created_at: DateTime::UNIX_EPOCH,
        settled_at: None,
        suspended_for: None,
        follows: None,
        erased_at: None,
    }
}

const KILLER: DeliveryId = DeliveryId(Uuid::from_u128(0));

/// A server on which one delivery of many kills: it attempts what the module allows, dies, and starts again.
#[derive(Default)]
struct Server {
    known: HashMap<DeliveryId, Model>,
    attempts: HashMap<DeliveryId, i32>,
}

impl Server {
    /// The process dies with these under way; answers what is isolated and set aside.
    fn dies(&mut self, under_way: impl IntoIterator<Item = u128>) -> Verdicts {
        let rows: Vec<delivery::Model> = under_way
            .into_iter()
            .map(|number| {
                let attempts = self.attempts.entry(Uuid::from_u128(number).into()).or_default();
                *attempts += 1;
                delivery(number, *attempts)
            })
            .collect();
        let verdicts = verdicts(&rows, &self.known, Uuid::nil(), DateTime::UNIX_EPOCH);
        self.known
            .extend(verdicts.known.iter().map(|row| (row.delivery_id, row.clone())));
        verdicts
    }

    /// An attempt that ends.
    fn ends(&mut self, number: u128) {
        *self.attempts.entry(Uuid::from_u128(number).into()).or_default() += 1;
    }

    /// How many of them would be attempted at once now.
    fn part_of(&self, id: DeliveryId) -> usize {
        part(self.known[&id].company)
    }
}

#[test]
fn one_that_is_alone_is_set_aside_at_the_second_death() {
    let mut server = Server::default();
    let first = server.dies([0]);
    assert_eq!((first.set_aside.len(), first.isolated.len()), (0, 0));
    let second = server.dies([0]);
    assert_eq!((second.set_aside, second.isolated), (vec![KILLER], vec![]));
    // Retried by hand it is attempted alone, and one more death is enough.
    assert_eq!(server.part_of(KILLER), 1);
    assert_eq!(server.dies([0]).set_aside, [KILLER]);
}

#[test]
fn one_among_two_hundred_is_set_aside_at_the_seventh_death_and_none_of_the_others() {
    let mut server = Server::default();
    let mut deaths = 0;
    let mut suspected: Vec<u128> = (0..200).collect();
    loop {
        deaths += 1;
        assert!(deaths <= 7, "{suspected:?}");
        let verdicts = server.dies(suspected.clone());
        if !verdicts.set_aside.is_empty() {
            assert_eq!(verdicts.set_aside, [KILLER]);
            break;
        }
        assert_eq!(verdicts.isolated.len(), if deaths < 3 { 0 } else { suspected.len() });
        if deaths >= 3 {
            // Those that are attempted without the one end.
            let part = server.part_of(KILLER) as u128;
            suspected.retain(|number| *number < part);
            (part..200).for_each(|number| server.ends(number));
        }
    }
    assert_eq!(deaths, 7);
}

#[test]
fn kills_at_random_under_load_set_nothing_aside() {
    let mut server = Server::default();
    for _ in 0..20 {
        assert!(server.dies(0..200).set_aside.is_empty());
        (0..200).for_each(|number| server.ends(number));
    }
    // Even if the same two are hit again and again, and one of them once when it is alone.
    for _ in 0..20 {
        assert!(server.dies([1, 2]).set_aside.is_empty());
    }
    assert!(server.dies([1]).set_aside.is_empty());
    assert_eq!(server.dies([1]).set_aside.len(), 1);
}

#[test]
fn an_attempt_that_ends_between_two_deaths_clears() {
    let mut server = Server::default();
    for _ in 0..5 {
        let verdicts = server.dies([0]);
        assert_eq!((verdicts.set_aside.len(), verdicts.isolated.len()), (0, 0));
        server.ends(0);
    }
}

#[test]
fn ordinary_work_beside_a_part_does_not_widen_it() {
    let mut server = Server::default();
    (0..3).for_each(|_| drop(server.dies(0..80)));
    assert_eq!(server.part_of(KILLER), 10);
    // Ten of them, and three hundred others.
    server.dies((0..10).chain(1_000..1_300));
    assert_eq!((server.known[&KILLER].company, server.part_of(KILLER)), (10, 2));
    let other: DeliveryId = Uuid::from_u128(1_000).into();
    assert_eq!((server.known[&other].deaths, server.known[&other].company), (1, 310));
}
