//! FAULTS 17: what cannot be read holds up nothing else, and ends with a reason or is left to who can read it.

use leadmesh_core::queue;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::support::app::{Mode, TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{Account, Flow, ana, text, webhook, webhook_with};
use crate::support::wait::eventually;

const SUBMIT_MANY: &str = "mutation($input: SubmitLeadsInput!) { submitLeads(input: $input) {
    receipts { id } userErrors { code message path } } }";
const LOG: &str = "query($flow: ID!) { deliveries(filter: { flowId: $flow }, first: 100) { nodes {
    id status attemptCount nextAttemptAt failure { code message } attempts { number ok errorCode message } } } }";
/// Before and after the bad ones, each.
const GOOD: usize = 50;

/// What is damaged, by a statement on what belongs to the partner of that name, and what becomes of it.
const DAMAGES: [(&str, &str, &str); 6] = [
    (
        "values",
        "UPDATE lead SET fields = '\"x\"' WHERE id = (SELECT lead_id FROM delivery WHERE partner_id = (SELECT id FROM partner WHERE name = 'values'))",
        "the lead cannot be read",
    ),
    (
        "lost",
        "DELETE FROM lead WHERE id = (SELECT lead_id FROM delivery WHERE partner_id = (SELECT id FROM partner WHERE name = 'lost'))",
        "the lead cannot be read",
    ),
    (
        "settings",
        "UPDATE delivery_settings SET config = '{}' WHERE id = (SELECT settings_id FROM delivery WHERE partner_id = (SELECT id FROM partner WHERE name = 'settings'))",
        "settings or secrets cannot be read",
    ),
    (
        "gone",
        "DELETE FROM delivery_settings WHERE id = (SELECT settings_id FROM delivery WHERE partner_id = (SELECT id FROM partner WHERE name = 'gone'))",
        "settings or secrets cannot be read",
    ),
    (
        "secret",
        "UPDATE partner SET sealed_secret = 'AAAA' WHERE name = 'secret'",
        "settings or secrets cannot be read",
    ),
    (
        "unsigned",
        "UPDATE partner SET sealed_secret = NULL WHERE name = 'unsigned'",
        "no signing secret",
    ),
];
/// A delivery that only a newer version knows how to make.
const FUTURE: &str =
    "UPDATE delivery SET channel = 'PIGEON' WHERE partner_id = (SELECT id FROM partner WHERE name = 'future')";
const FUTURE_STANDS: &str =
    "SELECT status, attempt_count FROM delivery WHERE partner_id = (SELECT id FROM partner WHERE name = 'future')";

/// A flow to a partner of that name.
async fn flow_to(app: &TestApp, owner: &Account, name: &str, url: &str) -> Flow {
    let flow = app.flow(owner, json!({ "name": name })).await;
    let retry = json!({ "retry": { "attempts": 3, "initialDelayMs": 1_000 } });
    let (partner, _) = app.partner(owner, name, webhook_with(url, retry), json!({})).await;
    let profile = app.profile(owner, json!({ "name": name })).await;
    app.assign(owner, &profile, &partner, json!({})).await;
    let step = json!({ "distribute": { "profileId": profile } });
    app.step(owner, &flow, "Distribute", step, Value::Null).await;
    flow
}

async fn submit(app: &TestApp, owner: &Account, flow: &Flow, leads: usize) {
    let leads: Vec<Value> = (0..leads).map(|_| json!({ "fields": ana() })).collect();
    app.done(&owner.key, SUBMIT_MANY, json!({ "flowId": flow.id, "leads": leads }))
        .await;
}

async fn log(app: &TestApp, owner: &Account, flow: &Flow) -> Vec<Value> {
    let mut data = app.data(&owner.token, LOG, json!({ "flow": flow.id })).await;
    data["deliveries"]["nodes"].as_array_mut().unwrap().drain(..).collect()
}

/// Waits until all of a flow's deliveries stand so.
async fn log_at(app: &TestApp, owner: &Account, flow: &Flow, status: &str) -> Vec<Value> {
    eventually(
        async || log(app, owner, flow).await,
        |log| log.iter().all(|delivery| delivery["status"] == status),
    )
    .await
}

