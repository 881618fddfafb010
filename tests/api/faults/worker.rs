//! Fault 2: a worker is killed when some of a lead's ten partners have answered and others have not.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::ledger::Ledger;
use super::load::{Seen, Submitter};
use super::world::World;
use crate::support::app::Mode;
use crate::support::http_receiver::Answer;
use crate::support::wait::until;

const LEADS: usize = 10;
const PARTNERS: usize = 10;
/// The partners of the higher half do not answer before the worker is killed.
const ANSWERING: usize = 5;
const CONCURRENCY: usize = 256;
const RESEND: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partners_that_have_answered_get_nothing_again_embedded() {
    partners_that_have_answered_get_nothing_again(Mode::Embedded, &["serve"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partners_that_have_answered_get_nothing_again_server() {
    partners_that_have_answered_get_nothing_again(Mode::Server, &["api", "worker"]).await;
}

async fn partners_that_have_answered_get_nothing_again(mode: Mode, roles: &[&'static str]) {
    let mut world = World::start(mode, roles, PARTNERS, CONCURRENCY).await;
    let (worker, held) = (roles.len() - 1, Arc::new(Semaphore::new(0)));
    let permits = held.clone();
    world
        .receiver
        .respond(move |_, request| match request.path()[1..].parse::<usize>() {
            Ok(partner) if partner < ANSWERING => Answer::status(200),
            _ => Answer::status(200).hold(permits.clone()),
        });
    let (submitter, mut tries) = (Submitter::new(&world), Vec::new());
    for number in 0..LEADS {
        submitter.until_acknowledged(&number.to_string(), &mut tries).await;
    }
    world.receiver.wait_for(LEADS * PARTNERS).await;
    until("half is delivered", async || {
        world.count(&["DELIVERED"]).await == LEADS * ANSWERING
    })
    .await;

    let killed = world.kill(worker);
    held.add_permits(2 * LEADS * PARTNERS);
    world.restart(worker).await;

    let ledger = Ledger::at_rest(&world, &Seen(tries)).await;
    let in_flight = LEADS * (PARTNERS - ANSWERING);
    let figures = ledger.check(in_flight);
    let slowest = ledger.slowest_repeat(killed);
    println!("{mode:?}: {figures:?}, repeats within {slowest:?}");
    for partner in 0..PARTNERS {
        let times = if partner < ANSWERING { 1 } else { 2 };
        assert_eq!(
            ledger.arrivals(&format!("/{partner}")),
            [times; LEADS],
            "partner {partner}"
        );
    }
    assert!(slowest.is_some_and(|slowest| slowest <= RESEND), "{slowest:?}");
}
