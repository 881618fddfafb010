//! F7: steps one after another, the trace of it, and trying leads out.

use serde_json::{Value, json};

use super::codes;
use crate::support::app::{TestApp, both};
use crate::support::make::{ana, text};

const MOVE: &str = "mutation($id: ID!, $position: Int!) { moveStep(id: $id, position: $position) { flow { id } userErrors { code message path } } }";
const SWITCH: &str = "mutation($id: ID!, $enabled: Boolean!) { setStepEnabled(id: $id, enabled: $enabled) { flow { id } userErrors { code message path } } }";

fn condition(field: &str, operator: &str, value: &Value) -> Value {
    json!({ "condition": { "field": field, "operator": operator, "value": value } })
}

fn filter(rule: &Value, reason: &str) -> Value {
    json!({ "filter": { "rule": rule, "reason": reason } })
}

fn set(field: &str, template: &str) -> Value {
    json!({ "transform": { "assignments": [{ "field": field, "template": template }] } })
}

/// Every row of every table, but for the worker's lease, which it renews by itself.
async fn tables(app: &TestApp) -> Vec<String> {
    let dump = app.dump().await;
    let rows = dump.lines().filter(|row| !row.starts_with("worker: "));
    let mut rows: Vec<String> = rows.map(str::to_owned).collect();
    rows.sort();
    rows
}

/// The looks of a trace at that subject: what was looked at, and whether it passed.
fn looks(trace: &Value, subject: &str) -> Vec<(String, bool)> {
    let trace = trace.as_array().unwrap();
    let own = trace.iter().filter(|look| text(&look["subject"]).contains(subject));
    own.map(|look| (text(&look["check"]), look["passed"].as_bool().unwrap()))
        .collect()
}

both!(steps_run_in_their_order, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let transform = app
        .step(
            &owner,
            &flow,
            "Name it",
            set("company", "{{ lead.first_name }} Ltd"),
            Value::Null,
        )
        .await;
    let stop = filter(&condition("company", "EQUALS", &json!("Ana Ltd")), "Ana is not wanted");
    app.step(&owner, &flow, "Stop Ana", stop, Value::Null).await;

    let receipt = app.submit(&owner, &flow, ana()).await;
    assert_eq!(
        (&receipt["outcome"], codes(&receipt)),
        (&json!("REJECTED"), vec!["FILTERED".to_owned()])
    );
    assert_eq!(receipt["reasons"][0]["message"], "Ana is not wanted");
    let lead = app.lead(&owner, &receipt["id"]).await;
    assert_eq!(looks(&lead["trace"], "Name it"), [("transform".to_owned(), true)]);
    assert_eq!(looks(&lead["trace"], "Stop Ana"), [("filter".to_owned(), false)]);

    app.data(&owner.token, MOVE, json!({ "id": transform, "position": 1 }))
        .await;
    let receipt = app.submit(&owner, &flow, ana()).await;
    assert_eq!(receipt["outcome"], "ACCEPTED");
    let lead = app.lead(&owner, &receipt["id"]).await;
    assert_eq!(lead["fields"]["company"], "Ana Ltd");
    assert_eq!(looks(&lead["trace"], "Stop Ana"), [("filter".to_owned(), true)]);
});

both!(criteria_and_disabled_steps_are_skipped_and_the_trace_says_so, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let never = filter(&condition("first_name", "IS_NOT_EMPTY", &Value::Null), "nobody");
    app.step(
        &owner,
        &flow,
        "High scores",
        never.clone(),
        condition("score", "GREATER_THAN", &json!(100)),
    )
    .await;
    let off = app.step(&owner, &flow, "Off", never, Value::Null).await;
    app.data(&owner.token, SWITCH, json!({ "id": off, "enabled": false }))
        .await;
    app.step(
        &owner,
        &flow,
        "Rename",
        set("first_name", "{{ lead.last_name }}"),
        condition("state", "EQUALS", &json!("CA")),
    )
    .await;

    let receipt = app.submit(&owner, &flow, ana()).await;
    assert_eq!(receipt["outcome"], "ACCEPTED", "{receipt:#}");
    let lead = app.lead(&owner, &receipt["id"]).await;
    assert_eq!(lead["fields"]["first_name"], "Silva");
    assert_eq!(looks(&lead["trace"], "High scores"), [("criteria".to_owned(), false)]);
    assert_eq!(looks(&lead["trace"], "Off"), [("enabled".to_owned(), false)]);
    assert_eq!(
        looks(&lead["trace"], "Rename"),
        [("criteria".to_owned(), true), ("transform".to_owned(), true)]
    );

    let mut high = ana();
    high["score"] = json!("101");
    assert_eq!(codes(&app.submit(&owner, &flow, high).await), ["FILTERED"]);
    app.data(&owner.token, SWITCH, json!({ "id": off, "enabled": true }))
        .await;
    assert_eq!(codes(&app.submit(&owner, &flow, ana()).await), ["FILTERED"]);
});

