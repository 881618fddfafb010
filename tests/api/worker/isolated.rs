//! Deliveries that are attempted apart from others stop nothing, and are forgotten by nobody.

use std::sync::Arc;

use chrono::TimeDelta;
use entity::delivery::{self, DeliveryStatus};
use entity::endpoint::{self, OpenReason};
use entity::suspect;
use entity::suspended::ISOLATION;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{ana, webhook_with};
use crate::support::wait::until;

impl TestApp {
    /// Lets waiting deliveries be attempted apart, as after three deaths with so many under way.
    #[expect(clippy::disallowed_methods, reason = "a test's rows are all its own")]
    async fn isolate(&self, rows: &[delivery::Model], company: i32) {
        let now = self.clock.now();
        let known = rows.iter().map(|row| suspect::Model {
            delivery_id: row.id,
            account_id: row.account_id,
            attempt: row.attempt_count,
            deaths: 3,
            company,
            lease: Uuid::nil(),
            seen_at: now,
            notified: None,
        });
        suspect::Entity::keep(self.app.db.write(), known.collect())
            .await
            .unwrap();
        delivery::Entity::update_many()
            .col_expr(delivery::Column::SuspendedFor, Expr::value(ISOLATION))
            .col_expr(delivery::Column::DueAt, Expr::value(now))
            .filter(delivery::Column::Id.is_in(rows.iter().map(|row| row.id)))
            .exec(self.app.db.write())
            .await
            .unwrap();
    }

    /// Pauses the endpoint of a delivery until then.
    async fn hold(&self, row: &delivery::Model, ahead: TimeDelta) {
        let held = endpoint::Model {
            id: row.endpoint().unwrap(),
            account_id: row.account_id,
            partner_id: row.partner_id,
            failures: 10,
            open_reason: Some(OpenReason::Failing),
            opened_at: Some(self.clock.now()),
            open_until: Some(self.clock.now() + ahead),
            pauses: 1,
            probe_id: None,
            last_error: "it failed".to_owned(),
            notified: true,
        };
        endpoint::Entity::keep(self.app.db.write(), held).await.unwrap();
    }
}

both!(
    /// One waits to be attempted alone, which takes as long as another exchange; then a larger group is to be attempted in parts. The
    /// group is, and all other work goes on; in the end the one is, too.
    a_group_that_is_isolated_while_one_waits_to_be_alone_stops_nothing,
    |app| {
        let (slow, permits) = (HttpReceiver::start().await, Arc::new(Semaphore::new(0)));
        slow.answer(Answer::status(200).hold(permits.clone()));
        let (owner, _, _receiver) = app.waiting_for_retry(9).await;
        let waiting = app.rows().await;
        let flow = app.flow(&owner, json!({ "name": "Slow" })).await;
        let settings = webhook_with(&slow.url("/"), json!({ "timeoutMs": 60_000 }));
        let (partner, _) = app.partner(&owner, "S", settings, json!({})).await;
        let profile = app.profile(&owner, json!({ "name": "Slow" })).await;
        app.assign(&owner, &profile, &partner, json!({})).await;
        app.step(&owner, &flow, "Out", json!({ "distribute": { "profileId": profile } }), Value::Null).await;
        app.submit(&owner, &flow, ana()).await;
        slow.wait_for(1).await;
        app.isolate(&waiting[..1], 1).await;
        until("one waits to be alone", async || app.app.queue.slots.free() == 0).await;
        app.isolate(&waiting[1..], 20).await;
        until("the group is delivered", async || app.standing_at(DeliveryStatus::Delivered).await == 8).await;
        permits.add_permits(9);
        until("all are delivered", async || app.standing_at(DeliveryStatus::Delivered).await == 10).await;
    }
);

both!(
    /// Nothing waits for being alone when the one that did is cancelled.
    one_that_waits_to_be_alone_and_is_cancelled_gives_the_others_way,
    |app| {
        let (slow, permits) = (HttpReceiver::start().await, Arc::new(Semaphore::new(0)));
        slow.answer(Answer::status(200).hold(permits.clone()));
        let (owner, flow, receiver) = app.waiting_for_retry(1).await;
        let waiting = app.rows().await;
        let (to_slow, partner) = (app.flow(&owner, json!({ "name": "Slow" })).await, webhook_with(&slow.url("/"), json!({ "timeoutMs": 60_000 })));
        let (partner, _) = app.partner(&owner, "S", partner, json!({})).await;
        let profile = app.profile(&owner, json!({ "name": "Slow" })).await;
        app.assign(&owner, &profile, &partner, json!({})).await;
        app.step(&owner, &to_slow, "Out", json!({ "distribute": { "profileId": profile } }), Value::Null).await;
        app.submit(&owner, &to_slow, ana()).await;
        slow.wait_for(1).await;
        app.isolate(&waiting, 1).await;
        until("one waits to be alone", async || app.app.queue.slots.free() == 0).await;
        let before = receiver.count();
        let cancel = "mutation($id: ID!) { cancelDelivery(id: $id) { delivery { id } userErrors { code message path } } }";
        let answer = app.ask(Some(&owner.token), cancel, json!({ "id": waiting[0].id })).await;
        crate::support::make::accepted(&answer, "cancelDelivery");
        app.submit(&owner, &flow, ana()).await;
        receiver.wait_for(before + 1).await;
        permits.add_permits(9);
    }
);

both!(
    /// What is isolated and waits for a paused endpoint tries it when the pause is over, if nothing else does; only one of them.
    what_is_isolated_tries_its_endpoint_after_a_pause,
    |app| {
        let (.., receiver) = app.waiting_for_retry(3).await;
        let rows = app.rows().await;
        let permits = Arc::new(Semaphore::new(0));
        receiver.answer(Answer::status(200).hold(permits.clone()));
        app.hold(&rows[0], TimeDelta::zero()).await;
        app.isolate(&rows, 20).await;
        receiver.wait_for(4).await;
        let under_way = app.rows().await;
        let probe = under_way.iter().find(|row| row.status == DeliveryStatus::Sending).unwrap();
        assert_eq!(probe.attempts_before, 1, "it is not counted");
        assert_eq!(app.standing_at(DeliveryStatus::Sending).await, 1, "one tries it");
        permits.add_permits(9);
        until("all are delivered", async || app.standing_at(DeliveryStatus::Delivered).await == 3).await;
        assert_eq!(receiver.count(), 6);
    }
);

both!(
    /// What is isolated behind an endpoint that does not come back ends by its age.
    what_is_isolated_behind_a_paused_endpoint_ends_when_it_is_too_old,
    |app| {
        let (.., receiver) = app.waiting_for_retry(2).await;
        let rows = app.rows().await;
        app.hold(&rows[0], TimeDelta::days(9)).await;
        app.isolate(&rows, 20).await;
        app.advance(TimeDelta::days(2));
        until("both have ended", async || app.standing_at(DeliveryStatus::Failed).await == 2).await;
        let codes: Vec<_> = app.rows().await.into_iter().map(|row| row.failure_code.unwrap()).collect();
        assert_eq!(codes, [delivery::DeliveryErrorCode::Paused; 2]);
        assert_eq!(receiver.count(), 2);
    }
);
