//! N13, and what partners see: refusals are alike and counted, receipts are all that a sender gets.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::app::{TestApp, both};
use crate::support::http_receiver::HttpReceiver;
use crate::support::make::{Account, Flow, SUBMIT, ana, text, webhook};
use crate::support::wait::eventually;

const CREATE_KEY: &str = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } secret userErrors { code message path } } }";
const REVOKE: &str = "mutation($id: ID!) { revokeApiKey(id: $id) { userErrors { code message path } } }";
const STATS: &str = "query($id: ID!, $range: TimeRangeInput!) { flow(id: $id) { stats(range: $range) { submitted accepted rejected refusedAttempts } } }";

async fn stats(app: &TestApp, owner: &Account, flow: &str) -> Value {
    let now = app.clock.now();
    let range = json!({ "from": now - TimeDelta::hours(1), "to": now + TimeDelta::hours(1) });
    let data = app
        .data(&owner.token, STATS, json!({ "id": flow, "range": range }))
        .await;
    data["flow"]["stats"].clone()
}

/// Counts are written about once a second: reads again until there are so many.
async fn refused_attempts(app: &TestApp, owner: &Account, flow: &str, wanted: i64) {
    let read = async || stats(app, owner, flow).await["refusedAttempts"].as_i64().unwrap();
    assert_eq!(eventually(read, |attempts| *attempts >= wanted).await, wanted);
}

async fn key(app: &TestApp, owner: &Account, scope: &str) -> (String, String) {
    let input = json!({ "name": scope, "scopes": [scope] });
    let payload = app.done(&owner.token, CREATE_KEY, input).await;
    (text(&payload["apiKey"]["id"]), text(&payload["secret"]))
}

/// The whole answer to a submission, without what is different in each.
async fn answer(app: &TestApp, key: Option<&str>, flow: &str) -> Value {
    let mut answer = app
        .ask(key, SUBMIT, json!({ "input": { "flowId": flow, "fields": ana() } }))
        .await;
    if let Some(extensions) = answer
        .pointer_mut("/errors/0/extensions")
        .and_then(Value::as_object_mut)
    {
        extensions.remove("requestId");
    }
    answer
}

both!(
    /// N13: C's key, no key, a revoked key, B's key for a flow that is not opened to it, a key without the scope.
    whoever_has_no_right_is_refused_alike_and_counted,
    |app| {
        let (a, b, c) = (app.account("Acme").await, app.account("Bolt").await, app.account("Cork").await);
        let (open, closed) = (app.flow(&a, json!({})).await, app.flow(&a, json!({ "name": "Wind" })).await);
        app.open(&a, &open, &b).await;
        let unknown = "flow_01h2xcejqtf2nbrexx3vqjhp41";
        for caller in [Some(c.key.as_str()), Some(b.key.as_str()), None, Some("lmk_nobody")] {
            let (of_closed, of_unknown) = (answer(&app, caller, &closed.id).await, answer(&app, caller, unknown).await);
            assert_eq!(of_closed, of_unknown, "nothing tells that there is such a flow");
        }
        refused_attempts(&app, &a, &closed.id, 4).await;

        assert_eq!(app.told(Some(&c.key), &open.id, ana()).await, "NOT_FOUND");
        assert_eq!(app.told(None, &open.id, ana()).await, "UNAUTHENTICATED");
        let (id, revoked) = key(&app, &b, "LEADS_SUBMIT").await;
        assert_eq!(app.told(Some(&revoked), &open.id, ana()).await, "ACCEPTED");
        app.data(&b.token, REVOKE, json!({ "id": id })).await;
        assert_eq!(app.told(Some(&revoked), &open.id, ana()).await, "UNAUTHENTICATED", "though it was used just now");
        let (_, reading) = key(&app, &b, "LEADS_READ").await;
        assert_eq!(app.told(Some(&reading), &open.id, ana()).await, "FORBIDDEN");
        refused_attempts(&app, &a, &open.id, 4).await;
        let stats = stats(&app, &a, &open.id).await;
        assert_eq!((&stats["submitted"], &stats["accepted"]), (&json!(1), &json!(1)), "attempts are no leads");
    }
);

