//! Repeats that come at the same moment are decided within their batch: with the outcomes of one by one, and at the cost of one lead.

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::codes;
use crate::support::app::{TestApp, both};
use crate::support::make::{Account, Flow, SUBMIT, accepted, text};

const SUBMIT_MANY: &str = "mutation($input: SubmitLeadsInput!) { submitLeads(input: $input) {
    receipts { id outcome idempotencyKey replayed reasons { code field } warnings { code } } userErrors { code message path } } }";

fn rules(more: Value) -> Value {
    let mut flow = json!({
        "fields": [{ "name": "email", "type": "EMAIL", "required": true }, { "name": "score", "type": "INTEGER" }],
        "acceptanceRule": { "condition": { "field": "score", "operator": "GREATER_THAN", "value": 10 } },
        "duplicateKeys": ["email"],
        "duplicateWindowDays": 30,
    });
    crate::support::make::merge(&mut flow, more);
    flow
}

async fn many(app: &TestApp, owner: &Account, flow: &Flow, leads: &[Value]) -> Vec<Value> {
    let payload = app
        .done(&owner.key, SUBMIT_MANY, json!({ "flowId": flow.id, "leads": leads }))
        .await;
    payload["receipts"].as_array().unwrap().clone()
}

/// Each by a call of its own, at the same moment.
async fn at_once(app: &TestApp, owner: &Account, flow: &Flow, leads: &[Value]) -> Vec<Value> {
    let one = |lead: &Value| {
        let mut input = lead.clone();
        input["flowId"] = json!(flow.id);
        app.ask(Some(&owner.key), SUBMIT, json!({ "input": input }))
    };
    let answers = join_all(leads.iter().map(one)).await;
    answers
        .iter()
        .map(|answer| accepted(answer, "submitLead")["receipt"].clone())
        .collect()
}

async fn batches(app: &TestApp) -> u64 {
    let text = app.get("/metrics").await.text().await.unwrap();
    let count = text
        .lines()
        .find_map(|line| line.strip_prefix("leadmesh_intake_batch_size_count "));
    count.unwrap_or("0").parse().unwrap()
}

/// What a receipt says, but for identifiers.
fn said(receipt: &Value) -> String {
    format!(
        "{} {:?} {} {}",
        receipt["outcome"],
        codes(receipt),
        receipt["replayed"],
        receipt["idempotencyKey"]
    )
}

both!(
    /// As many equal leads as one call takes: one is stored, in a few transactions, whatever makes them equal.
    equal_leads_cost_a_few_commits,
    |app| {
        let owner = app.account("Acme").await;
        let flow = app.flow(&owner, rules(json!({}))).await;
        many(&app, &owner, &flow, &[json!({ "fields": { "email": "first@example.com", "score": 1 } })]).await;
        let lead = |email: &str, key: Option<&str>| json!({ "fields": { "email": email, "score": 50 }, "idempotencyKey": key });

        let before = batches(&app).await;
        let receipts = many(&app, &owner, &flow, &vec![lead("ana@example.com", None); 500]).await;
        let accepted = receipts.iter().filter(|receipt| receipt["outcome"] == "ACCEPTED").count();
        let duplicates = receipts.iter().filter(|receipt| codes(receipt) == ["DUPLICATE"]).count();
        assert_eq!((accepted, duplicates), (1, 499));

        let receipts = many(&app, &owner, &flow, &vec![lead("eva@example.com", Some("k")); 500]).await;
        assert!(receipts.iter().all(|receipt| receipt["id"] == receipts[0]["id"] && receipt["outcome"] == "ACCEPTED"));
        assert_eq!(receipts.iter().filter(|receipt| receipt["replayed"] == false).count(), 1);
        let took = batches(&app).await - before;
        assert!(took <= 100, "{took} transactions for a thousand leads of two persons");
        assert_eq!(app.submissions(&owner, &flow).await.len(), 100, "at least as many as a page has");
    }
);

both!(
    /// Of one key with two contents, the content that comes first is stored, and the other one is a conflict.
    one_key_with_two_contents_is_a_conflict_within_a_batch,
    |app| {
        let owner = app.account("Acme").await;
        let flow = app.flow(&owner, rules(json!({}))).await;
        let one = |place: usize| {
            let fields = json!({ "email": format!("{}@example.com", place % 2), "score": 50 });
            let input = json!({ "flowId": flow.id, "fields": fields, "idempotencyKey": "k" });
            app.ask(Some(&owner.key), SUBMIT, json!({ "input": input }))
        };
        let answers = join_all((0..40).map(one)).await;
        let payloads: Vec<&Value> = answers.iter().map(|answer| &answer["data"]["submitLead"]).collect();
        let conflicts: Vec<usize> = (0..40).filter(|place| payloads[*place]["userErrors"][0]["code"] == "CONFLICT").collect();
        assert_eq!(conflicts.len(), 20, "{answers:#?}");
        assert!(conflicts.iter().all(|place| place % 2 == conflicts[0] % 2));
        let told: Vec<&&Value> = payloads.iter().filter(|payload| !payload["receipt"].is_null()).collect();
        assert!(told.iter().all(|payload| payload["receipt"]["id"] == told[0]["receipt"]["id"]));
        assert_eq!(told.iter().filter(|payload| payload["receipt"]["replayed"] == false).count(), 1);
        assert_eq!(app.submissions(&owner, &flow).await.len(), 1);
    }
);

/// A lead of one of a few persons: the first is refused by a rule, the last is a test.
fn made_up(dice: &mut StdRng) -> Value {
    let person = dice.random_range(0..4);
    let score = if person == 0 { 1 } else { 50 };
    json!({ "fields": { "email": format!("p{person}@example.com"), "score": score }, "test": person == 3 })
}

both!(
    /// The same leads at once and one by one: the same outcomes, with caps, refusals, tests and repeats among them.
    a_batch_with_twins_ends_as_one_by_one,
    |app| {
        let owner = app.account("Acme").await;
        let mut dice = StdRng::seed_from_u64(7);
        for round in 0..6 {
            let caps = if round % 2 == 0 { json!({}) } else { json!({ "caps": [{ "period": "DAY", "limit": 1 }] }) };
            let (together, apart) = (app.flow(&owner, rules(caps.clone())).await, app.flow(&owner, rules(caps)).await);
            // One kind of accepted person where a cap decides, for there the order would.
            let person = |lead: &Value| lead["fields"]["email"] != "p2@example.com" || round % 2 == 0;
            let leads: Vec<Value> = std::iter::repeat_with(|| made_up(&mut dice)).filter(person).take(40).collect();
            // Which of equal leads comes first decides whether one with a key or one without is stored: only of one kind in a round.
            let leads: Vec<Value> = leads
                .into_iter()
                .map(|mut lead| {
                    let person = text(&lead["fields"]["email"]);
                    lead["idempotencyKey"] = if round < 3 { json!(person) } else { Value::Null };
                    lead
                })
                .collect();

            let together = at_once(&app, &owner, &together, &leads).await;
            let mut one_by_one = Vec::new();
            for lead in &leads {
                one_by_one.extend(at_once(&app, &owner, &apart, std::slice::from_ref(lead)).await);
            }
            let sorted = |receipts: &[Value]| {
                let mut said: Vec<String> = receipts.iter().map(said).collect();
                said.sort_unstable();
                said
            };
            assert_eq!(sorted(&together), sorted(&one_by_one), "round {round}: {leads:#?}");
        }
    }
);
