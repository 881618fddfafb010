//! What was under way when a process died is judged as a whole, whichever of its leases it was under.

use chrono::TimeDelta;
use entity::delivery::DeliveryStatus;
use entity::{suspect, worker};
use sea_orm::EntityTrait;
use uuid::Uuid;

use crate::support::app::{Mode, TestApp, both};
use crate::support::http_receiver::HttpReceiver;
use crate::support::wait::until;

const DEAD: u128 = 90;
const RUN_OUT: TimeDelta = TimeDelta::seconds(-1);

impl TestApp {
    /// How many deliveries each suspect was attempted together with.
    #[expect(clippy::disallowed_methods, reason = "a test's rows are all its own")]
    async fn companies(&self) -> Vec<i32> {
        let rows = suspect::Entity::find().all(self.app.db.read()).await.unwrap();
        rows.into_iter().map(|row| row.company).collect()
    }

    /// Two deliveries under way in one process, each under a lease of its own, one of which has run out.
    async fn two_under_way(&self, other_lasts: TimeDelta) -> HttpReceiver {
        let (.., receiver) = self.waiting_for_retry(2).await;
        let rows = self.rows().await;
        let other = self.lease_of(DEAD, 2, other_lasts).await;
        self.put_under(other, &rows[1..]).await;
        let first = self.lease_of(DEAD, 1, RUN_OUT).await;
        self.put_under(first, &rows[..1]).await;
        receiver
    }
}

/// One lease was abandoned, and runs out before the other. Nobody takes over what is under it while the process may live.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_of_a_process_that_died_with_two_leases_are_judged_together() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let _receiver = app.two_under_way(TimeDelta::seconds(5)).await;
    until("both are delivered", async || {
        app.standing_at(DeliveryStatus::Delivered).await == 2
    })
    .await;
    assert_eq!(app.companies().await, [2, 2], "each was one of two");
}

both!(
    /// The process was told to stop, which the older lease alone says.
    deliveries_of_a_process_that_was_told_to_stop_are_not_suspected,
    |app| {
        let mut app = app;
        let (.., _receiver) = app.waiting_for_retry(2).await;
        app.stop().await;
        let rows = app.rows().await;
        for (id, row) in [1, 2].into_iter().zip(&rows) {
            let lease = app.lease_of(DEAD, id, RUN_OUT).await;
            app.put_under(lease, std::slice::from_ref(row)).await;
        }
        let db = app.app.db.write();
        worker::Entity::note_stopping(db, Uuid::from_u128(DEAD)).await.unwrap();
        app.lease_of(DEAD, 3, RUN_OUT).await;
        app.restart().await;
        until("both are delivered", async || app.standing_at(DeliveryStatus::Delivered).await == 2).await;
        assert_eq!(app.companies().await, Vec::<i32>::new());
    }
);

/// Embedded there is no other process: what an earlier one has left is taken over at once, however long its lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_process_of_an_embedded_database_holds_nothing() {
    let mut app = TestApp::start_with(Mode::Embedded, &[]).await;
    let (.., _receiver) = app.waiting_for_retry(2).await;
    app.stop().await;
    let dead = app.lease_of(DEAD, 1, TimeDelta::hours(1)).await;
    app.put_under(dead, &app.rows().await).await;
    app.restart().await;
    until("both are delivered", async || {
        app.standing_at(DeliveryStatus::Delivered).await == 2
    })
    .await;
    assert_eq!(app.companies().await, [2, 2]);
}
