//! F8: many leads in one call.

use sea_orm::{ConnectionTrait, EntityTrait};
use serde_json::{Value, json};

use super::codes;
use crate::support::app::{Mode, TestApp, both};
use crate::support::make::ana;

const SUBMIT_MANY: &str = "mutation($input: SubmitLeadsInput!) { submitLeads(input: $input) {
    receipts { id outcome idempotencyKey replayed reasons { code field } } accepted rejected failed userErrors { code message path } } }";

/// What the lead at that place is like: good, refused by the rule, without its email, or one of twins.
fn lead(place: usize) -> Value {
    let fields = match place % 4 {
        0 => json!({ "email": format!("good{place}@example.com"), "score": 50 }),
        1 => json!({ "email": format!("low{place}@example.com"), "score": 1 }),
        2 => json!({ "score": 50 }),
        _ => json!({ "email": format!("twin{}@example.com", place / 8), "score": 50 }),
    };
    json!({ "fields": fields, "idempotencyKey": format!("key-{place}") })
}

fn flow() -> Value {
    json!({
        "fields": [{ "name": "email", "type": "EMAIL", "required": true }, { "name": "score", "type": "INTEGER" }],
        "acceptanceRule": { "condition": { "field": "score", "operator": "GREATER_THAN", "value": 10 } },
        "duplicateKeys": ["email"],
        "duplicateWindowDays": 30,
    })
}

both!(of_500_leads_each_gets_its_own_receipt_in_order, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, flow()).await;
    let leads: Vec<Value> = (0..500).map(lead).collect();
    let input = json!({ "flowId": flow.id, "leads": leads });
    let payload = app.done(&owner.key, SUBMIT_MANY, input.clone()).await;
    let receipts = payload["receipts"].as_array().unwrap();
    assert_eq!(receipts.len(), 500);
    for (place, receipt) in receipts.iter().enumerate() {
        assert_eq!(receipt["idempotencyKey"], format!("key-{place}"));
        let expected: &[&str] = match place % 4 {
            0 => &[],
            1 => &["NOT_ACCEPTED"],
            2 => &["REQUIRED"],
            _ => continue,
        };
        assert_eq!(codes(receipt), expected, "lead {place}");
    }
    // Of each pair of twins one is taken, whichever was stored first.
    for first in (3..500).step_by(8) {
        let twins: Vec<&Value> = receipts.iter().skip(first).step_by(4).take(2).collect();
        let taken = twins.iter().filter(|receipt| receipt["outcome"] == "ACCEPTED").count();
        let refused = twins.iter().filter(|receipt| codes(receipt) == ["DUPLICATE"]).count();
        assert_eq!((taken, refused), (1, twins.len() - 1), "twins at {first}");
    }
    assert_eq!(
        [&payload["accepted"], &payload["rejected"], &payload["failed"]],
        [&json!(188), &json!(312), &json!(0)]
    );

    let again = app.done(&owner.key, SUBMIT_MANY, input).await;
    let ids = |payload: &Value| -> Vec<Value> {
        payload["receipts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|receipt| receipt["id"].clone())
            .collect()
    };
    assert_eq!(ids(&again), ids(&payload));
    assert!(
        again["receipts"]
            .as_array()
            .unwrap()
            .iter()
            .all(|receipt| receipt["replayed"] == true)
    );
});

both!(more_than_500_and_none_at_all_are_refused, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, flow()).await;
    for count in [501, 0] {
        let leads: Vec<Value> = (0..count).map(lead).collect();
        let broken = app
            .refused(&owner.key, SUBMIT_MANY, json!({ "flowId": flow.id, "leads": leads }))
            .await;
        assert_eq!(broken, [("LIMIT_REACHED".to_owned(), "input.leads".to_owned())]);
    }
    assert!(app.submissions(&owner, &flow).await.is_empty());
});

