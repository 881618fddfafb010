//! Fault 19: SIGTERM under load, twice.

use std::time::Duration;

use super::ledger::Ledger;
use super::load::Load;
use super::world::World;
use crate::support::app::Mode;
use crate::support::http_receiver::Answer;

const CONCURRENCY: usize = 64;
/// Exchanges take a fifth of a second here; idle connections of clients must not hold up the end.
const EXIT: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_server_finishes_what_is_under_way_embedded() {
    a_stopping_server_finishes_what_is_under_way(Mode::Embedded, &["serve"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_server_finishes_what_is_under_way_server() {
    a_stopping_server_finishes_what_is_under_way(Mode::Server, &["serve"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_worker_finishes_what_is_under_way() {
    a_stopping_server_finishes_what_is_under_way(Mode::Server, &["api", "worker"]).await;
}

async fn a_stopping_server_finishes_what_is_under_way(mode: Mode, roles: &[&'static str]) {
    let mut world = World::start(mode, roles, 1, CONCURRENCY).await;
    world
        .receiver
        .answer(Answer::status(200).after(Duration::from_millis(200)));
    let (last, load) = (roles.len() - 1, Load::start(&world));
    let mut exits = Vec::new();
    for _ in 0..2 {
        world.receiver.wait_for(world.receiver.count() + 50).await;
        let (status, took) = world.processes[last].terminate(2 * EXIT).await;
        assert!(status.success(), "{status}");
        exits.push(took);
        world.restart(last).await;
    }
    let seen = load.finish().await;

    assert!(seen.wrong().is_empty(), "{:?}", seen.wrong());
    let figures = Ledger::at_rest(&world, &seen).await.check(0);
    println!(
        "{mode:?} {roles:?}: {figures:?}, {} tries refused, exits {exits:?}",
        seen.refused().len()
    );
    assert!(exits.iter().all(|took| *took <= EXIT), "{exits:?}");
}
