//! Faults 5 to 8: Redis forgets everything, is killed, is away, is full, is slow. It only wakes, so nothing may depend on it.

use std::time::{Duration, Instant};

use super::ledger::{Ledger, longest_silence};
use super::load::Load;
use super::process::signal;
use super::stores::Service;
use super::world::World;
use crate::support::app::Mode;
use crate::support::wait::until;

const CONCURRENCY: usize = 64;
/// Leads come all the time, so a longer pause at the partner's is a pause of deliveries.
const RESUME: Duration = Duration::from_secs(5);
/// Nearly every submission is answered within this, in a debug build on a busy machine.
const P99: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flushed_redis_loses_nothing() {
    under_load("flushed", async |world| {
        for _ in 0..3 {
            world.receiver.wait_for(world.receiver.count() + 100).await;
            let mut redis = world.stores.redis().await;
            redis::cmd("FLUSHALL").exec_async(&mut redis).await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_and_comes_back_empty_loses_nothing() {
    under_load("killed", async |world| {
        signal(world.stores.pid(Service::Redis), "KILL");
        // Deliveries go on without it: that many take about a second.
        world.receiver.wait_for(world.receiver.count() + 100).await;
        world.stores.restart(Service::Redis).await;
    })
    .await;
}

/// That many deliveries stand for the five minutes that a person would need: they take longer than anything here waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_go_on_while_redis_is_away() {
    under_load("away", async |world| {
        signal(world.stores.pid(Service::Redis), "KILL");
        world.receiver.wait_for(world.receiver.count() + 1_000).await;
        world.stores.restart(Service::Redis).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_without_room_loses_nothing() {
    under_load("full", async |world| {
        let mut redis = world.stores.redis().await;
        for (setting, value) in [("maxmemory-policy", "noeviction"), ("maxmemory", "1mb")] {
            let mut set = redis::cmd("CONFIG");
            set.arg("SET").arg(setting).arg(value);
            set.exec_async(&mut redis).await.unwrap();
        }
        let refused = redis::cmd("SET").arg("probe").arg("x").exec_async(&mut redis).await;
        assert!(refused.unwrap_err().to_string().contains("OOM"), "there is room left");
        let failures = world.metric("leadmesh_redis_wake_failures_total").await;
        world.receiver.wait_for(world.receiver.count() + 200).await;
        assert!(
            world.metric("leadmesh_redis_wake_failures_total").await > failures,
            "nobody is told"
        );
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("maxmemory").arg("0");
        set.exec_async(&mut redis).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_answers_late_loses_nothing() {
    under_load("late", async |world| {
        let mut redis = world.stores.redis().await;
        // Everybody waits a fifth of a second for each answer, and once for four seconds.
        for pause in std::iter::repeat_n(200, 20).chain([4_000]) {
            let mut client = redis::cmd("CLIENT");
            client.arg("PAUSE").arg(pause).arg("ALL");
            client.exec_async(&mut redis).await.unwrap();
            tokio::time::sleep(Duration::from_millis(pause + 20)).await;
        }
    })
    .await;
}

/// An API and a worker apart, which only Redis connects, under load while the fault happens.
async fn under_load(name: &str, fault: impl AsyncFnOnce(&World)) {
    let world = World::start(Mode::Server, &["api", "worker"], 1, CONCURRENCY).await;
    let load = Load::start(&world);
    world.receiver.wait_for(50).await;
    let from = Instant::now();
    fault(&world).await;
    until("the worker listens again", async || world.stores.listeners().await > 0).await;
    let back = from.elapsed();
    world.receiver.wait_for(world.receiver.count() + 100).await;
    let to = Instant::now();
    let seen = load.finish().await;

    assert!(seen.refused().is_empty(), "{:?}", seen.refused());
    let (silence, p99) = (longest_silence(&world, from, to), seen.percentile(99));
    let figures = Ledger::at_rest(&world, &seen).await.check(0);
    println!("{name}: {figures:?}, listens again after {back:?}, longest silence {silence:?}, p99 {p99:?}");
    assert!(silence <= RESUME, "{silence:?}");
    assert!(p99 <= P99, "{p99:?}");
}
