//! A delivery that kills every process that attempts it. What it does is left to the receiver: as soon as that has its request, it
//! kills the process. The delivery is set aside, and whatever else was under way arrives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use entity::delivery::{self, DeliveryStatus};
use entity::worker;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};

use super::process::signal;
use super::world::World;
use crate::support::app::{Mode, both};
use crate::support::http_receiver::Answer;
use crate::support::make::{ana, merge, text};
use crate::support::wait::until;

const KILLER: &str = "killer@example.com";
const SUBMIT: &str = "mutation($input: SubmitLeadsInput!) { submitLeads(input: $input) {
    receipts { id outcome } userErrors { message } } }";
const DELIVERIES: &str = "{ deliveries(first: 100) { nodes { id status attemptCount
    failure { code message } lead { id } } } }";
const RETRY: &str =
    "mutation($id: ID!) { retryDelivery(id: $id) { delivery { id status } userErrors { code message } } }";
/// From a start to the next death: the lease of six seconds, a look every one and a half, and a busy machine.
const NEXT_DEATH: Duration = Duration::from_secs(40);

/// What the receiver does, and has done.
struct Killer {
    process: Arc<AtomicU32>,
    deaths: Arc<AtomicUsize>,
    kills: Arc<AtomicUsize>,
    submitted: Arc<AtomicBool>,
}

