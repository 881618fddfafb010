//! N20: what a termination ends, raced with those who still submit, on two nodes where there can be two.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use entity::delivery::{self, DeliveryStatus};
use entity::ids::ConnectionId;
use futures::future::{join, join_all};
use leadmesh::server::{Role, Server};
use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};

use super::UPDATE_SOURCE;
use super::buyer_steps::{RETRY, SET_FLOW, UPDATE_FLOW};
use super::meanwhile::restless;
use crate::support::app::{Mode, TestApp, ask, both, client};
use crate::support::make::{Account, Flow, SUBMIT, ana, text};
use crate::support::stream::Stream;

const CALLERS: usize = 8;
const EACH: usize = 26;
const FOLLOW: &str = "subscription { network { kind connection { id } } }";
const DOCS: &str = "{ submissionDocs { nodes { sourceId } } }";
const RECEIPTS: &str = "query($flow: ID!) { submissions(flowId: $flow, first: 100) { nodes { outcome } } }";
const STORED: &str = "query($flow: ID!) { leads(filter: { flowId: $flow }, first: 100) { nodes { id } } }";

/// The API alone, on as many nodes as there can be: what waits for a worker stays as it is.
async fn without_workers(app: &mut TestApp) -> (Vec<Server>, Vec<SocketAddr>) {
    app.stop().await;
    let mut nodes = vec![app.another(Role::Api).await.1];
    if app.mode == Mode::Server {
        nodes.push(app.another(Role::Api).await.1);
    }
    app.address = nodes[0].address();
    let addresses = nodes.iter().map(Server::address).collect();
    (nodes, addresses)
}

/// Leads of the seller on their way to the buyer: one RETRYING, one FAILED for want of a flow, and at last one QUEUED.
async fn on_the_way(app: &TestApp, seller: &Account, buyer: &Account, (flow, target): (&Flow, &Flow)) -> Vec<String> {
    app.ask(Some(&buyer.token), SET_FLOW, json!({ "id": target.id, "on": false }))
        .await;
    let mut leads = Vec::new();
    for _ in 0..2 {
        leads.push(text(&app.submit(seller, flow, ana()).await["id"]));
    }
    app.ask(Some(&buyer.token), SET_FLOW, json!({ "id": target.id, "on": true }))
        .await;
    let failed = app.deliveries(seller, &leads[0]).await;
    assert_eq!(
        (&failed[0]["status"], &failed[0]["failure"]["code"]),
        (&json!("FAILED"), &json!("BUYER_NOT_READY"))
    );
    app.data(&seller.token, RETRY, json!({ "id": failed[0]["id"] })).await;
    let restless = restless(&app.app, buyer);
    for _ in 0..100 {
        let lead = text(&app.submit(seller, flow, ana()).await["id"]);
        if app.deliveries(seller, &lead).await[0]["status"] == "QUEUED" {
            leads.push(lead);
            break;
        }
    }
    restless.abort();
    let mut standing = Vec::new();
    for lead in &leads {
        standing.push(text(&app.deliveries(seller, lead).await[0]["status"]));
    }
    assert_eq!(standing, ["RETRYING", "FAILED", "QUEUED"]);
    leads
}

