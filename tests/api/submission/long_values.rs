//! Values far longer than an index takes: each is answered clearly, and no other lead notices.

use entity::lead;
use rand::Rng;
use sea_orm::{ConnectionTrait, PaginatorTrait};
use serde_json::{Value, json};

use super::{CREATE_FLOW, codes};
use crate::support::app::{TestApp, both};
use crate::support::make::{Account, SUBMIT, ana, merge};

const SUBMIT_MANY: &str = "mutation($input: SubmitLeadsInput!) { submitLeads(input: $input) {
    receipts { id outcome reasons { code field } } userErrors { code message path } } }";
/// Characters of the other texts, so that each fits into a request.
const BYTES: usize = 900_000;

/// Text that does not get shorter by packing it: letters, Chinese, emoji.
fn long_texts(bytes: usize) -> Vec<String> {
    let mut random = rand::rng();
    let mut of = |first: u32, last: u32, width: usize| -> String {
        let mut next = || char::from_u32(random.random_range(first..=last)).unwrap();
        (0..bytes / width).map(|_| next()).collect()
    };
    vec![of(0x61, 0x7a, 1), of(0x4e00, 0x9fa5, 3), of(0x1f300, 0x1f5ff, 4)]
}

/// Every operation with a text that ends in an indexed column, or is compared with one; `$text` is the text.
fn operations() -> Vec<(&'static str, Value)> {
    let input = |input: Value| json!({ "input": input });
    vec![
        (
            "mutation($input: SignUpInput!) { signUp(input: $input) { userErrors { code } } }",
            input(
                json!({ "accountName": "$text", "name": "N", "email": "long@acme.test", "password": "correct horse battery" }),
            ),
        ),
        (
            "mutation($input: SignUpInput!) { signUp(input: $input) { userErrors { code } } }",
            input(
                json!({ "accountName": "N", "name": "N", "email": "$text@acme.test", "password": "correct horse battery" }),
            ),
        ),
        (
            "mutation($input: LogInInput!) { logIn(input: $input) { userErrors { code } } }",
            input(json!({ "email": "$text@acme.test", "password": "$text" })),
        ),
        (
            "mutation($email: EmailAddress!) { requestPasswordReset(email: $email) { userErrors { code } } }",
            json!({ "email": "$text@acme.test" }),
        ),
        (
            "mutation($input: UpdateAccountInput!) { updateAccount(input: $input) { userErrors { code } } }",
            input(json!({ "name": "$text" })),
        ),
        (
            "mutation($input: UpdateAccountInput!) { updateAccount(input: $input) { userErrors { code } } }",
            input(json!({ "contactEmail": "$text@acme.test" })),
        ),
        (
            "mutation($input: InviteUserInput!) { inviteUser(input: $input) { userErrors { code } } }",
            input(json!({ "name": "N", "email": "$text@acme.test", "role": "MEMBER" })),
        ),
        (
            "mutation($input: SendInvitationInput!) { sendInvitation(input: $input) { userErrors { code } } }",
            input(json!({ "email": "$text@acme.test", "relationshipType": "BOTH", "message": "$text" })),
        ),
        (
            "query($t: String!) { findAccount(email: $t) { id } }",
            json!({ "t": "$text@acme.test" }),
        ),
        (
            "query($t: String!) { findAccount(name: $t) { id } }",
            json!({ "t": "$text" }),
        ),
        (
            "query($t: String!) { flows(search: $t, first: 1) { nodes { id } } }",
            json!({ "t": "$text" }),
        ),
        (
            "query($t: String!) { partners(search: $t, first: 1) { nodes { id } } }",
            json!({ "t": "$text" }),
        ),
        (
            "query($t: String!) { connections(search: $t, first: 1) { nodes { id } } }",
            json!({ "t": "$text" }),
        ),
        (
            "query($t: String!) { distributionProfiles(search: $t, first: 1) { nodes { id } } }",
            json!({ "t": "$text" }),
        ),
        (
            "query($t: String!) { leads(filter: { search: $t }, first: 1) { nodes { id } } }",
            json!({ "t": "$text" }),
        ),
        (
            "query($t: String!) { deliveries(filter: { search: $t }, first: 1) { nodes { id } } }",
            json!({ "t": "$text" }),
        ),
        ("query($t: ID!) { node(id: $t) { id } }", json!({ "t": "$text" })),
        (CREATE_FLOW, input(json!({ "name": "$text", "fields": [] }))),
        (
            "mutation($input: CreatePartnerInput!) { createPartner(input: $input) { userErrors { code } } }",
            input(json!({ "name": "$text", "email": "p@acme.test", "tags": ["$text"], "delivery": { "portal": {} } })),
        ),
        (
            "mutation($input: CreatePartnerInput!) { createPartner(input: $input) { userErrors { code } } }",
            input(json!({ "name": "P", "email": "$text@acme.test", "delivery": { "portal": {} } })),
        ),
        (
            "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { userErrors { code } } }",
            input(json!({ "name": "$text", "scopes": ["LEADS_READ"] })),
        ),
        (
            "mutation($t: String!) { logOut(refreshToken: $t) { userErrors { code } } }",
            json!({ "t": "$text" }),
        ),
    ]
}