impl Killer {
    /// Kills so many times; others are answered after a while, so that they are under way together.
    fn at(world: &World, times: usize) -> Self {
        let killer = Self {
            process: Arc::new(AtomicU32::new(world.processes[0].pid())),
            deaths: Arc::default(),
            kills: Arc::new(AtomicUsize::new(times)),
            submitted: Arc::default(),
        };
        let (process, deaths, kills) = (killer.process.clone(), killer.deaths.clone(), killer.kills.clone());
        let submitted = killer.submitted.clone();
        world.receiver.respond(move |_, request| {
            if !request.text().contains(KILLER) || deaths.load(Ordering::SeqCst) >= kills.load(Ordering::SeqCst) {
                return Answer::status(200).after(Duration::from_millis(400));
            }
            let (process, deaths, submitted) = (process.clone(), deaths.clone(), submitted.clone());
            std::thread::spawn(move || {
                // The leads are acknowledged, and the others that are sent together with it arrive first.
                while !submitted.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(20));
                }
                std::thread::sleep(Duration::from_millis(200));
                signal(process.load(Ordering::SeqCst), "KILL");
                deaths.fetch_add(1, Ordering::SeqCst);
            });
            Answer::hang()
        });
        killer
    }

    /// Restarts the process after each death until the delivery stands so; answers after how many deaths.
    async fn until_failed(&self, world: &mut World) -> usize {
        self.submitted.store(true, Ordering::SeqCst);
        let mut seen = 0;
        let mut deadline = Instant::now() + NEXT_DEATH;
        loop {
            assert!(Instant::now() < deadline, "after {seen} deaths");
            if self.deaths.load(Ordering::SeqCst) > seen {
                seen += 1;
                world.kill(0);
                world.restart(0).await;
                self.process.store(world.processes[0].pid(), Ordering::SeqCst);
                deadline = Instant::now() + NEXT_DEATH;
            }
            if count(world, DeliveryStatus::Failed).await > 0 {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Read from the database itself, for the process may be dead.
#[expect(clippy::disallowed_methods, reason = "a test looks at all deliveries")]
async fn count(world: &World, status: DeliveryStatus) -> u64 {
    let all = delivery::Entity::find().filter(delivery::Column::Status.eq(status));
    all.count(&world.stores.database().await).await.unwrap()
}

async fn submit(world: &World, innocent: usize) {
    let mut killer = ana();
    merge(&mut killer, json!({ "email": KILLER }));
    let leads: Vec<Value> = (0..innocent)
        .map(|_| json!({ "fields": ana() }))
        .chain([json!({ "fields": killer })])
        .collect();
    let input = json!({ "flowId": world.flow, "leads": leads });
    let data = world.data(SUBMIT, json!({ "input": input })).await;
    assert_eq!(
        data["submitLeads"]["receipts"].as_array().unwrap().len(),
        innocent + 1,
        "{data}"
    );
}

/// The one that has failed; all others are delivered.
async fn failed(world: &World, innocent: usize) -> Value {
    until("all others are delivered", async || {
        world.count(&["DELIVERED"]).await == innocent
    })
    .await;
    let data = world.data(DELIVERIES, json!({})).await;
    let nodes = data["deliveries"]["nodes"].as_array().unwrap();
    let failed: Vec<&Value> = nodes.iter().filter(|node| node["status"] == "FAILED").collect();
    assert_eq!((nodes.len(), failed.len()), (innocent + 1, 1), "{data:#}");
    failed[0].clone()
}

both!(one_that_kills_alone_is_set_aside_and_retried_by_hand, |mode: Mode| {
    let mut world = World::start(mode, &["serve"], 1, 16).await;
    let killer = Killer::at(&world, 9);
    submit(&world, 0).await;
    assert_eq!(killer.until_failed(&mut world).await, 2);
    let delivery = failed(&world, 0).await;
    assert_eq!(delivery["failure"]["code"], "SET_ASIDE", "{delivery:#}");
    assert_eq!(delivery["attemptCount"], 2);
    assert!(world.metric("leadmesh_deliveries_set_aside_total").await >= 1.0);
    assert!(world.processes[0].log().contains("set a delivery aside"));

    // One more death is enough when it is retried and kills again; and once it does not, it arrives.
    let id = text(&delivery["id"]);
    let retry = async |world: &World| {
        let payload = world.changed("retryDelivery", RETRY, json!({ "id": id })).await;
        assert_eq!(payload["delivery"]["status"], "RETRYING", "{payload}");
    };
    killer.kills.store(3, Ordering::SeqCst);
    retry(&world).await;
    until("it kills again", async || killer.deaths.load(Ordering::SeqCst) == 3).await;
    world.kill(0);
    world.restart(0).await;
    killer.process.store(world.processes[0].pid(), Ordering::SeqCst);
    until("it is set aside again", async || world.count(&["FAILED"]).await == 1).await;
    retry(&world).await;
    until("it arrives", async || world.count(&["DELIVERED"]).await == 1).await;
});

both!(
    one_that_kills_among_others_is_set_aside_and_the_others_arrive,
    |mode: Mode| {
        let mut world = World::start(mode, &["serve"], 1, 64).await;
        let killer = Killer::at(&world, 9);
        submit(&world, 30).await;
        let deaths = killer.until_failed(&mut world).await;
        let delivery = failed(&world, 30).await;
        assert_eq!(delivery["failure"]["code"], "SET_ASIDE", "{delivery:#}");
        println!("{mode:?}: set aside after {deaths} deaths");
        assert!((2..=6).contains(&deaths), "{deaths}");
    }
);

/// An operator who kills the process twice, in the middle of the same slow deliveries, fails none of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_deliveries_that_were_under_way_at_every_kill_are_not_set_aside() {
    let mut world = World::start(Mode::Embedded, &["serve"], 1, 16).await;
    world.receiver.answer(Answer::hang());
    submit(&world, 11).await;
    for kills in 1..=2 {
        world.receiver.wait_for(12 * kills).await;
        world.kill(0);
        if kills == 2 {
            world.receiver.answer(Answer::status(200));
        }
        world.restart(0).await;
    }
    until("all are delivered", async || world.count(&["DELIVERED"]).await == 12).await;
    assert_eq!(world.count(&["FAILED"]).await, 0);
}

/// A process that was told to stop and is killed before it has ended says nothing of what was under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stopping_process_leaves_is_not_held_against_it() {
    let mut world = World::start(Mode::Embedded, &["serve"], 1, 16).await;
    world.receiver.answer(Answer::hang());
    submit(&world, 0).await;
    for kills in 1..=3 {
        world.receiver.wait_for(kills).await;
        signal(world.processes[0].pid(), "TERM");
        until("it is stopping", async || {
            world.processes[0].log().matches("stopping: finishing").count() == kills
        })
        .await;
        until("others can see that", async || is_stopping(&world).await).await;
        if kills == 3 {
            world.receiver.answer(Answer::status(200));
        }
        world.kill(0);
        world.restart(0).await;
    }
    until("it is delivered", async || world.count(&["DELIVERED"]).await == 1).await;
}

#[expect(clippy::disallowed_methods, reason = "a test looks at all workers")]
async fn is_stopping(world: &World) -> bool {
    let stopping = worker::Entity::find().filter(worker::Column::Stopping.eq(true));
    stopping.one(&world.stores.database().await).await.unwrap().is_some()
}
