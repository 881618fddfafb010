//! Shapes and refusals.

use super::*;

const WHOLE: &str = "query ($id: ID!) { flow(id: $id) {
    id name enabled isInbox version acceptanceRule acceptanceRuleText duplicateWindowDays duplicateKeys
    fields { name label type required encrypted example }
    caps { id period limit timezone used windowStart windowEnd }
    price { amount currency }
    sources {
        __typename id name enabled acceptanceRuleText mapping { from to } caps { period } price { amount } lastLeadAt
        flow { id }
        submissionDocs { sourceId enabled endpoint fields { name example } acceptanceRuleText exampleResponses { outcome } }
    }
    steps {
        __typename id name enabled criteria criteriaText
        ... on FilterStep { rule ruleText reason }
        ... on TransformStep { assignments { field template } }
    }
    history(first: 2) { nodes { version summary actor { kind name } } pageInfo { hasNextPage } }
    stats(range: {from: \"2020-01-01T00:00:00Z\", to: \"2100-01-01T00:00:00Z\"}) { submitted acceptRate p50Ms refusedAttempts }
} }";

/// A filter and a transform step.
async fn add_steps(app: &TestApp, olga: &Account, id: &str) {
    let steps = [
        json!({"filter": {"rule": {"not": {"condition": {"field": "state", "operator": "IN", "value": ["TX"]}}}, "reason": "Texas only"}}),
        json!({"transform": {"assignments": [{"field": "age", "template": "44"}]}}),
    ];
    for step in steps {
        let input = json!({"flowId": id, "name": "Step", "step": step,
            "criteria": {"condition": {"field": "age", "operator": "IS_NOT_EMPTY"}}});
        let add = "mutation ($input: AddStepInput!) { addStep(input: $input) { flow { version } userErrors { code path message } } }";
        let added = app.data(&olga.token, add, json!({ "input": input })).await;
        assert_eq!(added["addStep"]["userErrors"], json!([]), "{added}");
    }
}

both!(a_flow_is_read_as_it_was_put_in, start_at, |app: TestApp| {
    let olga = app.account("Acme").await;
    let input = json!({
        "duplicateKeys": ["email"], "duplicateWindowDays": 30, "price": {"amount": "12.50", "currency": "usd"},
        "caps": [{"period": "LIFETIME", "limit": 5}, {"period": "DAY", "limit": 3, "timezone": "Europe/Berlin"}],
    });
    let (id, source) = make(&app, &olga, with(solar(), input)).await;
    add_steps(&app, &olga, &id).await;
    let update = "mutation ($input: UpdateSourceInput!) { updateSource(input: $input) { flow { version } userErrors { code } } }";
    let input = json!({"id": source, "mapping": [{"from": "Mail", "to": "email"}], "price": {"amount": "3", "currency": "EUR"}});
    app.data(&olga.token, update, json!({ "input": input })).await;

    let read = app.data(&olga.token, WHOLE, json!({ "id": id })).await;
    let flow = &read["flow"];
    assert_eq!(
        (&flow["version"], &flow["isInbox"], &flow["enabled"]),
        (&json!(4), &json!(false), &json!(true))
    );
    assert_eq!(flow["acceptanceRule"]["condition"]["value"], json!(18));
    assert_eq!(flow["acceptanceRuleText"], json!("Age is at least 18"));
    assert_eq!(
        flow["fields"][0],
        json!({"name": "email", "label": "Email", "type": "EMAIL", "required": true, "encrypted": false, "example": null})
    );
    assert_eq!(flow["price"], json!({"amount": "12.5", "currency": "USD"}));
    assert_eq!(flow["caps"][0]["windowStart"], json!(null));
    assert_eq!(flow["caps"][1]["used"], json!(0));
    assert_eq!(flow["caps"][1]["windowEnd"], json!("2026-02-16T23:00:00+00:00"));
    let source = &flow["sources"][0];
    assert_eq!(
        (&source["__typename"], &source["flow"]["id"]),
        (&json!("OwnSource"), &flow["id"])
    );
    assert_eq!(source["mapping"], json!([{"from": "Mail", "to": "email"}]));
    assert_eq!(source["submissionDocs"]["fields"][0]["name"], json!("Mail"));
    assert_eq!(
        source["submissionDocs"]["exampleResponses"].as_array().unwrap().len(),
        3
    );
    assert_eq!(flow["steps"][0]["ruleText"], json!("not (State is one of TX)"));
    assert_eq!(flow["steps"][1]["criteriaText"], json!("Age is not empty"));
    assert_eq!(
        flow["steps"][1]["assignments"],
        json!([{"field": "age", "template": "44"}])
    );
    assert_eq!(flow["history"]["nodes"][0]["version"], json!(4));
    assert_eq!(
        flow["history"]["nodes"][0]["actor"],
        json!({"kind": "USER", "name": "Acme Owner"})
    );
    assert_eq!(flow["history"]["pageInfo"]["hasNextPage"], json!(true));
    assert_eq!(
        flow["stats"],
        json!({"submitted": 0, "acceptRate": null, "p50Ms": null, "refusedAttempts": 0})
    );
});

