//! F2: every operator, nesting, and what is refused when a rule is saved.

use serde_json::{Value, json};

use crate::submission::CREATE_FLOW;
use crate::support::app::both;

const ADD_STEP: &str =
    "mutation($input: AddStepInput!) { addStep(input: $input) { flow { id } userErrors { code message path } } }";
const ADD_SOURCE: &str =
    "mutation($input: AddSourceInput!) { addSource(input: $input) { flow { id } userErrors { code message path } } }";
const FLOWS: &str = "{ flows { nodes { name version sources { id } steps { id } } } }";

fn fields() -> Value {
    json!([
        { "name": "name", "type": "TEXT" },
        { "name": "email", "type": "EMAIL" },
        { "name": "state", "type": "STATE" },
        { "name": "score", "type": "NUMBER" },
        { "name": "born", "type": "DATE" },
        { "name": "seen", "type": "DATETIME" },
        { "name": "owner", "type": "BOOLEAN" },
        { "name": "more", "type": "JSON" },
    ])
}

fn condition(field: &str, operator: &str, value: Value) -> Value {
    let mut condition = json!({ "field": field, "operator": operator });
    if !value.is_null() {
        condition["value"] = value;
    }
    json!({ "condition": condition })
}

/// Operator, field, what it compares with, a value for which it holds, values for which it does not.
fn operators() -> Vec<(&'static str, &'static str, Value, Value, Vec<Value>)> {
    vec![
        (
            "EQUALS",
            "name",
            json!("ana"),
            json!(" ANA"),
            vec![json!("Eva"), json!("")],
        ),
        (
            "EQUALS",
            "score",
            json!(7),
            json!("7.0"),
            vec![json!(8), json!("seven"), Value::Null],
        ),
        (
            "EQUALS",
            "owner",
            json!(true),
            json!("yes"),
            vec![json!(false), Value::Null],
        ),
        ("NOT_EQUALS", "name", json!("ana"), json!(""), vec![json!("Ana")]),
        (
            "CONTAINS",
            "name",
            json!("lar"),
            json!("SOLAR Co"),
            vec![json!("Wind"), Value::Null],
        ),
        ("NOT_CONTAINS", "name", json!("lar"), Value::Null, vec![json!("Solar")]),
        (
            "STARTS_WITH",
            "email",
            json!("ana@"),
            json!("ANA@example.com"),
            vec![json!("eva@example.com"), json!("ana@")],
        ),
        (
            "ENDS_WITH",
            "email",
            json!("@Example.com"),
            json!("ana@example.com"),
            vec![json!("ana@example.org")],
        ),
        (
            "IN",
            "state",
            json!(["CA", "NY"]),
            json!("California"),
            vec![json!("Texas"), json!("Atlantis")],
        ),
        ("NOT_IN", "score", json!([1, 2]), json!("many"), vec![json!("2.0")]),
        (
            "MATCHES",
            "name",
            json!("^s.l"),
            json!("Solar"),
            vec![json!("a sol"), Value::Null],
        ),
        (
            "GREATER_THAN",
            "score",
            json!(10),
            json!("10.5"),
            vec![json!(9), json!(10), json!("")],
        ),
        ("GREATER_OR_EQUAL", "score", json!("10"), json!(10), vec![json!("9.99")]),
        (
            "LESS_THAN",
            "score",
            json!(10),
            json!(9),
            vec![json!("10"), Value::Null],
        ),
        (
            "LESS_OR_EQUAL",
            "score",
            json!(10),
            json!("10"),
            vec![json!(10.01), json!("few")],
        ),
        (
            "BETWEEN",
            "score",
            json!([1, 5]),
            json!("5"),
            vec![json!(5.5), json!(0)],
        ),
        (
            "BETWEEN",
            "born",
            json!(["1990-01-01", "1999-12-31"]),
            json!("12/31/1999"),
            vec![json!("2000-01-01")],
        ),
        (
            "BEFORE",
            "born",
            json!("2000-01-01"),
            json!("31 Dec 1999"),
            vec![json!("2000-01-01"), Value::Null],
        ),
        (
            "AFTER",
            "seen",
            json!("2026-01-01"),
            json!("2026-01-01T01:00:01+01:00"),
            vec![json!("2026-01-01T00:00:00Z")],
        ),
        ("IS_EMPTY", "name", Value::Null, json!(" "), vec![json!("Ana")]),
        (
            "IS_NOT_EMPTY",
            "more",
            Value::Null,
            json!([1]),
            vec![json!({}), Value::Null],
        ),
        (
            "IS_TRUE",
            "owner",
            Value::Null,
            json!("yes"),
            vec![json!("no"), Value::Null, json!("perhaps")],
        ),
        ("IS_FALSE", "owner", Value::Null, json!(0), vec![json!(1), Value::Null]),
        (
            "IS_VALID",
            "email",
            Value::Null,
            json!("ana@example.com"),
            vec![json!("ana"), json!("")],
        ),
        (
            "IS_INVALID",
            "email",
            Value::Null,
            json!("ana"),
            vec![json!("ana@example.com"), Value::Null],
        ),
    ]
}