fn filled(variables: &Value, with: &str) -> Value {
    match variables {
        Value::String(text) => json!(text.replace("$text", with)),
        Value::Array(all) => all.iter().map(|one| filled(one, with)).collect(),
        Value::Object(all) => Value::Object(all.iter().map(|(key, one)| (key.clone(), filled(one, with))).collect()),
        other => other.clone(),
    }
}

both!(no_text_is_too_long_for_an_answer, |app| {
    let owner = app.account("Acme").await;
    for long in long_texts(BYTES / 2) {
        for (query, variables) in operations() {
            // Twice in some, which still fits into a request.
            let answer = app.ask(Some(&owner.token), query, filled(&variables, &long)).await;
            let said: String = answer.to_string().chars().take(2_000).collect();
            assert!(!said.contains("INTERNAL_SERVER_ERROR"), "{query}: {said}");
            assert!(
                answer.get("data").is_some() || answer.get("errors").is_some(),
                "{query}: {said}"
            );
        }
    }
});

/// What is stored in the fields of a lead that search looks at, and the key.
async fn submit(app: &TestApp, owner: &Account, flow: &str, more: Value) -> Value {
    let mut input = json!({ "flowId": flow, "fields": ana() });
    merge(&mut input["fields"], more["fields"].clone());
    if let Some(key) = more.get("idempotencyKey") {
        input["idempotencyKey"] = key.clone();
    }
    app.ask(Some(&owner.key), SUBMIT, json!({ "input": input })).await
}

both!(a_long_value_of_a_lead_is_stored_or_refused, |app| {
    let owner = app.account("Acme").await;
    let flow = app
        .flow(
            &owner,
            json!({ "duplicateKeys": ["email", "last_name"], "duplicateWindowDays": 1 }),
        )
        .await;
    // As long as a text may be, and longer.
    for long in [long_texts(9_000), long_texts(BYTES)].concat() {
        for field in ["first_name", "last_name", "email", "phone", "company"] {
            let answer = submit(&app, &owner, &flow.id, json!({ "fields": { field: long } })).await;
            let payload = &answer["data"]["submitLead"];
            let outcome = payload["receipt"]["outcome"].as_str();
            let said: String = answer.to_string().chars().take(1_000).collect();
            assert!(matches!(outcome, Some("ACCEPTED" | "REJECTED")), "{field}: {said}");
        }
        // A longer one is refused with the request.
        let long: String = long.chars().take(9_000).collect();
        let answer = submit(&app, &owner, &flow.id, json!({ "fields": {}, "idempotencyKey": long })).await;
        let said: String = answer.to_string().chars().take(1_000).collect();
        assert_eq!(
            answer["data"]["submitLead"]["userErrors"][0]["path"][1], "idempotencyKey",
            "{said}"
        );
    }
});

