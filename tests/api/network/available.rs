//! N2: partner accounts as candidates for the sources of a flow, each with its state and what to do.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::UPDATE_SOURCE;
use crate::support::app::{TestApp, both};
use crate::support::make::{Account, Flow, merge, text};

const AVAILABLE: &str = "query($flow: ID!, $search: String, $first: Int, $after: String) {
    availableSources(flowId: $flow, search: $search, first: $first, after: $after) {
        nodes { partner { id name } state explanation connection { id status } invitation { id status } }
        pageInfo { hasNextPage endCursor } } }";

async fn available(app: &TestApp, owner: &Account, flow: &Flow, more: Value) -> Value {
    let mut variables = json!({ "flow": flow.id });
    merge(&mut variables, more);
    app.data(&owner.token, AVAILABLE, variables).await["availableSources"].take()
}

/// Name and state of each, in the order of the list.
fn states(page: &Value) -> Vec<(String, String)> {
    let nodes = page["nodes"].as_array().unwrap();
    nodes
        .iter()
        .map(|node| (text(&node["partner"]["name"]), text(&node["state"])))
        .collect()
}

/// The state of the one partner, with an explanation that says this.
async fn state(app: &TestApp, owner: &Account, flow: &Flow, says: &str) -> String {
    let page = available(app, owner, flow, json!({})).await;
    assert_eq!(page["nodes"].as_array().unwrap().len(), 1, "{page:#}");
    let node = &page["nodes"][0];
    let explanation = text(&node["explanation"]);
    assert!(explanation.contains(says), "{explanation}");
    text(&node["state"])
}

both!(a_partner_is_told_with_its_state_at_every_stage, |app| {
    let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
    let (mine, theirs) = (app.flow(&a, json!({})).await, app.flow(&b, json!({})).await);
    assert_eq!(
        available(&app, &a, &mine, json!({})).await["nodes"],
        json!([]),
        "strangers are not listed"
    );
    app.invite(&a, &b, "SEND_LEADS").await;
    assert_eq!(
        state(&app, &a, &mine, "waits for the answer of Bolt").await,
        "INVITATION_PENDING"
    );
    assert_eq!(state(&app, &b, &theirs, "acceptInvitation").await, "INVITATION_PENDING");
    app.advance(TimeDelta::days(15));
    let (a, b) = (app.sign_in(&a).await, app.sign_in(&b).await);
    assert_eq!(state(&app, &a, &mine, "resendInvitation").await, "INVITATION_EXPIRED");
    assert_eq!(state(&app, &b, &theirs, "expired").await, "INVITATION_EXPIRED");

    let connection = app.connect(&b, &a, "RECEIVE_LEADS").await;
    assert_eq!(state(&app, &b, &theirs, "addSource").await, "AVAILABLE");
    assert_eq!(
        state(&app, &a, &mine, "wider relationship").await,
        "DIRECTION_NOT_AGREED"
    );
    let source = app.source(&b, &theirs, json!({ "connectionId": connection })).await;
    assert_eq!(state(&app, &b, &theirs, "may submit").await, "ADDED");
    app.done(&b.token, UPDATE_SOURCE, json!({ "id": source, "enabled": false }))
        .await;
    assert_eq!(state(&app, &b, &theirs, "updateSource").await, "DISABLED");
    app.change(&a, "suspend", &connection).await;
    assert_eq!(state(&app, &b, &theirs, "Acme has suspended").await, "SUSPENDED");
    app.change(&a, "resume", &connection).await;
    app.change(&a, "terminate", &connection).await;
    assert_eq!(state(&app, &b, &theirs, "invite it again").await, "TERMINATED");
    let node = available(&app, &b, &theirs, json!({})).await["nodes"][0].take();
    assert_eq!(node["connection"], json!({ "id": connection, "status": "TERMINATED" }));
    let invitation = app.invite(&b, &a, "RECEIVE_LEADS").await;
    assert_eq!(state(&app, &b, &theirs, "is prepared").await, "INVITATION_PENDING");
    let node = available(&app, &b, &theirs, json!({})).await["nodes"][0].take();
    assert_eq!(node["invitation"], json!({ "id": invitation, "status": "PENDING" }));
});

both!(the_list_is_paged_and_searched, |app| {
    let a = app.account("Acme").await;
    let flow = app.flow(&a, json!({})).await;
    let mut names = Vec::new();
    for (short, name) in [("Bolt", "Bolt"), ("Cork", "Cork"), ("Dune", "Dune 100%")] {
        let partner = app.account_called(short, name).await;
        app.connect(&a, &partner, "BOTH").await;
        names.insert(0, (name.to_owned(), "AVAILABLE".to_owned()));
    }
    app.invite_address(&a, "nobody@nowhere.test", "BOTH").await;
    let first = available(&app, &a, &flow, json!({ "first": 2 })).await;
    let second = available(
        &app,
        &a,
        &flow,
        json!({ "first": 2, "after": first["pageInfo"]["endCursor"] }),
    )
    .await;
    assert_eq!(
        [states(&first), states(&second)].concat(),
        names,
        "newest account first"
    );
    assert_eq!(
        (&first["pageInfo"]["hasNextPage"], &second["pageInfo"]["hasNextPage"]),
        (&json!(true), &json!(false))
    );
    let found = available(&app, &a, &flow, json!({ "search": "cOR" })).await;
    assert_eq!(states(&found), [("Cork".to_owned(), "AVAILABLE".to_owned())]);
    let found = available(&app, &a, &flow, json!({ "search": "0%" })).await;
    assert_eq!(states(&found).len(), 1, "a percent sign is one");
    let stranger = app.account("Stranger").await;
    assert_eq!(
        app.error_code(Some(&stranger.token), AVAILABLE, json!({ "flow": flow.id }))
            .await,
        "NOT_FOUND"
    );
});