both!(
    /// Fifty good ones, bad ones of every kind, fifty good ones.
    what_cannot_be_read_ends_with_a_reason_and_holds_up_nothing,
    |app| {
        let mut app = app;
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(422));
        let owner = app.account("Acme").await;
        let good = flow_to(&app, &owner, "good", &receiver.url("/good")).await;
        submit(&app, &owner, &good, GOOD).await;
        let mut bad = Vec::new();
        for (name, _, _) in DAMAGES {
            let flow = flow_to(&app, &owner, name, &receiver.url("/bad")).await;
            submit(&app, &owner, &flow, 1).await;
            bad.push(flow);
        }
        let future = flow_to(&app, &owner, "future", &receiver.url("/future")).await;
        submit(&app, &owner, &future, 1).await;
        submit(&app, &owner, &good, GOOD).await;
        for flow in bad.iter().chain([&good, &future]) {
            log_at(&app, &owner, flow, "RETRYING").await;
        }
        let sent = receiver.count();
        assert_eq!(sent, 2 * GOOD + DAMAGES.len() + 1);

        // Nothing of it is remembered by a process that has just started.
        app.stop().await;
        for damage in DAMAGES.iter().map(|(_, damage, _)| *damage).chain([FUTURE]) {
            let changed = app.app.db.write().execute_unprepared(damage).await.unwrap();
            assert_eq!(changed.rows_affected(), 1, "{damage}");
        }
        app.restart().await;
        receiver.answer(Answer::status(200));
        app.advance(chrono::TimeDelta::seconds(2));

        let delivered = log_at(&app, &owner, &good, "DELIVERED").await;
        assert_eq!(delivered.len(), 2 * GOOD);
        assert!(delivered.iter().all(|delivery| delivery["attemptCount"] == 2), "{delivered:#?}");
        for ((name, _, reason), flow) in DAMAGES.iter().zip(&bad) {
            let failed = log_at(&app, &owner, flow, "FAILED").await;
            let (failure, attempts) = (&failed[0]["failure"], failed[0]["attempts"].as_array().unwrap());
            assert_eq!(failure["code"], "TEMPLATE", "{name}: {failed:#?}");
            assert!(text(&failure["message"]).contains(reason), "{name}: {failed:#?}");
            assert_eq!((&failed[0]["attemptCount"], &failed[0]["nextAttemptAt"]), (&json!(2), &Value::Null), "{name}");
            assert_eq!(attempts.len(), 2, "every look is on record: {failed:#?}");
        }
        let statement = Statement::from_string(app.app.db.write().get_database_backend(), FUTURE_STANDS);
        let row = app.app.db.write().query_one_raw(statement).await.unwrap().unwrap();
        let stands: (String, i32) = (row.try_get("", "status").unwrap(), row.try_get("", "attempt_count").unwrap());
        assert_eq!(stands, ("RETRYING".to_owned(), 1), "it is left to a version that knows it");
        assert_eq!(receiver.count(), sent + 2 * GOOD, "nothing of the bad ones went out");
    }
);

/// Whatever stands in the stream only rings; even where no stream can be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_in_the_stream_is_never_poison() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let receiver = HttpReceiver::start().await;
    let owner = app.account("Acme").await;
    let (flow, ..) = app.flow_to(&owner, webhook(&receiver.url("/"))).await;
    let settings = &app.app.config.settings;
    let client = redis::Client::open(settings.redis_url.clone().unwrap()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let stream = queue::stream(settings);
    let entries: [(&[u8], &[u8]); 5] = [
        (b"ids", b"no identifier"),
        (b"ids", b"\xff\xfe\x00"),
        (b"\xff", b""),
        (b"other", b"dlv_00000000000000000000000000"),
        (b"ids", b""),
    ];
    let mut sent = 0;
    for (field, value) in entries {
        let added: String = redis::cmd("XADD")
            .arg(&stream)
            .arg("*")
            .arg(field)
            .arg(value)
            .query_async(&mut redis)
            .await
            .unwrap();
        assert!(!added.is_empty());
        submit(&app, &owner, &flow, GOOD).await;
        sent += GOOD;
        receiver.wait_for(sent).await;
    }
    redis::cmd("DEL").arg(&stream).exec_async(&mut redis).await.unwrap();
    redis::cmd("SET")
        .arg(&stream)
        .arg("no stream")
        .exec_async(&mut redis)
        .await
        .unwrap();
    submit(&app, &owner, &flow, GOOD).await;
    receiver.wait_for(sent + GOOD).await;
    redis::cmd("DEL").arg(&stream).exec_async(&mut redis).await.unwrap();
    submit(&app, &owner, &flow, GOOD).await;
    receiver.wait_for(sent + 2 * GOOD).await;
    assert_eq!(receiver.count(), sent + 2 * GOOD, "nothing was sent twice");
}
