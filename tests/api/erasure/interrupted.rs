//! Notices that were cut off, and claims of them that failed, hold up nothing.

use std::sync::Arc;

use entity::erasure_notice;
use entity::ids::LeadId;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Statement};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{flow, person, routed};
use crate::support::app::{Mode, TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{text, webhook_with};
use crate::support::wait::until;

fn is_notice(request: &crate::support::http_receiver::Received) -> bool {
    request.json()["type"] == "lead.erased"
}

/// Makes a notice look as if its process had ended while it told it.
#[expect(clippy::disallowed_methods, reason = "a test's rows are all its own")]
async fn cut_off(app: &TestApp, lead: LeadId) {
    let past = app.clock.now() - chrono::TimeDelta::minutes(1);
    let cut_off = erasure_notice::Entity::update_many()
        .col_expr(erasure_notice::Column::Status, Expr::value("QUEUED"))
        .col_expr(erasure_notice::Column::DueAt, Expr::value(past))
        .col_expr(erasure_notice::Column::LeaseUntil, Expr::value(past))
        .filter(erasure_notice::Column::LeadId.eq(lead));
    assert_eq!(cut_off.exec(app.app.db.write()).await.unwrap().rows_affected, 1);
}

both!(
    /// Another notice is under way, and stays so: the one that was cut off is told all the same.
    a_notice_that_was_cut_off_waits_for_no_other,
    |app| {
        let (slow, quick) = (HttpReceiver::start().await, HttpReceiver::start().await);
        let permits = Arc::new(Semaphore::new(0));
        let held = permits.clone();
        slow.respond(move |_, request| {
            let answer = Answer::status(200);
            if is_notice(request) { answer.hold(held.clone()) } else { answer }
        });
        let mut erased = Vec::new();
        for (name, receiver) in [("Quick", &quick), ("Slow", &slow)] {
            let owner = app.account(name).await;
            let flow = flow(&app, &owner).await;
            routed(&app, &owner, &flow, vec![webhook_with(&receiver.url("/"), json!({}))]).await;
            let lead = text(&app.submit(&owner, &flow, person()).await["id"]);
            app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;
            app.erase(&owner, &lead).await;
            erased.push((owner, lead));
        }
        let (owner, lead) = &erased[0];
        app.told_at(owner, lead, &["SENT"]).await;
        slow.wait_for(2).await;

        let id: LeadId = lead.parse().unwrap();
        cut_off(&app, id).await;
        quick.wait_for(3).await;
        app.told_at(owner, lead, &["SENT"]).await;
        assert_eq!(slow.count(), 2, "the other is still under way");
        permits.add_permits(9);
    }
);

/// The database refuses to give notices to the process some times: afterwards their destination has all its places.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_that_fail_take_no_places_of_their_destination() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let receiver = HttpReceiver::start().await;
    let owner = app.account("Acme").await;
    let flow = flow(&app, &owner).await;
    let settings: Vec<Value> = vec![webhook_with(&receiver.url("/"), json!({}))];
    routed(&app, &owner, &flow, settings).await;
    let lead = text(&app.submit(&owner, &flow, person()).await["id"]);
    app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;
    let db = app.app.db.write();
    let refuse = "CREATE SEQUENCE claims;
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM nextval('claims'); RAISE EXCEPTION 'refused'; END $$;
        CREATE TRIGGER refuse BEFORE UPDATE ON erasure_notice FOR EACH ROW EXECUTE FUNCTION refuse()";
    db.execute_unprepared(refuse).await.unwrap();
    app.erase(&owner, &lead).await;
    let claims = async || {
        let sql = Statement::from_string(db.get_database_backend(), "SELECT last_value FROM claims");
        let row = db.query_one_raw(sql).await.unwrap().unwrap();
        row.try_get::<i64>("", "last_value").unwrap()
    };
    until("it is tried again", async || claims().await >= 3).await;
    db.execute_unprepared("DROP TRIGGER refuse ON erasure_notice")
        .await
        .unwrap();
    app.told_at(&owner, &lead, &["SENT"]).await;
}
