//! An endpoint that speaks HTTP/2: many requests share one connection, and when it breaks none of them is lost.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use http::Version;
use tokio::sync::Semaphore;

use super::ledger::Ledger;
use super::load::{Load, Submitter};
use super::world::World;
use crate::support::app::both;
use crate::support::http_receiver::{Answer, Received};
use crate::support::wait::until;

/// Fewer than the failures in a row that pause a destination.
const CONCURRENCY: usize = 8;

both!(requests_share_a_connection_and_outlive_it, |mode: Mode| {
    let world = World::start_over_tls(mode, &["serve"], CONCURRENCY).await;
    // One alone: before an endpoint is known to speak HTTP/2, several at once may dial it.
    Submitter::new(&world)
        .until_acknowledged("first", &mut Vec::new())
        .await;
    world.receiver.wait_for(1).await;
    let permits = Arc::new(Semaphore::new(0));
    world.receiver.answer(Answer::status(200).hold(permits.clone()));
    let load = Load::start(&world);

    let all_slots = || world.receiver.most_active() == CONCURRENCY;
    until("all slots wait for an answer", async || all_slots()).await;
    assert_eq!(connections(&world.receiver.requests()).len(), 1);
    world.receiver.break_connections();
    // Those that were under way wait for their next attempt while others go on.
    world.receiver.wait_for(1 + CONCURRENCY + 1).await;
    permits.add_permits(100_000);
    let mut seen = load.finish().await;
    Submitter::new(&world).until_acknowledged("first", &mut seen.0).await;

    assert!(seen.wrong().is_empty(), "{:?}", seen.wrong());
    let figures = Ledger::at_rest(&world, &seen).await.check(2 * CONCURRENCY);
    println!("{mode:?}: {figures:?}");
    assert!(figures.repeats >= CONCURRENCY, "each that was under way is sent again");
    let requests = world.receiver.requests();
    assert!(requests.iter().all(|request| request.version == Version::HTTP_2));
    // The attempts that repeat come when an idle connection has been closed, and may dial together.
    let dialled = connections(&requests).len();
    assert!((2..CONCURRENCY).contains(&dialled), "{dialled} connections");
});

fn connections(requests: &[Arc<Received>]) -> HashSet<SocketAddr> {
    requests.iter().map(|request| request.peer).collect()
}
