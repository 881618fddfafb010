//! Fault 12: bodies that drip for minutes, and bodies without end. Each attempt ends at the deadline with what its status line
//! says, is made once, and takes no memory to speak of.

use std::time::Duration;

use serde_json::json;

use super::ledger::Ledger;
use super::load::{Seen, Submitter};
use super::world::World;
use crate::support::app::both;
use crate::support::http_receiver::Answer;

const WARM: usize = 200;
const LEADS: usize = 5;
const CONCURRENCY: usize = 64;
/// Kilobytes that the process may grow by while it reads them.
const GROWTH: u64 = 10_240;
/// Milliseconds that an exchange with a body that drips takes: the deadline, which is 15 s, and ten more on a busy machine.
const DEADLINE: std::ops::Range<f64> = 15_000.0..25_000.0;
const DRIPPED: &str = "{ deliveries(first: 100) { nodes { partner { name } attempts { durationMs } } } }";

both!(bodies_without_end_take_no_memory, |mode: Mode| {
    let world = World::start(mode, &["serve"], 3, CONCURRENCY).await;
    let (submitter, mut tries) = (Submitter::new(&world), Vec::new());
    for number in 0..WARM {
        submitter
            .until_acknowledged(&format!("warm-{number}"), &mut tries)
            .await;
    }
    world.receiver.wait_for(3 * WARM).await;
    world.rest().await;
    world.processes[0].forget_peak();
    let before = world.processes[0].peak();

    world.receiver.respond(|_, request| match request.path() {
        "/0" => Answer::drip(200, Duration::from_secs(1), 120),
        "/1" => Answer::endless(200),
        _ => Answer::status(200),
    });
    for number in 0..LEADS {
        submitter.until_acknowledged(&number.to_string(), &mut tries).await;
    }
    world.rest().await;
    // Before the ledger, whose queries take memory of their own.
    let grown = world.processes[0].peak().saturating_sub(before);
    let ledger = Ledger::at_rest(&world, &Seen(tries)).await;

    let figures = ledger.check(0);
    println!("{mode:?}: {figures:?}, grown by {grown} KiB at its peak from {before} KiB");
    assert!(grown < GROWTH, "the process grew by {grown} KiB");
    let took = dripped(&world).await;
    assert!(took.iter().all(|took| DEADLINE.contains(took)), "{took:?}");
});

/// Milliseconds that each of the latest leads took at the partner whose body drips.
async fn dripped(world: &World) -> Vec<f64> {
    let data = world.data(DRIPPED, json!({})).await;
    let nodes = data["deliveries"]["nodes"].as_array().unwrap();
    let theirs = nodes.iter().filter(|node| node["partner"]["name"] == "Partner /0");
    let took: Vec<f64> = theirs
        .take(LEADS)
        .map(|node| node["attempts"][0]["durationMs"].as_f64().unwrap())
        .collect();
    assert_eq!(took.len(), LEADS);
    took
}
