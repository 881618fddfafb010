//! One delivery tries a paused destination, however many workers there are.

use std::sync::Arc;

use futures::future::join_all;
use leadmesh::server::Role;
use tokio::sync::Semaphore;

use crate::support::app::{Mode, TestApp};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::ana;
use crate::support::wait::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_workers_one_makes_the_probe() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let (p, q) = (HttpReceiver::start().await, HttpReceiver::start().await);
    p.answer(Answer::status(500));
    let owner = app.account_by_key("Acme").await;
    let all = app.to_all(&owner).await;
    let bad = app.behind(&owner, &all, "P", &p).await;
    app.behind(&owner, &all, "Q", &q).await;
    app.fail_until_paused(&owner, &all, &bad).await;
    let mut leads = app.leads(&owner, &all, 10).await;
    app.health_until(&owner, &bad, |health| health["waiting"].as_i64() >= Some(10))
        .await;
    let (first, second) = (app.another(Role::Both).await, app.another(Role::Both).await);

    for round in 1..=3 {
        let permits = Arc::new(Semaphore::new(0));
        let status = if round == 3 { 200 } else { 500 };
        p.answer(Answer::status(status).hold(permits.clone()));
        let until = app.paused_after(&owner, &bad, 9 + round).await;
        app.clock.advance(until - app.clock.now());
        for queue in [&app.app.queue, &first.0.queue, &second.0.queue] {
            queue.set_open_circuits(true);
            queue.doorbell.notify_one();
        }
        p.wait_for(10 + round).await;
        // While it is under way, more leads come, and every worker looks again.
        let more = join_all((0..6).map(|_| app.submit(&owner, &all.flow, ana()))).await;
        leads.extend(more.iter().map(|lead| lead["id"].as_str().unwrap().to_owned()));
        for queue in [&app.app.queue, &first.0.queue, &second.0.queue] {
            queue.doorbell.notify_one();
        }
        q.wait_for(20 + 6 * round).await;
        assert_eq!(p.count(), 10 + round, "in round {round}");
        permits.add_permits(1_000);
    }
    for lead in &leads {
        until("it is tried", async || app.at(&owner, lead, &bad).await.0 != "QUEUED").await;
    }
    first.1.stop().await;
    second.1.stop().await;
}