const SEARCH: &str = "query($t: String!) { leads(filter: { search: $t }, first: 5) { nodes { id } } }";

both!(a_long_name_is_found_by_its_beginning, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let long = long_texts(9_000).remove(1);
    let receipt = app
        .submit(
            &owner,
            &flow,
            json!({ "last_name": long, "email": long, "phone": long }),
        )
        .await;
    let beginning: String = long.chars().take(200).collect();
    let found = app.data(&owner.token, SEARCH, json!({ "t": beginning })).await;
    assert_eq!(found["leads"]["nodes"], json!([{ "id": receipt["id"] }]));
});

/// What the metrics say of batches: how many, and how many leads were in them.
async fn batches(app: &TestApp) -> (u32, u32) {
    let said = app.get("/metrics").await.text().await.unwrap();
    let of = |name: &str| {
        let line = said.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u32
    };
    (
        of("leadmesh_intake_batch_size_count"),
        of("leadmesh_intake_batch_size_sum"),
    )
}

both!(a_long_value_leaves_the_rest_of_its_batch_alone, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let mut leads: Vec<Value> = (0..100).map(|_| json!({ "fields": ana() })).collect();
    for (place, long) in long_texts(9_000).into_iter().enumerate() {
        leads[place * 30] = json!({ "fields": { "last_name": long, "email": long, "phone": long } });
    }
    let payload = app
        .done(&owner.key, SUBMIT_MANY, json!({ "flowId": flow.id, "leads": leads }))
        .await;
    for receipt in payload["receipts"].as_array().unwrap() {
        assert_eq!(receipt["outcome"], "ACCEPTED", "{:?}", codes(receipt));
    }
    assert_eq!(batches(&app).await.1, 100, "each was stored once");
});

const POISON_POSTGRES: [&str; 2] = [
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'poison'; END $$",
    "CREATE TRIGGER poison BEFORE INSERT ON lead FOR EACH ROW WHEN (NEW.fields::text LIKE '%poison%') EXECUTE FUNCTION refuse()",
];
const POISON_SQLITE: [&str; 1] = [
    "CREATE TRIGGER poison BEFORE INSERT ON lead WHEN NEW.fields LIKE '%poison%' BEGIN SELECT RAISE(ABORT, 'poison'); END",
];

both!(a_lead_that_cannot_be_stored_is_found_by_halves, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let db = app.app.db.write();
    let poison: &[&str] = if app.app.db.is_postgres() {
        &POISON_POSTGRES
    } else {
        &POISON_SQLITE
    };
    for statement in poison {
        db.execute_unprepared(statement).await.unwrap();
    }
    let mut leads: Vec<Value> = (0..200).map(|_| json!({ "fields": ana() })).collect();
    leads[137] = json!({ "fields": { "company": "poison" } });
    let input = json!({ "input": { "flowId": flow.id, "leads": leads } });
    let mut answer = app.ask(Some(&owner.key), SUBMIT_MANY, input).await;
    let payload = answer["data"]["submitLeads"].take();
    assert_eq!(payload["receipts"].as_array().unwrap().len(), 199, "{answer:#}");
    let errors = payload["userErrors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert_eq!(errors[0]["code"], "INTERNAL", "its caller learns of it");
    assert_eq!(errors[0]["path"], json!(["input", "leads", "137"]));
    let told = errors[0]["message"].as_str().unwrap();
    assert!(!told.contains("poison") && told.contains("internal error"), "{told}");
    // Of a call of which no lead was stored the error is the call's.
    let input = json!({ "input": { "flowId": flow.id, "leads": [{ "fields": { "company": "poison" } }] } });
    let code = app.error_code(Some(&owner.key), SUBMIT_MANY, input).await;
    assert_eq!(code, "INTERNAL_SERVER_ERROR");
    let stored = lead::Entity::in_account(owner.id.parse().unwrap())
        .count(app.app.db.read())
        .await
        .unwrap();
    assert_eq!(stored, 199);
    let (count, _) = batches(&app).await;
    assert!(count < 60, "{count} transactions");
});
