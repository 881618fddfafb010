//! F6: every change of a flow is a revision, and one can go back to each.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::app::{TestApp, both};
use crate::support::make::{Account, Flow, ana, text};

const READ: &str = "query($id: ID!) { flow(id: $id) {
    version name description enabled acceptanceRule duplicateKeys duplicateWindowDays price { amount currency }
    fields { name label type required encrypted choices example description }
    caps { id period limit timezone }
    sources { id name enabled acceptanceRule mapping { from to } caps { id limit } price { amount } }
    steps { id name enabled criteria ... on FilterStep { rule reason } ... on TransformStep { assignments { field template } } }
    history(first: 100) { nodes { version summary at actor { kind name } snapshot } } } }";
const UPDATE: &str = "mutation($input: UpdateFlowInput!) { updateFlow(input: $input) { flow { version } userErrors { code message path } } }";
const REVERT: &str = "mutation($id: ID!, $version: Int!) { revertFlow(id: $id, version: $version) { flow { version } userErrors { code message path } } }";
const PAYLOAD: &str = "{ flow { version } userErrors { code message path } }";

async fn read(app: &TestApp, owner: &Account, flow: &Flow) -> Value {
    app.data(&owner.token, READ, json!({ "id": flow.id })).await["flow"].take()
}

/// The flow without what every change changes.
fn lasting(flow: &Value) -> Value {
    let mut flow = flow.clone();
    for changing in ["version", "history"] {
        flow.as_object_mut().unwrap().remove(changing);
    }
    flow
}

fn history(flow: &Value) -> Vec<Value> {
    flow["history"]["nodes"].as_array().unwrap().clone()
}

fn age(operator: &str, value: u32) -> Value {
    json!({ "condition": { "field": "score", "operator": operator, "value": value } })
}

/// Every kind of change that there is: a mutation's field with its input, by its own arguments.
async fn change_everything(app: &TestApp, owner: &Account, flow: &Flow) -> Vec<Value> {
    let id = &flow.id;
    let step = json!({ "filter": { "rule": age("LESS_THAN", 1), "reason": "too low" } });
    let first = app.step(owner, flow, "Low", step, Value::Null).await;
    let transform =
        json!({ "transform": { "assignments": [{ "field": "company", "template": "{{ lead.first_name }} Ltd" }] } });
    let second = app.step(owner, flow, "Set", transform, age("GREATER_THAN", 3)).await;
    let mut seen = vec![read(app, owner, flow).await];
    let source = &flow.source;
    for (call, input_type, input) in [
        (
            "updateFlow(input: $input)",
            "UpdateFlowInput!",
            json!({ "id": id, "name": "Wind", "description": "Turbines", "price": { "amount": "3", "currency": "EUR" } }),
        ),
        (
            "updateFlow(input: $input)",
            "UpdateFlowInput!",
            json!({ "id": id, "acceptanceRule": age("GREATER_THAN", 0), "duplicateKeys": ["email"], "duplicateWindowDays": 3, "caps": [{ "period": "DAY", "limit": 5 }] }),
        ),
        (
            "addSource(input: $input)",
            "AddSourceInput!",
            json!({ "flowId": id, "name": "Form", "mapping": [{ "from": "vorname", "to": "first_name" }] }),
        ),
        (
            "updateSource(input: $input)",
            "UpdateSourceInput!",
            json!({ "id": source, "enabled": false, "caps": [{ "period": "HOUR", "limit": 2 }] }),
        ),
        (
            "updateStep(input: $input)",
            "UpdateStepInput!",
            json!({ "id": first, "name": "Lower", "criteria": age("LESS_THAN", 50) }),
        ),
        ("setStepEnabled(id: $input, enabled: false)", "ID!", json!(second)),
        ("moveStep(id: $input, position: 0)", "ID!", json!(second)),
        ("setFlowEnabled(id: $input, enabled: false)", "ID!", json!(id)),
        ("removeStep(id: $input)", "ID!", json!(first)),
        ("removeSource(id: $input)", "ID!", json!(source)),
    ] {
        let mutation = format!("mutation($input: {input_type}) {{ {call} {PAYLOAD} }}");
        app.done(&owner.token, &mutation, input).await;
        seen.push(read(app, owner, flow).await);
    }
    seen
}