both!(
    a_lead_that_cannot_be_read_is_named_by_its_place_and_the_others_are_stored,
    |app| {
        let owner = app.account("Acme").await;
        let flow = app.flow(&owner, json!({})).await;
        let leads = json!([{ "fields": ana() }, { "fields": [1] }, { "fields": ana(), "idempotencyKey": "" }, { "fields": {} }]);
        let answer = app
            .ask(
                Some(&owner.key),
                SUBMIT_MANY,
                json!({ "input": { "flowId": flow.id, "leads": leads } }),
            )
            .await;
        let payload = &answer["data"]["submitLeads"];
        let broken = crate::support::make::broken(&answer);
        let expected = [
            ("INVALID", "input.leads.1.fields"),
            ("INVALID", "input.leads.2.idempotencyKey"),
        ];
        assert_eq!(broken, expected.map(|(code, path)| (code.to_owned(), path.to_owned())));
        assert_eq!(
            [&payload["accepted"], &payload["rejected"], &payload["failed"]],
            [&json!(2), &json!(0), &json!(2)]
        );
        assert_eq!(app.submissions(&owner, &flow).await.len(), 2);
    }
);

both!(a_cap_holds_within_one_call, |app| {
    let owner = app.account("Acme").await;
    let flow = app
        .flow(&owner, json!({ "caps": [{ "period": "LIFETIME", "limit": 7 }] }))
        .await;
    let leads: Vec<Value> = (0..100).map(|score| json!({ "fields": { "score": score } })).collect();
    let payload = app
        .done(&owner.key, SUBMIT_MANY, json!({ "flowId": flow.id, "leads": leads }))
        .await;
    assert_eq!([&payload["accepted"], &payload["rejected"]], [&json!(7), &json!(93)]);
    assert_eq!(app.cap(&owner, &flow).await["used"], 7);
});

both!(a_foreign_flow_is_refused_as_a_whole, |app| {
    let (owner, stranger) = (app.account("Acme").await, app.account("Zenith").await);
    let flow = app.flow(&owner, json!({})).await;
    let input = json!({ "flowId": flow.id, "leads": [{ "fields": ana() }, { "fields": ana() }] });
    let broken = app.refused(&stranger.key, SUBMIT_MANY, input).await;
    assert!(
        broken
            .iter()
            .all(|(code, path)| code == "NOT_FOUND" && path == "input.flowId"),
        "{broken:?}"
    );
    assert!(app.submissions(&owner, &flow).await.is_empty());
});

/// One of the batches into which a call of many leads falls cannot be stored. The answer says which leads are stored and which are
/// not: who believes that nothing was changed, and submits all again, has doubled the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "a test's rows are all its own")]
async fn a_call_of_which_some_leads_are_stored_says_which() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    // Somebody else holds the key: its batch waits for a lock until the database gives up.
    let source: entity::ids::SourceId = flow.source.parse().unwrap();
    let tx = app.app.db.begin().await.unwrap();
    tx.execute_unprepared(&format!(
        "INSERT INTO idempotency (source_id, key, fingerprint, lead_id, at) VALUES ('{}', 'k', '', '{}', now())",
        source.0,
        uuid::Uuid::from_u128(1)
    ))
    .await
    .unwrap();
    let mut leads: Vec<Value> = (0..499).map(|_| json!({ "fields": ana() })).collect();
    leads.push(json!({ "fields": ana(), "idempotencyKey": "k" }));
    let input = json!({ "flowId": flow.id, "leads": leads });
    let answer = app.ask(Some(&owner.key), SUBMIT_MANY, json!({ "input": input })).await;
    // Of a single lead it is known that it was not stored, so that the error is one of the call.
    let alone = json!({ "flowId": flow.id, "leads": [{ "fields": ana(), "idempotencyKey": "k" }] });
    let code = app
        .error_code(Some(&owner.key), SUBMIT_MANY, json!({ "input": alone }))
        .await;
    assert_eq!(code, "UNAVAILABLE");
    tx.rollback().await.unwrap();
    let stored = entity::lead::Entity::find().all(app.app.db.read()).await.unwrap().len();
    let payload = &answer["data"]["submitLeads"];
    assert!(answer.get("errors").is_none(), "{answer}");
    assert_eq!(payload["receipts"].as_array().unwrap().len(), stored);
    let errors = payload["userErrors"].as_array().unwrap();
    assert_eq!(errors.len() + stored, 500);
    let mut last = errors
        .iter()
        .filter(|error| error["path"] == json!(["input", "leads", "499"]));
    assert_eq!(last.next().unwrap()["code"], "UNAVAILABLE");
    assert!(!answer.to_string().contains("nothing was changed"), "{errors:#?}");
}
