//! Large leads: lists read of them only what is asked for, and only so much; those that wait to be stored are bounded in bytes.

use entity::lead;
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel, Set};
use serde_json::{Map, Value, json};

use crate::support::app::{TestApp, both};
use crate::support::make::{Account, Flow, SUBMIT};

/// Text fields of a large lead, and the characters of each.
const FIELDS: usize = 30;
const CHARACTERS: usize = 9_000;

async fn flow_of_large(app: &TestApp, owner: &Account) -> Flow {
    let fields: Vec<Value> = (0..FIELDS)
        .map(|number| json!({ "name": format!("text{number}"), "type": "TEXT" }))
        .collect();
    app.flow(owner, json!({ "fields": fields })).await
}

fn large() -> Value {
    let values = (0..FIELDS).map(|number| (format!("text{number}"), json!("x".repeat(CHARACTERS))));
    Value::Object(Map::from_iter(values))
}

/// As many leads like the one that there is.
async fn copy(app: &TestApp, many: usize) {
    let db = app.app.db.write();
    let row = lead::Entity::find().one(db).await.unwrap().unwrap();
    let copies = (0..many).map(|_| {
        let mut copy = row.clone().into_active_model().reset_all();
        copy.id = Set(app.clock.id());
        copy
    });
    entity::bulk::insert::<lead::Entity>(db, copies.collect())
        .await
        .unwrap();
}

fn count(data: &Value, list: &str) -> usize {
    data[list]["nodes"].as_array().unwrap().len()
}

/// Takes a column away, so that whatever reads it fails.
async fn hide(app: &TestApp, table: &str, column: &str) {
    let sql = format!("ALTER TABLE {table} RENAME COLUMN {column} TO {column}_away");
    app.app.db.write().execute_unprepared(&sql).await.unwrap();
}

both!(lists_read_no_large_column_that_nobody_asks_for, |app| {
    let owner = app.account("Acme").await;
    let (flow, ..) = app.flow_to(&owner, json!({ "portal": {} })).await;
    app.submit(&owner, &flow, json!({ "first_name": "Ana" })).await;
    for column in ["fields", "raw", "trace"] {
        hide(&app, "lead", column).await;
    }
    hide(&app, "delivery_attempt", "excerpt").await;
    let told = app
        .data(
            &owner.key,
            "{ submissions { nodes { id warnings { code } } } }",
            json!({}),
        )
        .await;
    assert_eq!(count(&told, "submissions"), 1);
    for column in ["reasons", "warnings"] {
        hide(&app, "lead", column).await;
    }
    let light = "{ leads(first: 100) { nodes { id test outcome price { amount } submittedAt processingMs erasedAt flow { id } source { id } } }
        deliveries(first: 100) { nodes { id lead { id outcome } attempts { number message } } } }";
    let data = app.data(&owner.key, light, json!({})).await;
    assert_eq!((count(&data, "leads"), count(&data, "deliveries")), (1, 1));
    for part in [
        "fields",
        "rawFields",
        "reasons { code }",
        "warnings { code }",
        "trace { check }",
    ] {
        let query = format!("{{ leads {{ nodes {{ {part} }} }} }}");
        let answer = app.ask(Some(&owner.key), &query, json!({})).await;
        assert!(answer["errors"].is_array(), "{part}: {answer}");
    }
});

both!(a_page_of_large_leads_is_read_within_a_budget_of_bytes, |app| {
    let owner = app.account("Acme").await;
    let flow = flow_of_large(&app, &owner).await;
    app.submit(&owner, &flow, large()).await;
    copy(&app, 79).await;
    let light = "{ leads(first: 100) { nodes { id outcome trace { check } warnings { code } } } }";
    let data = app.data(&owner.key, light, json!({})).await;
    assert_eq!(count(&data, "leads"), 80);
    let answer = app
        .ask(
            Some(&owner.key),
            "{ leads(first: 100) { nodes { fields } } }",
            json!({}),
        )
        .await;
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "ANSWER_TOO_LARGE", "{answer:.300}");
    // Said before anything of it was read.
    assert!(
        error["message"].as_str().unwrap().contains("would have to be read"),
        "{error}"
    );
    let data = app
        .data(&owner.key, "{ leads(first: 20) { nodes { fields } } }", json!({}))
        .await;
    let first = &data["leads"]["nodes"][0]["fields"];
    assert_eq!(first["text7"].as_str().unwrap().len(), CHARACTERS);
});

/// How many batches there were, and how many of them held no more than so many bytes.
async fn batches(app: &TestApp, bytes: &str) -> (f64, f64) {
    let said = app.get("/metrics").await.text().await.unwrap();
    let of = |name: String| {
        let line = said.lines().find(|line| line.starts_with(&name)).unwrap();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    (
        of("leadmesh_intake_batch_bytes_count".into()),
        of(format!("leadmesh_intake_batch_bytes_bucket{{le=\"{bytes}\"}}")),
    )
}

both!(
    large_leads_that_come_at_once_are_stored_in_bounded_transactions,
    |app| {
        let owner = app.account("Acme").await;
        let flow = flow_of_large(&app, &owner).await;
        let input = json!({ "input": { "flowId": flow.id, "fields": large() } });
        let submitted = (0..40).map(|_| app.ask(Some(&owner.key), SUBMIT, input.clone()));
        for answer in futures::future::join_all(submitted).await {
            assert_eq!(
                answer["data"]["submitLead"]["receipt"]["outcome"], "ACCEPTED",
                "{answer:.300}"
            );
        }
        let (all, small) = batches(&app, "16777216.0").await;
        assert_eq!(all, small);
    }
);
