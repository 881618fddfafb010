//! Fault 17: clients that hang up, by the hundreds and at every stage of a request, while others submit. No connection to the
//! database is left in a transaction, so nothing that follows is written where nobody sees it.

use std::time::Duration;

use futures::future::join_all;
use sea_orm::{ConnectionTrait, Statement};

use super::hanging::{STAGES, hang_up};
use super::ledger::Ledger;
use super::load::{Load, Seen, Submitter};
use super::world::World;
use crate::support::app::{Mode, both};
use crate::support::http_receiver::Answer;
use crate::support::wait::until;

const CONCURRENCY: usize = 32;
/// Clients that hang up, each so often.
const CLIENTS: usize = 16;
const TIMES: usize = 40;

both!(hang_ups_lose_and_repeat_nothing, |mode: Mode| {
    let world = World::start(mode, &["serve"], 1, CONCURRENCY).await;
    world
        .receiver
        .answer(Answer::status(200).after(Duration::from_millis(20)));
    let load = Load::start(&world);
    let hung_up = join_all((0..CLIENTS).map(|client| hang_up_often(&world, client))).await;
    let mut seen = load.finish().await;
    assert!(seen.wrong().is_empty(), "{:?}", seen.wrong());

    // What may have been stored is asked for again: its receipt stands for it.
    let submitter = Submitter::new(&world);
    let mut tries = Vec::new();
    for key in hung_up.into_iter().flatten() {
        submitter.until_acknowledged(&key, &mut tries).await;
    }
    seen.0.extend(tries);
    let figures = Ledger::at_rest(&world, &Seen(seen.0)).await.check(0);
    println!("{mode:?}: {figures:?}");
    if mode == Mode::Server {
        nothing_is_idle_in_a_transaction(&world).await;
    }
});

async fn nothing_is_idle_in_a_transaction(world: &World) {
    let database = world.stores.database().await;
    let sql =
        "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND pid <> pg_backend_pid()";
    until("nothing is idle in a transaction", async || {
        let statement = Statement::from_string(database.get_database_backend(), sql);
        let row = database.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get_by_index::<i64>(0).unwrap() == 0
    })
    .await;
}

/// One client; answers the keys under which leads may be stored.
async fn hang_up_often(world: &World, client: usize) -> Vec<String> {
    let (target, mut keys) = (world.target(), Vec::new());
    for time in 0..TIMES {
        let stage = STAGES[(client + time) % STAGES.len()];
        let key = format!("gone-{client}-{time}");
        hang_up(&target, stage, &key).await.unwrap();
        if stage.submits() {
            keys.push(key);
        }
    }
    keys
}
