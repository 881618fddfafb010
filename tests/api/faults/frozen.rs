//! Fault 16: a worker is stopped in the middle of its requests for longer than its lease lasts, another one takes over, and the
//! first goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::ledger::Ledger;
use super::load::{Load, Seen, Submitter};
use super::process::signal;
use super::world::World;
use crate::support::app::Mode;
use crate::support::http_receiver::Answer;
use crate::support::wait::until;

const LEADS: usize = 40;
const CONCURRENCY: usize = 32;
/// From the stop to the repeats: the lease of six seconds, a look every one and a half, and a busy machine.
const TAKEN_OVER: Duration = Duration::from_secs(16);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_frozen_changes_nothing_of_what_was_taken_over() {
    let world = World::start(Mode::Server, &["api", "worker", "worker"], 1, CONCURRENCY).await;
    let held = Arc::new(Semaphore::new(0));
    world.receiver.answer(Answer::status(200).hold(held.clone()));
    let (submitter, mut tries) = (Submitter::new(&world), Vec::new());
    for number in 0..LEADS {
        submitter.until_acknowledged(&number.to_string(), &mut tries).await;
    }
    world.receiver.wait_for(LEADS).await;

    let stopped = Instant::now();
    let first = world.processes[1].pid();
    signal(first, "STOP");
    held.add_permits(10 * LEADS);
    until("the other worker has delivered everything", async || {
        world.count(&["DELIVERED"]).await == LEADS
    })
    .await;
    let took = stopped.elapsed();
    let repeated = world.receiver.count() - LEADS;
    signal(first, "CONT");
    // It hears the answers of its own requests, which are of no account any more, and then goes on working.
    let seen = Seen(tries);
    until("its late outcomes are dropped", async || {
        repeated == 0 || world.processes[1].log().contains("dropped late outcomes")
    })
    .await;
    let load = Load::start(&world);
    world.receiver.wait_for(world.receiver.count() + 100).await;
    let more = load.finish().await;

    assert!(repeated > 0, "the stopped worker had nothing in flight");
    let all = Seen(seen.0.into_iter().chain(more.0).collect());
    let ledger = Ledger::at_rest(&world, &all).await;
    let figures = ledger.check(repeated);
    let most = ledger.arrivals("/0").into_iter().max();
    println!("{figures:?}, taken over after {took:?}");
    assert_eq!(most, Some(2), "no lead arrives more than twice");
    assert!(took <= TAKEN_OVER, "{took:?}");
}

/// With nobody to take over, it finds its own lease gone, takes a new one and repeats what it had.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_frozen_goes_on_embedded() {
    let world = World::start(Mode::Embedded, &["serve"], 1, CONCURRENCY).await;
    world
        .receiver
        .answer(Answer::status(200).after(Duration::from_millis(50)));
    let load = Load::start(&world);
    world.receiver.wait_for(100).await;
    signal(world.processes[0].pid(), "STOP");
    tokio::time::sleep(Duration::from_secs(9)).await;
    signal(world.processes[0].pid(), "CONT");
    world.receiver.wait_for(world.receiver.count() + 100).await;
    let seen = load.finish().await;

    assert!(seen.wrong().is_empty(), "{:?}", seen.wrong());
    let ledger = Ledger::at_rest(&world, &seen).await;
    let figures = ledger.check(2 * CONCURRENCY);
    println!("{figures:?}");
    assert!(ledger.arrivals("/0").into_iter().max() <= Some(2));
}
