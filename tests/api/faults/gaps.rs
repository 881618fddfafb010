//! Faults 3 and 4: killed exactly between two steps. No fail-point is compiled in: a locked table and a stopped Redis hold
//! the process at the right place.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::sync::Semaphore;

use super::ledger::Ledger;
use super::load::{Answer, Seen, Submitter, Try};
use super::process::signal;
use super::stores::Service;
use super::world::World;
use crate::support::app::Mode;
use crate::support::http_receiver;
use crate::support::wait::until;

const LEADS: usize = 20;
const CONCURRENCY: usize = 64;
const RESEND: Duration = Duration::from_secs(10);
/// By the sweep, which looks every second.
const SWEPT: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_but_not_recorded_is_repeated_once() {
    let mut world = World::start(Mode::Server, &["serve"], 1, CONCURRENCY).await;
    let held = Arc::new(Semaphore::new(0));
    world
        .receiver
        .answer(http_receiver::Answer::status(200).hold(held.clone()));
    let tries = submit(&world, LEADS).await;
    world.receiver.wait_for(LEADS).await;

    let lock = world.stores.database().await;
    lock.execute_unprepared("BEGIN; LOCK TABLE delivery IN SHARE ROW EXCLUSIVE MODE")
        .await
        .unwrap();
    held.add_permits(LEADS);
    until("the answers are being recorded", async || {
        let waiting = "SELECT count(*) AS n FROM pg_locks WHERE NOT granted AND relation = 'delivery'::regclass";
        let row = lock
            .query_one_raw(Statement::from_string(DbBackend::Postgres, waiting))
            .await
            .unwrap()
            .unwrap();
        row.try_get::<i64>("", "n").unwrap() > 0
    })
    .await;
    let killed = world.kill(0);
    lock.execute_unprepared("ROLLBACK").await.unwrap();
    held.add_permits(LEADS);
    world.restart(0).await;

    let ledger = Ledger::at_rest(&world, &Seen(tries)).await;
    let figures = ledger.check(LEADS);
    let slowest = ledger.slowest_repeat(killed);
    println!("{figures:?}, repeats within {slowest:?}");
    assert_eq!(ledger.arrivals("/0"), [2; LEADS]);
    assert!(slowest.is_some_and(|slowest| slowest <= RESEND), "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_stored_but_told_to_nobody_is_found() {
    let mut world = World::start(Mode::Server, &["api", "worker"], 1, CONCURRENCY).await;
    let redis = world.stores.pid(Service::Redis);
    signal(redis, "STOP");
    let first = submit(&world, 1).await;
    world.kill(0);
    let arrived = world.receiver.wait_for(1).await[0].at;
    signal(redis, "CONT");
    world.restart(0).await;
    let again = submit(&world, 1).await;

    let took = arrived.saturating_duration_since(first[0].ended);
    println!("found after {took:?}");
    assert!(took <= SWEPT, "{took:?}");
    let receipt = |tries: &[Try]| tries.last().unwrap().answer.clone();
    assert!(matches!(receipt(&first), Answer::Receipt(_)));
    assert_eq!(
        receipt(&again),
        receipt(&first),
        "the same key answers with the first receipt"
    );
    Ledger::at_rest(&world, &Seen(first)).await.check(0);
}

async fn submit(world: &World, leads: usize) -> Vec<Try> {
    let (submitter, mut tries) = (Submitter::new(world), Vec::new());
    for number in 0..leads {
        submitter.until_acknowledged(&number.to_string(), &mut tries).await;
    }
    tries
}
