//! Transactions that PostgreSQL gives up for the sake of others (40P01): leads are stored all the same, and of other changes it is
//! told that nothing was changed.

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use serde_json::{Value, json};

use super::number;
use crate::support::app::{Mode, TestApp};
use crate::support::make::{Account, SUBMIT, ana};
use crate::support::wait::until;

const CREATE_FLOW: &str =
    "mutation($input: CreateFlowInput!) { createFlow(input: $input) { flow { id } userErrors { code message } } }";

/// A connection that is not the app's.
async fn other(app: &TestApp) -> DatabaseConnection {
    let mut options = ConnectOptions::new(app.app.config.database_url.clone());
    options.max_connections(1);
    Database::connect(options).await.unwrap()
}

/// From now on so many transactions that insert into a table are given up. A sequence counts them: it is not rolled back.
async fn give_up(db: &DatabaseConnection, table: &str, times: u32) {
    let sql = format!(
        "CREATE SEQUENCE given_up;
         CREATE FUNCTION give_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('given_up') <= {times} THEN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END IF;
             RETURN NULL;
         END $$;
         CREATE TRIGGER give_up AFTER INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION give_up()"
    );
    db.execute_unprepared(&sql).await.unwrap();
}

async fn submit(app: &TestApp, owner: &Account, flow: &str) -> Value {
    let input = json!({ "flowId": flow, "fields": ana() });
    app.ask(Some(&owner.key), SUBMIT, json!({ "input": input })).await
}

fn is_told_that_nothing_was_changed(answer: &Value) {
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "UNAVAILABLE", "{answer:#}");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("nothing was changed") && message.contains("try again"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_whose_transaction_was_given_up_is_stored_by_the_next() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let db = other(&app).await;
    give_up(&db, "lead", 3).await;
    let answer = submit(&app, &owner, &flow.id).await;
    assert_eq!(
        answer["data"]["submitLead"]["receipt"]["outcome"], "ACCEPTED",
        "{answer:#}"
    );
    assert_eq!(number(&db, "SELECT last_value FROM given_up").await, 4);
    assert_eq!(number(&db, "SELECT count(*) FROM lead").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_up_again_and_again_is_told_plainly() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let (lease, db) = (app.app.queue.owner(), other(&app).await);
    give_up(&db, "lead", 4).await;
    is_told_that_nothing_was_changed(&submit(&app, &owner, &flow.id).await);
    assert_eq!(number(&db, "SELECT count(*) FROM lead").await, 0);
    assert_eq!(app.app.queue.owner(), lease, "nothing was claimed: the lease is kept");
    assert_eq!(app.submit(&owner, &flow, ana()).await["outcome"], "ACCEPTED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_settings_that_was_given_up_is_told_plainly() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let owner = app.account("Acme").await;
    let db = other(&app).await;
    let before = number(&db, "SELECT count(*) FROM flow").await;
    give_up(&db, "flow", 1).await;
    let input = json!({ "name": "Solar", "fields": [] });
    let answer = app
        .ask(Some(&owner.token), CREATE_FLOW, json!({ "input": input.clone() }))
        .await;
    is_told_that_nothing_was_changed(&answer);
    assert_eq!(number(&db, "SELECT count(*) FROM flow").await, before);
    app.done(&owner.token, CREATE_FLOW, input).await;
}

/// A real one: somebody else has the account's log of events and wants the counter of a cap, which the lead has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_in_a_deadlock_is_stored_once_and_counted_once() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let owner = app.account("Acme").await;
    let flow = app
        .flow(&owner, json!({ "caps": [{ "period": "LIFETIME", "limit": 10 }] }))
        .await;
    assert_eq!(app.submit(&owner, &flow, ana()).await["outcome"], "ACCEPTED");
    let (holder, watcher) = (other(&app).await, other(&app).await);
    // PostgreSQL ends who looks first, and the holder never looks.
    holder
        .execute_unprepared(
            "BEGIN; SET LOCAL deadlock_timeout = '10min'; SET LOCAL lock_timeout = 0; SELECT 1 FROM topic FOR UPDATE",
        )
        .await
        .unwrap();
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let submitting = submit(&app, &owner, &flow.id);
    let holding = async {
        until("the lead waits for the log", async || {
            number(&watcher, waiting).await > 0
        })
        .await;
        holder
            .execute_unprepared("UPDATE cap_usage SET used = used")
            .await
            .unwrap();
        holder.execute_unprepared("ROLLBACK").await.unwrap();
    };
    let (answer, ()) = tokio::join!(submitting, holding);
    assert_eq!(
        answer["data"]["submitLead"]["receipt"]["outcome"], "ACCEPTED",
        "{answer:#}"
    );
    assert_eq!(number(&watcher, "SELECT count(*) FROM lead").await, 2);
    assert_eq!(number(&watcher, "SELECT sum(used)::bigint FROM cap_usage").await, 2);
    let given_up = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    until("the deadlock is counted", async || {
        number(&watcher, given_up).await == 1
    })
    .await;
}
