//! Documents and variables are checked whole before anything executes.

use serde_json::{Value, json};

use crate::support::app::{TestApp, both};

const PARTNERS: &str = "{ partners { nodes { name } } }";
const BOTH: &str = "mutation ($create: CreatePartnerInput!, $update: UpdatePartnerInput!) {
    a: createPartner(input: $create) { partner { id } userErrors { code } }
    b: updatePartner(input: $update) { partner { id } userErrors { code } } }";

async fn owner(app: &TestApp) -> String {
    let input = json!({"accountName": "Ann", "name": "Ann", "email": "ann@example.com", "password": "a good phrase"});
    let sign_up = "mutation ($input: SignUpInput!) { signUp(input: $input) { session { accessToken } } }";
    let answer = app.ask(None, sign_up, json!({ "input": input })).await;
    let token = &answer["data"]["signUp"]["session"]["accessToken"];
    token.as_str().unwrap_or_else(|| panic!("{answer:#}")).to_owned()
}

/// The message of the only error of a request that was refused.
async fn refused(app: &TestApp, token: &str, query: &str, variables: Value) -> String {
    let answer = app.ask(Some(token), query, variables).await;
    assert!(answer.get("data").is_none(), "{query}: {answer:#}");
    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{query}: {answer:#}");
    errors[0]["message"].as_str().unwrap().to_owned()
}

both!(nothing_executes_where_any_variable_is_wrong, |app| {
    let token = owner(&app).await;
    for (update, told) in [
        (json!("x"), "expected an object of type \"UpdatePartnerInput\""),
        (json!({}), "field \"id\" of required type \"ID!\""),
        (json!({"id": "x", "nmae": "B"}), "Did you mean \"name\"?"),
        (json!({"id": "x", "name": 7}), "at \"update.name\": expected a String"),
        (json!({"id": "x", "name": "\u{0}"}), "NUL"),
        (
            json!({"id": "x", "caps": [{"period": "day", "limit": 1}]}),
            "Did you mean \"DAY\"?",
        ),
        (
            json!({"id": "x", "caps": [{"period": "DAY", "limit": 2_147_483_648_i64}]}),
            "32 bits",
        ),
        (Value::Null, "must not be null"),
    ] {
        let variables = json!({"create": {"name": "A", "email": "a@example.com"}, "update": update});
        let message = refused(&app, &token, BOTH, variables).await;
        assert!(message.contains(told), "{message}");
    }
    let literal = "mutation { a: createPartner(input: {name: \"A\", email: \"a@example.com\"}) { partner { id } } b: updatePartner(input: 1) { partner { id } } }";
    refused(&app, &token, literal, json!({})).await;
    let partners = app.data(&token, PARTNERS, json!({})).await;
    assert_eq!(partners["partners"]["nodes"], json!([]));
});

both!(nul_is_refused_with_a_sentence_and_never_an_internal_error, |app| {
    let token = owner(&app).await;
    for query in [
        "{ partners(search: \"a\\u0000\") { nodes { id } } }",
        "{ partners(tag: \"a\\u0000\") { nodes { id } } }",
        "{ leads(filter: {search: \"\\u{0}\"}) { nodes { id } } }",
        "mutation { createPartner(input: {name: \"A\", email: \"a@example.com\", tags: [\"\\u0000\"]}) { partner { id } } }",
        "mutation { createFlow(input: {name: \"a\\u0000\", fields: []}) { flow { id } } }",
        "{ partner(id: \"\\u0000\") { id } }",
    ] {
        let answer = app.ask(Some(&token), query, json!({})).await;
        let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(message.contains("U+0000 (NUL)"), "{query}: {answer:#}");
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{query}");
    }
});

both!(fields_that_conflict_are_refused_and_not_dropped, |app| {
    let token = owner(&app).await;
    for query in [
        "{ leads { nodes { x: outcome x: id } } }",
        "{ leads { nodes { ...A ...B } } } fragment A on Lead { x: flow { y: id } } fragment B on Lead { x: flow { y: name } }",
        "{ a: leads(first: 1) { nodes { id } } a: leads(first: 2) { nodes { id } } }",
    ] {
        let message = refused(&app, &token, query, json!({})).await;
        assert!(message.contains("conflict because"), "{query}: {message}");
    }
});

both!(
    an_absent_variable_leaves_the_default_and_a_single_value_is_a_list_of_one,
    |app| {
        let token = owner(&app).await;
        let created = "mutation ($tags: [String!]) { createPartner(input: {name: \"A\", email: \"a@example.com\", tags: $tags}) { partner { tags } userErrors { code } } }";
        let answer = app.data(&token, created, json!({"tags": "solar"})).await;
        assert_eq!(answer["createPartner"]["partner"]["tags"], json!(["solar"]));
        let types =
            "query ($with: Boolean!) { __type(name: \"Partner\") { fields(includeDeprecated: $with) { name } } }";
        app.data(&token, types, json!({"with": true})).await;
        let paged = "query ($n: Int) { partners(first: $n) { nodes { name } } }";
        let answer = app.data(&token, paged, json!({})).await;
        assert_eq!(answer["partners"]["nodes"].as_array().unwrap().len(), 1);
    }
);

both!(texts_may_have_any_character_but_nul, |app| {
    let token = owner(&app).await;
    let create = "\"what it is for\" mutation { createPartner(input: {email: \"a@example.com\", name: \"\\ud83d\\ude00 \\u{1F600}\"}) { partner { name } } }";
    let answer = app.data(&token, create, json!({})).await;
    assert_eq!(answer["createPartner"]["partner"]["name"], "😀 😀");
    let half = "mutation { createPartner(input: {email: \"a@example.com\", name: \"\\ud83d\"}) { partner { name } } }";
    let message = refused(&app, &token, half, json!({})).await;
    assert!(message.contains("names no Unicode character"), "{message}");
});