both!(every_change_is_a_revision_and_reverting_restores_each_exactly, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let seen = change_everything(&app, &owner, &flow).await;
    let last = seen.last().unwrap();
    let revisions = history(last);
    let versions: Vec<i64> = revisions
        .iter()
        .map(|revision| revision["version"].as_i64().unwrap())
        .collect();
    assert_eq!(versions, (1..=13).rev().collect::<Vec<_>>());
    for revision in &revisions {
        assert!(!text(&revision["summary"]).is_empty());
        assert_eq!(revision["actor"], json!({ "kind": "USER", "name": "Acme Owner" }));
    }
    for (place, past) in seen.iter().enumerate() {
        let reverted = app
            .data(
                &owner.token,
                REVERT,
                json!({ "id": flow.id, "version": past["version"] }),
            )
            .await;
        assert_eq!(reverted["revertFlow"]["userErrors"], json!([]));
        let now = read(&app, &owner, &flow).await;
        assert_eq!(now["version"], 14 + place);
        assert_eq!(lasting(&now), lasting(past));
        let revisions = history(&now);
        let original = revisions
            .iter()
            .find(|revision| revision["version"] == past["version"])
            .unwrap();
        assert_eq!(revisions[0]["snapshot"], original["snapshot"]);
        assert!(text(&revisions[0]["summary"]).contains(&past["version"].to_string()));
    }
});

both!(a_reverted_flow_takes_leads_as_it_did, |app| {
    let owner = app.account("Acme").await;
    let flow = app
        .flow(&owner, json!({ "acceptanceRule": age("GREATER_THAN", 5) }))
        .await;
    app.done(
        &owner.token,
        UPDATE,
        json!({ "id": flow.id, "acceptanceRule": age("GREATER_THAN", 50) }),
    )
    .await;
    assert_eq!(
        crate::submission::codes(&app.submit(&owner, &flow, ana()).await),
        ["NOT_ACCEPTED"]
    );
    app.data(&owner.token, REVERT, json!({ "id": flow.id, "version": 1 }))
        .await;
    assert_eq!(app.submit(&owner, &flow, ana()).await["outcome"], "ACCEPTED");
    let answer = app
        .ask(Some(&owner.token), REVERT, json!({ "id": flow.id, "version": 99 }))
        .await;
    assert_eq!(
        crate::support::make::broken(&answer),
        [("NOT_FOUND".to_owned(), "version".to_owned())]
    );
});

both!(a_stale_version_changes_nothing, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    app.done(
        &owner.token,
        UPDATE,
        json!({ "id": flow.id, "version": 1, "name": "Wind" }),
    )
    .await;
    let before = read(&app, &owner, &flow).await;
    let stale = json!({ "id": flow.id, "version": 1, "name": "Water" });
    assert_eq!(
        app.refused(&owner.token, UPDATE, stale).await,
        [("STALE_VERSION".to_owned(), "input.version".to_owned())]
    );
    assert_eq!(read(&app, &owner, &flow).await, before);
});

both!(of_eight_who_change_the_same_version_at_once_one_does, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let changes = (0..8).map(|number| {
        let input = json!({ "id": flow.id, "version": 1, "name": format!("Name {number}") });
        app.ask(Some(&owner.token), UPDATE, json!({ "input": input }))
    });
    let answers = join_all(changes).await;
    let stale = answers
        .iter()
        .filter(|answer| answer["data"]["updateFlow"]["userErrors"][0]["code"] == "STALE_VERSION");
    assert_eq!(stale.count(), 7, "{answers:#?}");
    let now = read(&app, &owner, &flow).await;
    assert_eq!((&now["version"], history(&now).len()), (&json!(2), 2));
});
