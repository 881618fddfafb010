//! What the delivery worker does when something of its own goes wrong: leases that are lost, attempts that panic, outcomes that cannot
//! be recorded, deliveries that are attempted apart from others, and backlogs that are longer than a query.

mod isolated;
mod leases;
mod lost_keys;
mod panics;
mod patience;
mod processes;
mod rounds;
mod turns;
mod unrecorded;

use chrono::{DateTime, TimeDelta, Utc};
use entity::delivery::{self, DeliveryStatus};
use entity::worker;
use leadmesh_core::clock::Clock;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveEnum, ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;
use uuid::Uuid;

use crate::support::app::TestApp;
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{Account, Flow, ana, webhook_with};
use crate::support::wait::until;

impl TestApp {
    /// All deliveries of all accounts, as they stand now.
    #[expect(clippy::disallowed_methods, reason = "a test's rows are all its own")]
    async fn rows(&self) -> Vec<delivery::Model> {
        delivery::Entity::find().all(self.app.db.read()).await.unwrap()
    }

    async fn standing_at(&self, status: DeliveryStatus) -> usize {
        self.rows().await.iter().filter(|row| row.status == status).count()
    }

    /// So many deliveries that wait for a retry at a receiver which has answered 503 and answers 200 from now on; fewer than pause it.
    async fn waiting_for_retry(&self, count: usize) -> (Account, Flow, HttpReceiver) {
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(503));
        let owner = self.account("Acme").await;
        let (flow, ..) = self.flow_to(&owner, webhook_with(&receiver.url("/"), json!({}))).await;
        for _ in 0..count {
            self.submit(&owner, &flow, ana()).await;
        }
        until("all wait for a retry", async || {
            self.standing_at(DeliveryStatus::Retrying).await == count
        })
        .await;
        receiver.answer(Answer::status(200));
        (owner, flow, receiver)
    }

    /// Makes deliveries look as if they were under way under that lease.
    #[expect(clippy::disallowed_methods, reason = "a test's rows are all its own")]
    async fn put_under(&self, lease: Uuid, rows: &[delivery::Model]) {
        delivery::Entity::update_many()
            .col_expr(
                delivery::Column::Status,
                Expr::value(DeliveryStatus::Sending.to_value()),
            )
            .col_expr(delivery::Column::LeaseOwner, Expr::value(lease))
            .col_expr(delivery::Column::DueAt, Expr::value(Option::<DateTime<Utc>>::None))
            .filter(delivery::Column::Id.is_in(rows.iter().map(|row| row.id)))
            .exec(self.app.db.write())
            .await
            .unwrap();
    }

    /// Takes a lease for a process that is none.
    async fn lease_of(&self, process: u128, id: u128, lasts: TimeDelta) -> Uuid {
        let lease = worker::Lease {
            id: Uuid::from_u128(id),
            process: Uuid::from_u128(process),
            lasts,
        };
        let now = Clock::system().now();
        worker::Entity::take(self.app.db.write(), lease, now).await.unwrap();
        lease.id
    }
}
