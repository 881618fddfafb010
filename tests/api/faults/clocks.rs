//! Fault 18: the clocks of the machines differ, and one is set while its process runs. Leases and due times go by the database's.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use chrono::{DateTime, TimeDelta, Utc};
use entity::{delivery, worker};
use leadmesh::server::Role;
use leadmesh_core::app::App;
use leadmesh_core::clock::Clock;
use sea_orm::{EntityTrait, Set};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::support::app::{Mode, TestApp};
use crate::support::http_receiver::{Answer, HttpReceiver, Received};
use crate::support::make::{ana, text, webhook_with};

const LEADS: usize = 20;
/// Two looks for leases that have run out, and three sweeps for what is due.
const LOOKS: TimeDelta = TimeDelta::milliseconds(3_200);
const OFFSETS: [i64; 3] = [10, 600, -600];
/// What the receiver of a webhook grants the signature is five minutes; this is for a busy machine.
const FRESH: u64 = 20;

async fn started() -> TestApp {
    TestApp::start_by(Clock::system(), Mode::Server, &[]).await
}

/// Waits until a worker has looked at the leases of others, and for what is due, some times.
async fn has_looked(app: &App) {
    let until = async || {
        let lease = app.queue.owner().unwrap();
        let row = worker::Entity::by_id(lease).one(app.db.read()).await.unwrap();
        row.unwrap().lease_until
    };
    let before = until().await;
    while until().await < before + LOOKS {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn is_fresh(request: &Received) {
    let sent: u64 = request.header("webhook-timestamp").unwrap().parse().unwrap();
    let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(sent.abs_diff(now) <= FRESH, "signed at {sent}, now it is {now}");
}

/// What two workers hold whose clocks differ is sent once, whoever is ahead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_whose_clocks_differ_take_nothing_from_each_other() {
    for offset in OFFSETS {
        let app = started().await;
        let clock = Clock::system_ahead_by(TimeDelta::seconds(offset));
        let (other, server) = app.another_by(&clock, Role::Worker).await;
        let (held, receiver) = (Arc::new(Semaphore::new(0)), HttpReceiver::start().await);
        receiver.answer(Answer::status(200).hold(held.clone()));
        let owner = app.account("Acme").await;
        let settings = webhook_with(&receiver.url("/"), json!({ "timeoutMs": 60_000 }));
        let (flow, ..) = app.flow_to(&owner, settings).await;
        let mut leads = Vec::new();
        for _ in 0..LEADS {
            leads.push(text(&app.submit(&owner, &flow, ana()).await["id"]));
        }
        receiver.wait_for(LEADS).await;
        has_looked(&other).await;
        has_looked(&app.app).await;
        assert_eq!(receiver.count(), LEADS, "{offset} s ahead: something was sent twice");
        held.add_permits(LEADS);
        for lead in &leads {
            let deliveries = app.deliveries_at(&owner, lead, &["DELIVERED"]).await;
            assert_eq!(deliveries[0]["attemptCount"], 1, "{offset} s ahead");
        }
        assert_eq!(receiver.count(), LEADS);
        server.stop().await;
    }
}

/// A retry that is due in minutes is not made at once by a worker that is ahead, nor by one whose clock is set forward and back
/// while it runs; and what such a worker signs is signed with the right time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_retry_comes_early_because_a_clock_is_ahead_or_set() {
    let mut app = started().await;
    let receiver = HttpReceiver::start().await;
    receiver.answer(Answer::status(503));
    let owner = app.account("Acme").await;
    let retry = json!({ "retry": { "initialDelayMs": 300_000, "maxDelayMs": 300_000 } });
    let (flow, ..) = app.flow_to(&owner, webhook_with(&receiver.url("/"), retry)).await;
    let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
    app.deliveries_at(&owner, &lead, &["RETRYING"]).await;
    app.stop().await;

    let clock = Clock::system_ahead_by(TimeDelta::seconds(600));
    let (other, server) = app.another_by(&clock, Role::Both).await;
    has_looked(&other).await;
    assert_eq!(receiver.count(), 1, "ten minutes ahead");
    clock.advance(TimeDelta::seconds(-1_200));
    has_looked(&other).await;
    clock.advance(TimeDelta::days(1));
    has_looked(&other).await;
    assert_eq!(receiver.count(), 1, "set while it runs");

    // What it makes due, and what it signs.
    app.address = server.address();
    let second = text(&app.submit(&owner, &flow, ana()).await["id"]);
    let deliveries = app.deliveries_at(&owner, &second, &["RETRYING"]).await;
    let next: DateTime<Utc> = text(&deliveries[0]["nextAttemptAt"]).parse().unwrap();
    let right = DateTime::<Utc>::from(UNIX_EPOCH + UNIX_EPOCH.elapsed().unwrap());
    let wait = next - right;
    assert!(
        wait > TimeDelta::seconds(100) && wait < TimeDelta::seconds(700),
        "{wait}"
    );
    receiver.requests().iter().for_each(|request| is_fresh(request));
    // The retry comes when it is due, and not a day late.
    let due = delivery::ActiveModel {
        id: Set(deliveries[0]["id"].as_str().unwrap().parse().unwrap()),
        due_at: Set(Some(right)),
        ..Default::default()
    };
    delivery::Entity::update(due).exec(other.db.write()).await.unwrap();
    receiver.wait_for(3).await;
    server.stop().await;
}

