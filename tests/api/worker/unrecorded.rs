//! Outcomes that the database refuses to record, as with a damaged row or an index that is broken.

use entity::delivery::DeliveryStatus;
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::support::app::{Mode, TestApp, both};
use crate::support::http_receiver::HttpReceiver;
use crate::support::make::{ana, text, webhook};
use crate::support::wait::until;

impl TestApp {
    /// Makes the database refuse a change of a table's rows.
    pub(super) async fn refuse(&self, (table, change): (&str, &str), when: &str) {
        let sql = match self.mode {
            Mode::Server => format!(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
                 CREATE TRIGGER refuse BEFORE {change} ON {table} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION refuse()"
            ),
            Mode::Embedded => format!(
                "CREATE TRIGGER refuse BEFORE {change} ON {table} WHEN {when} BEGIN SELECT RAISE(ABORT, 'refused'); END"
            ),
        };
        self.app.db.write().execute_unprepared(&sql).await.unwrap();
    }

    pub(super) async fn refuse_no_more(&self, table: &str) {
        let of_table = if self.mode == Mode::Server {
            format!(" ON {table}")
        } else {
            String::new()
        };
        let sql = format!("DROP TRIGGER refuse{of_table}");
        self.app.db.write().execute_unprepared(&sql).await.unwrap();
    }
}

both!(
    /// The lease is given up, so that the delivery is taken over and attempted again.
    a_delivery_whose_outcome_cannot_be_recorded_is_attempted_again,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        let (flow, ..) = app.flow_to(&owner, webhook(&receiver.url("/"))).await;
        let before = app.app.queue.owner();
        app.refuse(("delivery", "UPDATE"), "OLD.status = 'SENDING' AND NEW.status = 'DELIVERED'").await;
        app.submit(&owner, &flow, ana()).await;
        until("the lease is given up", async || app.app.queue.owner() != before).await;
        assert_eq!(receiver.count(), 1);
        app.refuse_no_more("delivery").await;
        until("it is delivered", async || app.standing_at(DeliveryStatus::Delivered).await == 1).await;
        assert_eq!(receiver.count(), 2);
    }
);

both!(
    /// Where only what belongs to an outcome cannot be written, it is recorded without that, and nothing is sent again.
    an_outcome_whose_attempt_cannot_be_written_down_is_recorded,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        let (flow, ..) = app.flow_to(&owner, webhook(&receiver.url("/"))).await;
        let before = app.app.queue.owner();
        app.refuse(("delivery_attempt", "INSERT"), "NEW.number = 1").await;
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        let delivered = app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;
        assert_eq!((&delivered[0]["attempts"], receiver.count()), (&json!([]), 1));
        until("its slot is free", async || app.app.queue.slots.used() == 0).await;
        assert_eq!(app.app.queue.owner(), before, "nothing else is repeated");
    }
);
