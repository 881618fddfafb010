//! D10: five hundred deliveries are queued, and midway something is killed, restarted or emptied.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::ledger::Ledger;
use super::load::{Answer, Seen, Try};
use super::process::signal;
use super::stores::Service;
use super::world::World;
use crate::support::app::Mode;
use crate::support::http_receiver;
use crate::support::make::{ana, text};
use crate::support::wait::until;

const LEADS: usize = 500;
const CONCURRENCY: usize = 16;
/// How long each exchange takes: the whole queue some two seconds.
const EXCHANGE: Duration = Duration::from_millis(50);
const MIDWAY: usize = 150;

const SUBMIT: &str = "mutation($input: SubmitLeadsInput!) { submitLeads(input: $input) {
    receipts { id outcome } userErrors { message } } }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_delivers_its_queue_embedded() {
    killed(Mode::Embedded, &["serve"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_worker_delivers_its_queue() {
    killed(Mode::Server, &["api", "worker"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_worker_delivers_the_queue_of_a_killed_one() {
    queue_and(Mode::Server, &["api", "worker", "worker"], CONCURRENCY, async |world| {
        world.kill(2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flushed_redis_loses_nothing_of_the_queue() {
    queue_and(Mode::Server, &["api", "worker"], 0, async |world| {
        let mut redis = world.stores.redis().await;
        redis::cmd("FLUSHALL").exec_async(&mut redis).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_redis_does_not_stop_the_queue() {
    queue_and(Mode::Server, &["api", "worker", "worker"], 0, async |world| {
        signal(world.stores.pid(Service::Redis), "KILL");
        let so_far = world.receiver.count();
        world.receiver.wait_for(so_far + MIDWAY).await;
        world.stores.restart(Service::Redis).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_database_goes_on_with_the_queue() {
    // What is in flight, and what was answered and could not be recorded before its lease ran out.
    queue_and(Mode::Server, &["api", "worker"], 2 * CONCURRENCY, async |world| {
        signal(world.stores.pid(Service::Postgres), "QUIT");
        until("the server notices", async || !world.is_answered().await).await;
        world.stores.restart(Service::Postgres).await;
        world.answers().await;
    })
    .await;
}

async fn killed(mode: Mode, roles: &[&'static str]) {
    queue_and(mode, roles, CONCURRENCY, async |world| {
        let last = world.processes.len() - 1;
        world.kill(last);
        world.restart(last).await;
    })
    .await;
}

async fn queue_and(mode: Mode, roles: &[&'static str], most_repeats: usize, fault: impl AsyncFnOnce(&mut World)) {
    let mut world = World::start(mode, roles, 1, CONCURRENCY).await;
    world
        .receiver
        .answer(http_receiver::Answer::status(200).after(EXCHANGE));
    let seen = submit_all(&world).await;
    world.receiver.wait_for(MIDWAY).await;
    assert!(world.receiver.count() < LEADS, "nothing is queued any more");
    fault(&mut world).await;
    let figures = Ledger::at_rest(&world, &seen).await.check(most_repeats);
    assert_eq!(figures.leads, LEADS);
    println!("{mode:?} {roles:?}: {figures:?}");
}

/// In one call, so that nearly all of it is queued before the first is delivered.
async fn submit_all(world: &World) -> Seen {
    let began = Instant::now();
    let leads: Vec<Value> = (0..LEADS).map(|_| json!({ "fields": ana() })).collect();
    let input = json!({ "flowId": world.flow, "leads": leads });
    let data = world.data(SUBMIT, json!({ "input": input })).await;
    let receipts = data["submitLeads"]["receipts"].as_array().unwrap();
    let acknowledged = |receipt: &Value| {
        assert_eq!(receipt["outcome"], "ACCEPTED", "{receipt}");
        Try {
            began,
            ended: Instant::now(),
            answer: Answer::Receipt(text(&receipt["id"])),
        }
    };
    Seen(receipts.iter().map(acknowledged).collect())
}