both!(every_operator_decides_as_it_says, |app| {
    let owner = app.account("Acme").await;
    for (operator, field, value, holds, fails) in operators() {
        let rule = condition(field, operator, value);
        let flow = app
            .flow(&owner, json!({ "fields": fields(), "acceptanceRule": rule }))
            .await;
        let taken = app.simulate(&owner, &flow, json!({ field: holds })).await;
        assert_eq!(taken["outcome"], "ACCEPTED", "{operator} {field} {holds}: {taken:#}");
        for fails in fails {
            let refused = app.simulate(&owner, &flow, json!({ field: fails })).await;
            assert_eq!(
                crate::submission::codes(&refused),
                ["NOT_ACCEPTED"],
                "{operator} {field} {fails}"
            );
        }
    }
});

both!(nested_rules_decide_submissions_and_say_why, |app| {
    let owner = app.account("Acme").await;
    let rule = json!({ "all": [
        { "any": [condition("state", "IN", json!(["CA"])), condition("score", "GREATER_THAN", json!(90))] },
        { "not": { "all": [condition("name", "EQUALS", json!("test")), condition("owner", "IS_FALSE", Value::Null)] } },
        { "not": condition("email", "CONTAINS", json!("spam")) },
    ] });
    let flow = app
        .flow(&owner, json!({ "fields": fields(), "acceptanceRule": rule }))
        .await;
    for (lead, outcome) in [
        (json!({ "state": "ca", "name": "Test", "owner": true }), "ACCEPTED"),
        (json!({ "score": "90.5" }), "ACCEPTED"),
        (json!({ "score": "90" }), "REJECTED"),
        (json!({ "state": "ca", "name": "Test", "owner": "no" }), "REJECTED"),
        (json!({ "state": "ca", "email": "SPAM@example.com" }), "REJECTED"),
        (json!({}), "REJECTED"),
    ] {
        let receipt = app.submit(&owner, &flow, lead.clone()).await;
        assert_eq!(receipt["outcome"], outcome, "{lead}: {receipt:#}");
        let expected: &[&str] = if outcome == "ACCEPTED" { &[] } else { &["NOT_ACCEPTED"] };
        assert_eq!(crate::submission::codes(&receipt), expected);
        assert_eq!(app.simulate(&owner, &flow, lead).await["reasons"], receipt["reasons"]);
    }
});