/// How wrong the clock is can be seen from outside.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_clock_is_told() {
    let mut app = started().await;
    let ready = async |app: &TestApp| app.get("/readyz").await.text().await.unwrap();
    assert_eq!(ready(&app).await, "ready\n");
    let clock = Clock::system_ahead_by(TimeDelta::seconds(10));
    let (other, server) = app.another_by(&clock, Role::Worker).await;
    app.address = server.address();
    let told = ready(&app).await;
    assert!(
        told.starts_with("ready\nwarning: this machine's clock is 1") && told.contains("ahead of"),
        "{told}"
    );
    let metrics = app.get("/metrics").await.text().await.unwrap();
    let offset = metrics
        .lines()
        .find_map(|line| line.strip_prefix("leadmesh_clock_offset_seconds "));
    let offset: f64 = offset.unwrap().parse().unwrap();
    assert!((offset - 10.0).abs() < 2.0, "{offset}");
    clock.advance(TimeDelta::seconds(-10));
    has_looked(&other).await;
    assert_eq!(ready(&app).await, "ready\n");
    server.stop().await;
}

/// Under a lease that has run out nothing is claimed, even before anybody has noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_claimed_under_a_lease_that_has_run_out() {
    let mut app = started().await;
    let receiver = HttpReceiver::start().await;
    receiver.answer(Answer::status(503));
    let owner = app.account("Acme").await;
    let (flow, ..) = app.flow_to(&owner, webhook_with(&receiver.url("/"), json!({}))).await;
    let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
    let deliveries = app.deliveries_at(&owner, &lead, &["RETRYING"]).await;
    app.stop().await;

    let id: entity::ids::DeliveryId = deliveries[0]["id"].as_str().unwrap().parse().unwrap();
    let (db, now) = (app.app.db.write(), app.app.clock.now());
    let lease = |id: u128, lasts: i64| worker::Lease {
        id: uuid::Uuid::from_u128(id),
        process: uuid::Uuid::from_u128(9),
        lasts: TimeDelta::seconds(lasts),
    };
    let claimed = async |lease: worker::Lease| {
        worker::Entity::take(db, lease, now).await.unwrap();
        delivery::Entity::claim(db, lease.id, vec![id], now)
            .await
            .unwrap()
            .len()
    };
    assert_eq!(claimed(lease(1, -1)).await, 0);
    assert_eq!(claimed(lease(2, 60)).await, 1);
}
