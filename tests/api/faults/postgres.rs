//! Fault 9: the database is gone, without a farewell, while leads come in and go out.

use std::time::{Duration, Instant};

use super::ledger::Ledger;
use super::load::{Answer, Load};
use super::process::signal;
use super::stores::Service;
use super::world::World;
use crate::support::app::Mode;
use crate::support::http_receiver;
use crate::support::wait::until;

const CONCURRENCY: usize = 32;
/// Longer than a caller waits for a connection, so that some are told.
const DOWN: Duration = Duration::from_secs(10);
/// The longest until a client is told that the database is away; the machine may be busy.
const TOLD: Duration = Duration::from_secs(6);
/// The longest that a client may be left without an answer: for a connection when it is recognised, and for one when its lead
/// is stored, with one batch before it.
const ANSWER: Duration = Duration::from_secs(16);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_database_loses_nothing_and_nobody_gets_a_false_receipt() {
    let world = World::start(Mode::Server, &["serve"], 1, CONCURRENCY).await;
    world
        .receiver
        .answer(http_receiver::Answer::status(200).after(Duration::from_millis(100)));
    let load = Load::start(&world);
    world.receiver.wait_for(50).await;

    signal(world.stores.pid(Service::Postgres), "QUIT");
    until("the database is gone", async || !world.is_answered().await).await;
    let down = Instant::now();
    tokio::time::sleep(DOWN).await;
    let up = Instant::now();
    world.stores.restart(Service::Postgres).await;
    let ready = up.elapsed();
    world.receiver.wait_for(world.receiver.count() + 50).await;
    let resumed = up.elapsed();
    let seen = load.finish().await;

    assert!(seen.wrong().is_empty(), "{:?}", seen.wrong());
    let meanwhile: Vec<_> = seen.0.iter().filter(|one| one.began > down && one.ended < up).collect();
    assert!(
        meanwhile.iter().all(|one| one.answer == Answer::Unavailable),
        "{meanwhile:?}"
    );
    assert!(!meanwhile.is_empty(), "nobody was told meanwhile");
    let told = meanwhile.iter().map(|one| one.ended - one.began).max().unwrap();
    let refused = seen.refused();
    let longest = seen.0.iter().map(|one| one.ended - one.began).max().unwrap();
    let ledger = Ledger::at_rest(&world, &seen).await;
    let figures = ledger.check(CONCURRENCY);
    println!(
        "{figures:?}, {} refused of which {} meanwhile, each within {told:?}; longest wait {longest:?}, resumed {resumed:?} after the start, which took {ready:?}",
        refused.len(),
        meanwhile.len()
    );
    assert!(told <= TOLD, "{told:?}");
    assert!(longest <= ANSWER, "{longest:?}");
}
