//! Leases that are given up, run out, or come from the future.

use chrono::TimeDelta;
use entity::delivery::{self, DeliveryStatus};
use entity::worker;
use leadmesh_core::clock::Clock;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde_json::json;

use crate::support::app::{Mode, TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{ana, webhook_with};
use crate::support::wait::until;

/// From a renewal to the next, with some time for a busy machine.
const NEXT_RENEWAL: TimeDelta = TimeDelta::milliseconds(2_500);
/// How long a lease lasts after a renewal.
const LASTS: TimeDelta = TimeDelta::seconds(6);

both!(
    /// A lease is given up while it is being renewed: another one takes its place.
    a_lease_that_is_given_up_while_it_is_renewed_does_not_come_back,
    |app| {
        let queue = &app.app.queue;
        let before = queue.owner().unwrap();
        let tx = app.app.db.begin().await.unwrap();
        if app.app.db.is_postgres() {
            tx.execute_unprepared("SELECT id FROM worker FOR UPDATE").await.unwrap();
        }
        // The renewal that is due waits for the row, or for the embedded database.
        until("the lease is being renewed", async || {
            let row = worker::Entity::by_id(before).one(app.app.db.read()).await.unwrap().unwrap();
            Clock::system().now() - (row.lease_until - LASTS) > NEXT_RENEWAL
        })
        .await;
        queue.abandon_lease();
        tx.rollback().await.unwrap();
        until("another lease has taken its place", async || {
            assert_ne!(queue.owner(), Some(before), "it has come back");
            queue.owner().is_some()
        })
        .await;
    }
);

both!(
    /// The clock that leases go by is set back an hour after a worker died (a machine's that was wrong, a database that failed over to one
    /// that is behind): what it held is taken over all the same.
    a_lease_from_the_future_holds_nothing_for_long,
    |app| {
        let (.., receiver) = app.waiting_for_retry(1).await;
        let dead = app.lease_of(78, 77, TimeDelta::hours(1)).await;
        app.put_under(dead, &app.rows().await).await;
        until("it is taken over", async || app.standing_at(DeliveryStatus::Delivered).await == 1).await;
        assert_eq!(receiver.count(), 2);
    }
);

/// Who looks for what dead workers have left reads which leases live, then what is under others. What a worker claims that starts
/// between the two is not given back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "a test's rows are all its own")]
async fn what_a_living_worker_holds_is_not_given_back() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    app.waiting_for_retry(1).await;
    let db = app.app.db.write();
    let alive = worker::Entity::alive(db, Clock::system().now()).all(db).await.unwrap();
    let alive: Vec<_> = alive.into_iter().map(|row| row.id).collect();
    let started = app.lease_of(78, 77, LASTS).await;
    app.put_under(started, &app.rows().await).await;
    let orphans = delivery::Entity::orphaned(alive).all(db).await.unwrap();
    assert_eq!(orphans.len(), 1, "it looks like one");
    let given = delivery::Entity::give_back(db, started, app.clock.now()).await.unwrap();
    assert_eq!(given.len(), 0, "its lease has not run out");
    worker::Entity::update_many()
        .col_expr(worker::Column::LeaseUntil, Expr::cust("now() - interval '1 second'"))
        .filter(worker::Column::Id.eq(started))
        .exec(db)
        .await
        .unwrap();
    let taken = delivery::Entity::give_back(db, started, app.clock.now())
        .await
        .unwrap()
        .len();
    assert!(
        taken == 1 || app.standing_at(DeliveryStatus::Sending).await == 0,
        "now it has"
    );
}

/// Whatever is claimed is claimed under a lease that has not run out, as the same transaction sees it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_waits_for_an_endpoint_is_claimed_under_a_lease_that_has_run_out() {
    let mut app = TestApp::start_with(Mode::Server, &[]).await;
    app.waiting_for_retry(1).await;
    app.stop().await;
    let (db, row) = (app.app.db.write(), app.rows().await.remove(0));
    let endpoint = row.endpoint().unwrap();
    db.execute_unprepared(&format!("UPDATE delivery SET suspended_for = '{endpoint}'"))
        .await
        .unwrap();
    let lapsed = app.lease_of(9, 1, TimeDelta::seconds(-1)).await;
    let valid = app.lease_of(9, 2, LASTS).await;
    let old = row.budget_since;
    let probe = delivery::Entity::claim_probe(db, lapsed, row.id).await.unwrap();
    let stale = delivery::Entity::claim_stale(db, lapsed, endpoint, old, 9)
        .await
        .unwrap();
    assert_eq!((probe.len(), stale.len()), (0, 0));
    assert_eq!(
        delivery::Entity::claim_stale(db, valid, endpoint, old, 9)
            .await
            .unwrap()
            .len(),
        1
    );
}

/// A process whose machine stood still for a while submits before it notices that its lease has run out: the delivery is claimed
/// under the next lease, and so is not taken over while it is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_claimed_with_its_lead_under_a_lease_that_has_run_out() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let receiver = HttpReceiver::start().await;
    let permits = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    receiver.answer(Answer::status(200).hold(permits.clone()));
    let owner = app.account("Acme").await;
    let (flow, ..) = app.flow_to(&owner, webhook_with(&receiver.url("/"), json!({}))).await;
    let before = app.app.queue.owner().unwrap();
    let ended = "UPDATE worker SET lease_until = now() - interval '1 second'";
    app.app.db.write().execute_unprepared(ended).await.unwrap();
    app.submit(&owner, &flow, ana()).await;
    receiver.wait_for(1).await;
    let row = app.rows().await.remove(0);
    assert_ne!(row.lease_owner, Some(before), "{row:?}");
    permits.add_permits(9);
    until("it is delivered", async || {
        app.standing_at(DeliveryStatus::Delivered).await == 1
    })
    .await;
    assert_eq!(receiver.count(), 1, "it was sent once");
}
