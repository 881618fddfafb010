//! P8: subscriptions and submissions in processes of their own, and a process that is killed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::process::client;
use super::world::World;
use crate::support::app::{Mode, ask};
use crate::support::make::{SUBMIT, ana};
use crate::support::stream::Stream;
use crate::support::torrent::{ARRIVALS, LEADS, Told, follow, write};

const FOLLOW: &str = "subscription($after: String) { leads(after: $after) { cursor lead { id } } }";

/// A lead that one process took is told by the other one at once; when that is killed, the first one goes on after the cursor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_submitted_to_one_process_is_told_by_another_and_again_by_the_first() {
    let mut world = World::start(Mode::Server, &["serve", "serve"], 1, 8).await;
    let client = client(Duration::from_secs(30));
    let submit = async |world: &World| {
        let input = json!({ "input": { "flowId": world.flow, "fields": ana() } });
        let answer = ask(&client, world.address_of(0), Some(&world.key), SUBMIT, input).await;
        answer["data"]["submitLead"]["receipt"]["id"].clone()
    };
    let open = async |world: &World, place: usize, after: Value| {
        Stream::open(world.address_of(place), &world.key, FOLLOW, json!({ "after": after })).await
    };
    let mut far = open(&world, 1, json!("0")).await;
    let mut last = Value::Null;
    for number in 0..5 {
        let (begin, id) = (Instant::now(), submit(&world).await);
        let event = far.event().await["leads"].take();
        assert_eq!(event["lead"]["id"], id);
        // The first event finds the stream still being made; later ones are told through Redis and not found by looking.
        assert!(
            number == 0 || begin.elapsed() < Duration::from_secs(5),
            "{:?}",
            begin.elapsed()
        );
        last = event["cursor"].clone();
    }
    world.kill(1);
    let missed = [submit(&world).await, submit(&world).await];

    let mut near = open(&world, 0, last).await;
    for id in missed {
        assert_eq!(near.event().await["leads"]["lead"]["id"], id);
    }
    let id = submit(&world).await;
    assert_eq!(near.event().await["leads"]["lead"]["id"], id);
}

/// P5 and P6 across processes: sixteen writers at both, a reader whose connection is cut and opened at the other one in turn, and
/// one that takes nothing until all is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_at_two_processes_miss_nothing_that_many_write_to_both() {
    let world = World::start(Mode::Server, &["serve", "serve"], 1, 8).await;
    let addresses = [world.address_of(0), world.address_of(1)];
    let copies: String = (0..20).map(|number| format!(" c{number}: fields")).collect();
    let query = format!("subscription {{ leads(after: \"0\") {{ cursor lead {{ id{copies} }} }} }}");
    let mut stalled = Stream::open(addresses[1], &world.key, &query, json!({})).await;
    let filler = "x".repeat(1_900);
    let (written, followed) = tokio::join!(
        write(&addresses, &world.key, &world.flow, &filler),
        follow(&addresses, &world.key, ARRIVALS),
    );
    assert_eq!(followed.leads, written.ids);
    let mut told = Told::default();
    told.read(ARRIVALS, &mut stalled, LEADS).await;
    assert_eq!(told.leads, written.ids);
    world.rest().await;
}
