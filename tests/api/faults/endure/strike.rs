//! Letting a fault happen. When it is over everything runs again.

use std::time::{Duration, Instant};

use futures::future::join_all;
use rand::Rng;
use rand::rngs::StdRng;
use sea_orm::ConnectionTrait;

use super::crowd;
use super::fault::Fault;
use super::field::{CONCURRENCY, Episode, Field};
use super::mood::Mood;
use crate::faults::hanging::{STAGES, hang_up};
use crate::faults::process::signal;
use crate::faults::proxy::Proxy;
use crate::faults::stores::Service;

/// The longest until a process that was told to end has: what is under way may take its time-out, and requests their grace.
const END: Duration = Duration::from_secs(40);
/// Longer than a lease.
const FROZEN: Duration = Duration::from_millis(7_500);
/// How long moods, delays and crowds last.
const WHILE: Duration = Duration::from_secs(5);
/// Clients that hang up at the same time, and how often each.
const HANGING: usize = 16;
const TIMES: usize = 20;

/// Lets it happen.
pub(super) async fn strike(field: &mut Field, fault: Fault, dice: &mut StdRng) -> Episode {
    let from = Instant::now();
    // Of one process, and of all of them.
    let (one, all) = (CONCURRENCY, CONCURRENCY * field.world.processes.len());
    let in_flight = match fault {
        Fault::Kill => {
            kill(field, dice).await;
            one
        }
        Fault::Freeze => {
            let pid = field.world.processes[place(field, dice)].pid();
            signal(pid, "STOP");
            tokio::time::sleep(FROZEN).await;
            signal(pid, "CONT");
            one
        }
        Fault::DatabaseKilled => {
            end_and_restart(field, Service::Postgres, "QUIT", dice).await;
            all
        }
        Fault::DatabaseCut => {
            cut(field.database.as_ref().unwrap()).await;
            all
        }
        Fault::ReceiversCut => {
            cut(&field.receivers).await;
            all
        }
        harmless => {
            harmlessly(field, harmless, dice).await;
            0
        }
    };
    Episode {
        fault,
        from,
        until: Instant::now(),
        in_flight,
    }
}

/// What may repeat nothing.
async fn harmlessly(field: &mut Field, fault: Fault, dice: &mut StdRng) {
    match fault {
        Fault::Roll => roll(field).await,
        Fault::RedisKilled => end_and_restart(field, Service::Redis, "KILL", dice).await,
        Fault::RedisFlushed => {
            let mut redis = field.world.stores.redis().await;
            redis::cmd("FLUSHALL").exec_async(&mut redis).await.unwrap();
        }
        Fault::RedisPaused => {
            let mut redis = field.world.stores.redis().await;
            let mut pause = redis::cmd("CLIENT");
            pause.arg("PAUSE").arg(4_000).arg("ALL");
            pause.exec_async(&mut redis).await.unwrap();
            tokio::time::sleep(Duration::from_secs(4)).await;
        }
        Fault::RedisLate => late(field.redis.as_ref().unwrap(), Duration::from_millis(200)).await,
        Fault::DatabaseLate => late(field.database.as_ref().unwrap(), Duration::from_millis(20)).await,
        Fault::ReceiversLate => late(&field.receivers, Duration::from_millis(300)).await,
        Fault::FileHeld => {
            let other = field.world.stores.database().await;
            other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
            tokio::time::sleep(Duration::from_secs(4)).await;
            other.execute_unprepared("ROLLBACK").await.unwrap();
        }
        Fault::Receiver(mood) => {
            field.moods.set(mood);
            tokio::time::sleep(WHILE).await;
            field.moods.set(Mood::Well);
        }
        Fault::HangUps => hang_ups(field).await,
        Fault::Crowd => {
            let addresses = field.target.addresses.iter().map(|address| crowd::gather(*address));
            let connections = join_all(addresses).await;
            tokio::time::sleep(WHILE).await;
            drop(connections);
        }
        other => panic!("{other:?} repeats what is in flight"),
    }
}

fn place(field: &Field, dice: &mut StdRng) -> usize {
    dice.random_range(0..field.world.processes.len())
}

async fn kill(field: &mut Field, dice: &mut StdRng) {
    let place = place(field, dice);
    field.world.kill(place);
    tokio::time::sleep(Duration::from_millis(dice.random_range(0..2_000))).await;
    field.restart(place).await;
}

async fn roll(field: &mut Field) {
    for place in 0..field.world.processes.len() {
        let (status, _) = field.world.processes[place].terminate(END).await;
        assert!(status.success(), "{status}");
        field.restart(place).await;
    }
}

async fn end_and_restart(field: &Field, service: Service, how: &str, dice: &mut StdRng) {
    signal(field.world.stores.pid(service), how);
    tokio::time::sleep(Duration::from_millis(dice.random_range(500..3_000))).await;
    field.world.stores.restart(service).await;
}

async fn cut(proxy: &Proxy) {
    for _ in 0..3 {
        proxy.cut();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn late(proxy: &Proxy, delay: Duration) {
    proxy.delay(delay);
    tokio::time::sleep(WHILE).await;
    proxy.delay(Duration::ZERO);
}

/// Every client at every stage.
async fn hang_ups(field: &mut Field) {
    let target = &field.target;
    let burst = field.episodes.len();
    let client = async |client: usize| {
        let mut keys = Vec::new();
        for time in 0..TIMES {
            let stage = STAGES[(client + time) % STAGES.len()];
            let key = format!("gone-{burst}-{client}-{time}");
            let sent = hang_up(target, stage, &key).await;
            assert!(sent.is_ok(), "{stage:?}: {sent:?}");
            if stage.submits() {
                keys.push(key);
            }
        }
        keys
    };
    let keys = join_all((0..HANGING).map(client)).await;
    field.hung_up.extend(keys.into_iter().flatten());
}