both!(
    /// What a template makes is typed like what a sender sends; what does not fit leaves the field as it was.
    a_transform_sets_typed_values,
    |app| {
        let owner = app.account("Acme").await;
        let flow = app.flow(&owner, json!({})).await;
        app.step(&owner, &flow, "State", set("state", "new york"), Value::Null).await;
        app.step(&owner, &flow, "Score", set("score", "{{ lead.first_name }}"), Value::Null).await;
        app.step(&owner, &flow, "Email", set("email", "{{ lead.first_name }}@Example.ORG"), Value::Null).await;
        let receipt = app.submit(&owner, &flow, ana()).await;
        let lead = app.lead(&owner, &receipt["id"]).await;
        let fields = &lead["fields"];
        assert_eq!((&fields["state"], &fields["score"], &fields["email"]), (&json!("NY"), &json!(7), &json!("ana@example.org")));
        assert_eq!(looks(&lead["trace"], "Score"), [("transform".to_owned(), false)]);
    }
);

both!(a_step_that_names_what_is_not_there_is_refused, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let add =
        "mutation($input: AddStepInput!) { addStep(input: $input) { flow { id } userErrors { code message path } } }";
    for (step, code, path) in [
        (
            set("nope", "x"),
            "UNKNOWN_FIELD",
            "input.step.transform.assignments.0.field",
        ),
        (
            set("company", "{{ lead.nope }}"),
            "UNKNOWN_FIELD",
            "input.step.transform.assignments.0.template",
        ),
        (
            set("company", "{{ lead.first_name"),
            "INVALID_TEMPLATE",
            "input.step.transform.assignments.0.template",
        ),
        (
            filter(&condition("score", "GREATER_THAN", &json!(1)), " "),
            "REQUIRED",
            "input.step.filter.reason",
        ),
        (
            json!({ "distribute": { "profileId": "prof_nope" } }),
            "NOT_FOUND",
            "input.step.distribute.profileId",
        ),
    ] {
        let input = json!({ "flowId": flow.id, "name": "Step", "step": step });
        assert_eq!(
            app.refused(&owner.token, add, input).await,
            [(code.to_owned(), path.to_owned())],
            "{step}"
        );
    }
});

both!(
    a_simulation_says_what_a_submission_does_and_leaves_every_table_as_it_was,
    |app| {
        let owner = app.account("Acme").await;
        let rule = condition("score", "GREATER_THAN", &json!(1));
        let more = json!({
            "acceptanceRule": rule, "duplicateKeys": ["email"], "duplicateWindowDays": 7,
            "caps": [{ "period": "DAY", "limit": 3, "timezone": "UTC" }],
        });
        let flow = app.flow(&owner, more).await;
        let stop = filter(&condition("first_name", "EQUALS", &json!("Eva")), "no Evas");
        app.step(&owner, &flow, "Filter", stop, Value::Null).await;
        let profile = app.profile(&owner, json!({ "strategy": "FIRST_MATCH" })).await;
        for (name, limit) in [("P", 1), ("Q", 50)] {
            let caps = json!({ "caps": [{ "period": "DAY", "limit": limit, "timezone": "UTC" }] });
            let (partner, _) = app.partner(&owner, name, json!({ "portal": {} }), caps).await;
            app.assign(&owner, &profile, &partner, json!({})).await;
        }
        app.distribute(&owner, &flow, &profile).await;

        app.simulate(&owner, &flow, ana()).await;
        let mut verdicts = Vec::new();
        for (email, name, score) in [
            ("a@example.com", "Ana", 7),
            ("A@example.com", "Ana", 7),
            ("b@example.com", "Eva", 7),
            ("c@example.com", "Ana", 1),
            ("d@example.com", "Ana", 7),
            ("e@example.com", "Ana", 7),
            ("f@example.com", "Ana", 7),
        ] {
            let lead = json!({ "email": email, "first_name": name, "score": score, "unknown": "x" });
            let before = tables(&app).await;
            let simulated = app.simulate(&owner, &flow, lead.clone()).await;
            assert_eq!(tables(&app).await, before);
            let receipt = app.submit(&owner, &flow, lead.clone()).await;
            let stored = app.lead(&owner, &receipt["id"]).await;
            for part in ["outcome", "reasons", "trace"] {
                assert_eq!(simulated[part], stored[part], "{part} of {lead}");
            }
            let deliveries = app.deliveries(&owner, &text(&receipt["id"])).await;
            let partners: Vec<Value> = deliveries
                .iter()
                .map(|delivery| json!({ "id": delivery["partner"]["id"] }))
                .collect();
            assert_eq!(simulated["wouldDeliverTo"], json!(partners), "{lead}");
            verdicts.push(codes(&receipt).join(" "));
        }
        assert_eq!(
            verdicts,
            ["", "DUPLICATE", "FILTERED", "NOT_ACCEPTED", "", "", "CAP_REACHED"]
        );
    }
);

both!(nothing_is_taken_by_what_is_disabled, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let source = "mutation($input: UpdateSourceInput!) { updateSource(input: $input) { flow { id } userErrors { code message path } } }";
    app.done(&owner.token, source, json!({ "id": flow.source, "enabled": false }))
        .await;
    assert_eq!(codes(&app.submit(&owner, &flow, ana()).await), ["SOURCE_DISABLED"]);
    let disable = "mutation($id: ID!) { setFlowEnabled(id: $id, enabled: false) { flow { id } userErrors { code message path } } }";
    app.data(&owner.token, disable, json!({ "id": flow.id })).await;
    let receipt = app.submit(&owner, &flow, ana()).await;
    assert_eq!(
        (&receipt["outcome"], codes(&receipt)),
        (&json!("REJECTED"), vec!["FLOW_DISABLED".to_owned()])
    );
    assert_eq!(app.simulate(&owner, &flow, ana()).await["reasons"], receipt["reasons"]);
});