both!(null_removes_and_absence_keeps, start_at, |app: TestApp| {
    let olga = app.account("Acme").await;
    let caps = json!({"caps": [{"period": "DAY", "limit": 3}], "description": "For Texas"});
    let (id, _) = make(&app, &olga, with(solar(), caps)).await;
    let update = "mutation ($input: UpdateFlowInput!) { updateFlow(input: $input) {
        flow { version name description acceptanceRule caps { limit } } userErrors { code path }
    } }";
    let input = json!({"id": id, "version": 1, "acceptanceRule": null, "caps": null, "name": null});
    let updated = app.data(&olga.token, update, json!({ "input": input })).await;
    let expected =
        json!({"version": 2, "name": "Solar", "description": "For Texas", "acceptanceRule": null, "caps": []});
    assert_eq!(updated["updateFlow"]["flow"], expected);
    let stale = app.data(&olga.token, update, json!({ "input": input })).await;
    assert_eq!(
        stale["updateFlow"],
        json!({"flow": null, "userErrors": [{"code": "STALE_VERSION", "path": ["input", "version"]}]})
    );
    let revert = "mutation ($id: ID!) { revertFlow(id: $id, version: 1) { flow { version caps { limit } } } }";
    let reverted = app.data(&olga.token, revert, json!({ "id": id })).await;
    assert_eq!(
        reverted["revertFlow"]["flow"],
        json!({"version": 3, "caps": [{"limit": 3}]})
    );
});

both!(
    what_belongs_to_somebody_else_does_not_exist,
    start_at,
    |app: TestApp| {
        let (olga, eve) = (app.account("Acme").await, app.account("Other").await);
        let (id, source) = make(&app, &olga, solar()).await;
        for id in [id.as_str(), source.as_str(), "nonsense"] {
            let read = app
                .data(
                    &eve.token,
                    "query ($id: ID!) { flow(id: $id) { id } }",
                    json!({ "id": id }),
                )
                .await;
            assert_eq!(read, json!({"flow": null}));
            let delete = "mutation ($id: ID!) { deleteFlow(id: $id) { deletedId userErrors { code path } } }";
            let deleted = app.data(&eve.token, delete, json!({ "id": id })).await;
            assert_eq!(
                deleted["deleteFlow"],
                json!({"deletedId": null, "userErrors": [{"code": "NOT_FOUND", "path": ["id"]}]})
            );
        }
        let move_step = "mutation { moveStep(id: \"nonsense\", position: 0) { flow { id } userErrors { code path } } }";
        let moved = app.data(&eve.token, move_step, json!({})).await;
        assert_eq!(
            moved["moveStep"]["userErrors"],
            json!([{"code": "NOT_FOUND", "path": ["id"]}])
        );
        let listed = app.data(&eve.token, "{ flows { nodes { name } } }", json!({})).await;
        assert_eq!(listed["flows"]["nodes"], json!([{"name": "Inbox"}]));
        let found = app
            .data(
                &olga.token,
                "{ flows(search: \"OLA\", enabled: true) { nodes { name } } }",
                json!({}),
            )
            .await;
        assert_eq!(found["flows"]["nodes"], json!([{"name": "Solar"}]));
        let nobody = refused(&app, None, "{ flow(id: \"nonsense\") { id } }", json!({})).await;
        assert!(nobody[0].starts_with("Send a token"), "{nobody:?}");
    }
);

both!(broken_rules_come_back_with_their_place, start_at, |app: TestApp| {
    let olga = app.account("Acme").await;
    let rule = json!({"all": [{"any": [{"condition": {"field": "colour", "operator": "IS_EMPTY"}}]}]});
    let input = with(
        solar(),
        json!({"acceptanceRule": rule, "caps": [{"period": "DAY", "limit": -1}]}),
    );
    let made = app.data(&olga.token, CREATE, json!({ "input": input })).await;
    let path = ["input", "acceptanceRule", "all", "0", "any", "0", "condition", "field"];
    assert_eq!(
        made["createFlow"],
        json!({"flow": null, "warnings": [], "userErrors": [
            {"code": "UNKNOWN_FIELD", "path": path},
            {"code": "INVALID", "path": ["input", "caps", "0", "limit"]},
        ]})
    );
    let both = json!({"name": "x", "fields": [], "acceptanceRule": {"all": [], "any": []}});
    assert_eq!(
        refused(&app, Some(&olga.token), CREATE, json!({ "input": both }))
            .await
            .len(),
        1
    );
});