both!(
    /// The rule of the flow and that of the source are both looked at, and each tells its reason.
    flow_and_source_may_both_refuse,
    |app| {
        let owner = app.account("Acme").await;
        let rule = condition("score", "GREATER_THAN", json!(10));
        let flow = app.flow(&owner, json!({ "fields": fields(), "acceptanceRule": rule })).await;
        let input = json!({ "flowId": flow.id, "name": "Form", "acceptanceRule": condition("state", "EQUALS", json!("CA")) });
        let add = "mutation($input: AddSourceInput!) { addSource(input: $input) { flow { sources { id } } userErrors { code message path } } }";
        let added = app.done(&owner.token, add, input).await;
        let source = &added["flow"]["sources"][1]["id"];
        let receipt = app.submit_with(&owner, &flow, json!({ "score": 1, "state": "NY" }), json!({ "sourceId": source })).await;
        assert_eq!(crate::submission::codes(&receipt), ["NOT_ACCEPTED", "NOT_ACCEPTED"]);
        let receipt = app.submit_with(&owner, &flow, json!({ "score": 11, "state": "NY" }), json!({ "sourceId": source })).await;
        assert_eq!(crate::submission::codes(&receipt), ["NOT_ACCEPTED"]);
        assert_eq!(app.submit(&owner, &flow, json!({ "score": 11, "state": "NY" })).await["outcome"], "ACCEPTED");
    }
);

both!(a_rule_that_cannot_be_is_refused_with_the_path_of_each_offender, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({ "fields": fields() })).await;
    let rule = json!({ "all": [
        condition("nope", "EQUALS", json!("x")),
        { "not": condition("score", "CONTAINS", json!("1")) },
        { "any": [condition("name", "EQUALS", json!("fine")), condition("name", "MATCHES", json!("(")) ] },
        condition("score", "IN", json!([1, "many"])),
        condition("owner", "IS_TRUE", json!(true)),
        condition("score", "BETWEEN", json!([5, 1])),
        condition("name", "CONTAINS", Value::Null),
        { "any": [] },
    ] });
    let offenders = [
        ("UNKNOWN_FIELD", "all.0.condition.field"),
        ("INVALID_RULE", "all.1.not.condition.operator"),
        ("INVALID_RULE", "all.2.any.1.condition.value"),
        ("INVALID_RULE", "all.3.condition.value.1"),
        ("INVALID_RULE", "all.4.condition.value"),
        ("INVALID_RULE", "all.5.condition.value"),
        ("INVALID_RULE", "all.6.condition.value"),
        ("INVALID_RULE", "all.7.any"),
    ];
    let before = app.data(&owner.token, FLOWS, json!({})).await;
    for (mutation, input, path) in [
        (
            CREATE_FLOW,
            json!({ "name": "Wind", "fields": fields(), "acceptanceRule": rule }),
            "input.acceptanceRule",
        ),
        (
            ADD_SOURCE,
            json!({ "flowId": flow.id, "acceptanceRule": rule }),
            "input.acceptanceRule",
        ),
        (
            ADD_STEP,
            json!({ "flowId": flow.id, "name": "Stop", "step": { "filter": { "rule": rule, "reason": "no" } } }),
            "input.step.filter.rule",
        ),
        (
            ADD_STEP,
            json!({ "flowId": flow.id, "name": "Set", "criteria": rule, "step": { "transform": { "assignments": [{ "field": "name", "template": "x" }] } } }),
            "input.criteria",
        ),
    ] {
        let expected: Vec<(String, String)> = offenders
            .iter()
            .map(|(code, within)| ((*code).to_owned(), format!("{path}.{within}")))
            .collect();
        assert_eq!(app.refused(&owner.token, mutation, input).await, expected);
    }
    assert_eq!(app.data(&owner.token, FLOWS, json!({})).await, before);
});

both!(a_rule_is_kept_in_canonical_form_and_told_in_words, |app| {
    let owner = app.account("Acme").await;
    let rule =
        json!({ "all": [condition("score", "GREATER_THAN", json!("10")), condition("state", "IN", json!(["ca"]))] });
    let flow = app
        .flow(&owner, json!({ "fields": fields(), "acceptanceRule": rule }))
        .await;
    let query = "query($id: ID!) { flow(id: $id) { acceptanceRule acceptanceRuleText } }";
    let flow = app.data(&owner.token, query, json!({ "id": flow.id })).await["flow"].take();
    let canonical =
        json!({ "all": [condition("score", "GREATER_THAN", json!(10)), condition("state", "IN", json!(["CA"]))] });
    assert_eq!(flow["acceptanceRule"], canonical);
    let words = flow["acceptanceRuleText"].as_str().unwrap();
    assert!(words.contains("10") && words.contains("CA"), "{words}");
});