both!(
    /// A lead that is named wrongly in bulk is refused lead by lead; what was counted is written when the server stops.
    attempts_are_counted_lead_by_lead_and_survive_a_stop,
    |app| {
        let mut app = app;
        let (a, c) = (app.account("Acme").await, app.account("Cork").await);
        let flow = app.flow(&a, json!({})).await;
        let many = "mutation($input: SubmitLeadsInput!) { submitLeads(input: $input) { failed userErrors { code path } } }";
        let leads: Vec<Value> = (0..7).map(|_| json!({ "fields": ana() })).collect();
        let answer = app.ask(Some(&c.key), many, json!({ "input": { "flowId": flow.id, "leads": leads } })).await;
        assert_eq!(answer["data"]["submitLeads"]["failed"], 7, "{answer}");
        app.stop().await;
        app.restart().await;
        assert_eq!(stats(&app, &a, &flow.id).await["refusedAttempts"], 7);
    }
);

const OTHERS: &str = "query($lead: ID!, $flow: ID!, $source: ID!, $delivery: ID!) {
    lead(id: $lead) { id }
    flow(id: $flow) { id }
    delivery(id: $delivery) { id }
    leads(first: 10) { nodes { id } }
    nodes(ids: [$flow, $source, $delivery]) { id } }";
const RECEIPT: &str = "query($id: ID!, $flow: ID!) { submission(id: $id) { id outcome flowId }
    node(id: $id) { __typename id } submissions(flowId: $flow) { nodes { id outcome } } }";

async fn sees_only_receipts(app: &TestApp, b: &Account, flow: &Flow, ids: &Value, receipt: &str) {
    let others = app.data(&b.token, OTHERS, ids.clone()).await;
    for part in ["lead", "flow", "delivery"] {
        assert_eq!(others[part], Value::Null, "{part}: {others:#}");
    }
    assert_eq!(others["leads"]["nodes"], json!([]));
    assert_eq!(others["nodes"], json!([null, null, null]));
    let own = app
        .data(&b.token, RECEIPT, json!({ "id": receipt, "flow": flow.id }))
        .await;
    assert_eq!(own["submission"]["outcome"], "ACCEPTED");
    assert_eq!(own["node"], json!({ "__typename": "SubmissionReceipt", "id": receipt }));
    assert_eq!(
        own["submissions"]["nodes"],
        json!([{ "id": receipt, "outcome": "ACCEPTED" }])
    );
}

both!(
    /// N12 and N20: a sender reads its receipts, never the lead, its deliveries, the flow or other sources; also afterwards.
    a_sender_sees_its_receipts_and_nothing_else_also_after_the_end,
    |app| {
        let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
        let receiver = HttpReceiver::start().await;
        let (flow, _, _) = app.flow_to(&a, webhook(&receiver.url("/"))).await;
        let (connection, source) = app.open(&a, &flow, &b).await;
        let receipt = text(&app.submit(&b, &flow, ana()).await["id"]);
        app.submit(&a, &flow, ana()).await;
        let deliveries = app.deliveries_at(&a, &receipt, &["DELIVERED"]).await;
        let ids = json!({ "lead": receipt, "flow": flow.id, "source": source, "delivery": deliveries[0]["id"] });
        sees_only_receipts(&app, &b, &flow, &ids, &receipt).await;
        app.change(&a, "terminate", &connection).await;
        sees_only_receipts(&app, &b, &flow, &ids, &receipt).await;
        let docs = app.data(&b.token, "{ submissionDocs { nodes { flowId } } }", json!({})).await;
        assert_eq!(docs["submissionDocs"]["nodes"], json!([]));
        let lead = "query($id: ID!) { lead(id: $id) { partner { name } } }";
        let lead = app.data(&a.token, lead, json!({ "id": receipt })).await;
        assert_eq!(lead["lead"]["partner"]["name"], "Bolt", "its owner keeps it with its sender");
    }
);
