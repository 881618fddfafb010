//! Fault 10: a database whose commits are slow, and then one that records nothing for longer than a lease lasts.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait, Statement};
use tokio::sync::Semaphore;

use super::ledger::Ledger;
use super::load::{Load, Seen, Submitter};
use super::world::World;
use crate::support::app::Mode;
use crate::support::http_receiver::Answer;

const CONCURRENCY: usize = 16;
/// Longer than the lease of six seconds.
const STUCK: Duration = Duration::from_secs(9);
/// Outcomes recorded one batch after the other, a second each.
const SLOW: &str =
    "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$;
    CREATE TRIGGER slow AFTER INSERT ON delivery_attempt FOR EACH STATEMENT EXECUTE FUNCTION slow()";
const QUICK: &str = "DROP TRIGGER slow ON delivery_attempt";
const STUCK_TABLE: &str = "BEGIN; LOCK TABLE delivery_attempt IN ACCESS EXCLUSIVE MODE";

/// What is in flight never exceeds the slots, for a slot is held until its outcome is recorded; the lease is kept all the while,
/// so nothing is sent twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_commits_hold_back_claims_and_lose_no_lease() {
    let world = World::start(Mode::Server, &["api", "worker"], 1, CONCURRENCY).await;
    world
        .receiver
        .answer(Answer::status(200).after(Duration::from_millis(20)));
    let load = Load::start(&world);
    world.receiver.wait_for(50).await;
    let owners = leases(&world).await;
    let other = world.stores.database().await;

    other.execute_unprepared(SLOW).await.unwrap();
    // What was under way when it became slow may still be recorded quickly.
    let (before, slow) = (world.receiver.count(), Duration::from_secs(8));
    tokio::time::sleep(slow).await;
    let while_slow = world.receiver.count() - before;
    other.execute_unprepared(STUCK_TABLE).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let stuck_from = world.receiver.count();
    tokio::time::sleep(STUCK).await;
    let while_stuck = world.receiver.count() - stuck_from;
    other.execute_unprepared("ROLLBACK").await.unwrap();
    other.execute_unprepared(QUICK).await.unwrap();
    world.receiver.wait_for(world.receiver.count() + 100).await;
    let seen = load.finish().await;

    assert!(seen.wrong().is_empty(), "{:?}", seen.wrong());
    let figures = Ledger::at_rest(&world, &seen).await.check(0);
    println!(
        "{figures:?}, {while_slow} requests while slow, {while_stuck} while stuck, p99 {:?}",
        seen.percentile(99)
    );
    let batches = usize::try_from(slow.as_secs()).unwrap() + 2;
    assert!(
        while_slow <= batches * CONCURRENCY,
        "claims outrun what is recorded: {while_slow}"
    );
    assert_eq!(while_stuck, 0, "claims go on while nothing is recorded");
    assert!(world.receiver.most_active() <= CONCURRENCY);
    assert_eq!(leases(&world).await, owners, "the lease was lost");
}

/// The same of a file that somebody else holds for longer than a lease: nobody can write, to renew it either. Clients are told to
/// come again, and what was under way is recorded when it can be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_held_holds_back_claims_and_nothing_is_sent_twice() {
    let world = World::start(Mode::Embedded, &["serve"], 2, CONCURRENCY).await;
    let permits = Arc::new(Semaphore::new(0));
    world.receiver.answer(Answer::status(200).hold(permits.clone()));
    let (submitter, mut tries) = (Submitter::new(&world), Vec::new());
    for number in 0..2 * CONCURRENCY {
        submitter.until_acknowledged(&number.to_string(), &mut tries).await;
    }
    world.receiver.wait_for(CONCURRENCY).await;
    let (owners, other) = (leases(&world).await, world.stores.database().await);

    other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    permits.add_permits(100_000);
    let load = Load::start(&world);
    tokio::time::sleep(STUCK).await;
    assert_eq!(
        world.receiver.count(),
        CONCURRENCY,
        "claims go on while nothing is recorded"
    );
    other.execute_unprepared("ROLLBACK").await.unwrap();
    world.receiver.wait_for(4 * CONCURRENCY + 100).await;
    let seen = load.finish().await;

    assert!(seen.wrong().is_empty(), "{:?}", seen.wrong());
    tries.extend(seen.0);
    let figures = Ledger::at_rest(&world, &Seen(tries)).await.check(0);
    println!("{figures:?}");
    assert!(world.receiver.most_active() <= CONCURRENCY);
    assert_eq!(leases(&world).await, owners, "the lease was lost");
}

async fn leases(world: &World) -> Vec<uuid::Uuid> {
    let database = world.stores.database().await;
    let sql = "SELECT id FROM worker ORDER BY id";
    let rows = database
        .query_all_raw(Statement::from_string(database.get_database_backend(), sql))
        .await;
    rows.unwrap().iter().map(|row| row.try_get("", "id").unwrap()).collect()
}