/// Submits from many places at once while the connection is ended; how many leads were taken.
async fn race(
    app: &TestApp,
    nodes: &[SocketAddr],
    (a, b): (&Account, &Account),
    flow: &Flow,
    connection: &str,
) -> usize {
    let client = client();
    let submit = async |place: usize| {
        let input = json!({ "input": { "flowId": flow.id, "fields": ana() } });
        let answer = ask(&client, nodes[place % nodes.len()], Some(&b.key), SUBMIT, input).await;
        let payload = &answer["data"]["submitLead"];
        match payload["receipt"]["outcome"].as_str() {
            Some(outcome) => outcome.to_owned(),
            None => payload["userErrors"][0]["code"]
                .as_str()
                .unwrap_or_else(|| panic!("{answer}"))
                .to_owned(),
        }
    };
    // 0 until the end was answered, so that a caller knows whether it began afterwards.
    let (taken, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (progress, mut progressed) = tokio::sync::watch::channel(0);
    let caller = async |caller: usize| {
        for _ in 0..EACH {
            let late = ended.load(Ordering::SeqCst) == 1;
            let outcome = submit(caller).await;
            assert!(
                outcome == "NOT_FOUND" || (outcome == "ACCEPTED" && !late),
                "{outcome}, late: {late}"
            );
            if outcome == "ACCEPTED" {
                progress.send_replace(taken.fetch_add(1, Ordering::SeqCst) + 1);
            }
        }
    };
    let end = async {
        progressed.wait_for(|taken| *taken >= CALLERS * 2).await.unwrap();
        app.change(a, "terminate", connection).await;
        ended.store(1, Ordering::SeqCst);
    };
    join(join_all((0..CALLERS).map(caller)), end).await;
    assert_eq!(
        [submit(0).await, submit(1).await],
        ["NOT_FOUND", "NOT_FOUND"],
        "on every node"
    );
    taken.into_inner()
}

/// The kinds of events until one comes, that one included.
async fn until(stream: &mut Stream, last: &str) -> Vec<String> {
    let mut kinds = Vec::new();
    while kinds.last().is_none_or(|kind| kind != last) {
        kinds.push(text(&stream.event().await["network"]["kind"]));
    }
    kinds
}

/// The status and code of each lead's only delivery.
async fn ends(app: &TestApp, owner: &Account, leads: &[String]) -> Vec<(Value, Value)> {
    let mut found = Vec::new();
    for lead in leads {
        let mut deliveries = app.deliveries(owner, lead).await;
        found.push((deliveries[0]["status"].take(), deliveries[0]["failure"]["code"].take()));
    }
    found
}

both!(
    /// No lead is stored that was submitted after the end; what came before stays; all that was on its way over the connection
    /// ends with it, and so do docs, source and what the partner hears.
    everything_over_a_connection_ends_with_it,
    |app| {
        let mut app = app;
        let (a, b, c) = (app.account("Acme").await, app.account("Bolt").await, app.account("Cork").await);
        let flow = app.flow(&a, json!({})).await;
        let (connection, source) = app.open(&a, &flow, &b).await;
        let target = app.flow(&b, json!({})).await;
        app.receive_in(&b, &connection, &target).await;
        let selling = app.flow(&a, json!({})).await;
        let cap = json!({ "caps": [{ "period": "DAY", "limit": 500 }] });
        app.buyer_step(&a, &selling, &connection, cap).await;
        let (nodes, addresses) = without_workers(&mut app).await;
        let leads = on_the_way(&app, &a, &b, (&selling, &target)).await;
        let delivered = app.counted(&a, &selling).await.1;
        let mut stream = Stream::open(*addresses.last().unwrap(), &b.token, FOLLOW, json!({})).await;

        let taken = race(&app, &addresses, (&a, &b), &flow, &connection).await;

        let stored = app.data(&a.token, STORED, json!({ "flow": flow.id })).await;
        assert_eq!(stored["leads"]["nodes"].as_array().unwrap().len(), taken.min(100), "what was acknowledged, and no more");
        let receipts = app.data(&b.token, RECEIPTS, json!({ "flow": flow.id })).await;
        assert_eq!(receipts["submissions"]["nodes"].as_array().unwrap().len(), taken.min(100), "receipts stay");
        let cancelled = vec![(json!("CANCELLED"), json!("DISCONNECTED")); 3];
        assert_eq!(ends(&app, &a, &leads).await, cancelled);
        let released = delivered.as_i64().unwrap() - app.counted(&a, &selling).await.1.as_i64().unwrap();
        assert_eq!(released, 2, "the QUEUED one and the one that is tried again had a place on the cap each");
        assert_eq!(app.data(&b.token, DOCS, json!({})).await["submissionDocs"]["nodes"], json!([]));
        let page = client();
        for address in &addresses {
            let page = page.get(format!("http://{address}/docs/{source}")).bearer_auth(&b.token);
            assert_eq!(page.send().await.unwrap().status(), 404);
        }
        assert_eq!(until(&mut stream, "CONNECTION_TERMINATED").await, ["CONNECTION_TERMINATED"]);
        app.done(&a.token, UPDATE_FLOW, json!({ "id": flow.id, "name": "Changed" })).await;
        app.invite(&c, &b, "BOTH").await;
        assert_eq!(until(&mut stream, "INVITATION_RECEIVED").await, ["INVITATION_RECEIVED"], "nothing of Acme between");

        for node in nodes {
            node.stop().await;
        }
        app.restart().await;
        let again = app.connect(&a, &b, "BOTH").await;
        app.done(&a.token, UPDATE_SOURCE, json!({ "id": source, "enabled": true })).await;
        assert_eq!(app.told(Some(&b.key), &flow.id, ana()).await, "ACCEPTED", "a new invitation works");
        let waiting = delivery::Entity::in_account(a.id.parse().unwrap())
            .filter(delivery::Column::ConnectionId.eq(again.parse::<ConnectionId>().unwrap()))
            .filter(delivery::Column::Status.ne(DeliveryStatus::Delivered));
        assert_eq!(waiting.count(app.app.db.read()).await.unwrap(), 0);
        assert_eq!(ends(&app, &a, &leads).await, cancelled, "with a worker, too");
    }
);
