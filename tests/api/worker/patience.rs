//! What we cannot do for reasons of our own costs a delivery none of its attempts.

use chrono::TimeDelta;
use entity::delivery::DeliveryStatus;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::support::app::{Mode, TestApp};
use crate::support::make::{accepted, ana};
use crate::support::wait::until;

const SET_FLOW: &str = "mutation($id: ID!, $on: Boolean!) { setFlowEnabled(id: $id, enabled: $on) { flow { id } userErrors { code message path } } }";
/// More than the six that deliveries into accounts have.
const ATTEMPTS: i32 = 8;

/// The database gives transactions up that bring the lead to the buyer, as it does when many change the same things at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_gives_way_spends_no_attempts_of_a_delivery_into_an_account() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
    let connection = app.connect(&seller, &buyer, "SEND_LEADS").await;
    let target = app.flow(&buyer, json!({})).await;
    app.receive_in(&buyer, &connection, &target).await;
    let flow = app.flow(&seller, json!({})).await;
    let profile = app.profile(&seller, json!({})).await;
    let into = json!({ "account": { "connectionId": connection } });
    let (partner, _) = app.partner(&seller, "P", into, json!({})).await;
    app.assign(&seller, &profile, &partner, json!({})).await;
    let step = json!({ "distribute": { "profileId": profile } });
    app.step(&seller, &flow, "Out", step, Value::Null).await;
    switch(&app, &buyer.token, &target.id, false).await;
    app.submit(&seller, &flow, ana()).await;
    assert_eq!(
        app.standing_at(DeliveryStatus::Failed).await,
        1,
        "the buyer is not ready"
    );
    switch(&app, &buyer.token, &target.id, true).await;
    let account: entity::ids::AccountId = buyer.id.parse().unwrap();
    let gives_way = format!(
        "CREATE FUNCTION give_way() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001'; END $$;
         CREATE TRIGGER give_way BEFORE INSERT ON lead FOR EACH ROW WHEN (NEW.account_id = '{}')
             EXECUTE FUNCTION give_way()",
        account.0
    );
    app.app.db.write().execute_unprepared(&gives_way).await.unwrap();
    assert_eq!(app.retry_many(&seller, json!({})).await, 1);
    for attempt in 1..=ATTEMPTS {
        until("it is put off", async || {
            let row = app.rows().await.remove(0);
            assert_ne!(row.status, DeliveryStatus::Failed, "{row:?}");
            row.status == DeliveryStatus::Retrying && row.attempt_count == attempt && row.attempts_before == attempt
        })
        .await;
        app.advance(TimeDelta::seconds(15));
    }
    let end = "DROP TRIGGER give_way ON lead";
    app.app.db.write().execute_unprepared(end).await.unwrap();
    app.advance(TimeDelta::seconds(15));
    until("it is delivered", async || {
        app.advance(TimeDelta::seconds(1));
        app.standing_at(DeliveryStatus::Delivered).await == 1
    })
    .await;
}

async fn switch(app: &TestApp, token: &str, flow: &str, on: bool) {
    let answer = app.ask(Some(token), SET_FLOW, json!({ "id": flow, "on": on })).await;
    accepted(&answer, "setFlowEnabled");
}
