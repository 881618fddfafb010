//! Large leads: lists read of them only what is asked for, and only so much; those that wait to be stored are bounded in bytes.

use entity::{flow, lead};
use sea_orm::{ActiveModelTrait, ConnectionTrait, IntoActiveModel, Set};
use serde_json::{Map, Value, json};

use crate::support::app::{TestApp, both};
use crate::support::make::{Account, Flow, SUBMIT};

const UPDATE_PARTNER: &str = "mutation($input: UpdatePartnerInput!) { updatePartner(input: $input) { partner { id } userErrors { code message path } } }";

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
pub(super) async fn copy(app: &TestApp, owner: &Account, many: usize) {
    let db = app.app.db.write();
    let row = lead::Entity::in_account(owner.id.parse().unwrap())
        .one(db)
        .await
        .unwrap()
        .unwrap();
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
    let data = app.data(&owner.token, light, json!({})).await;
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

both!(histories_read_what_was_changed_only_where_it_is_asked_for, |app| {
    let owner = app.account("Acme").await;
    let (flow, partner, _) = app.flow_to(&owner, json!({ "portal": {} })).await;
    let input = json!({ "id": partner, "notes": "Pays late." });
    app.done(&owner.token, UPDATE_PARTNER, input).await;
    let history =
        |part: &str| format!("query($id: ID!) {{ flow(id: $id) {{ history(first: 100) {{ nodes {{ {part} }} }} }} }}");
    let trail = |part: &str| format!("{{ auditEvents(first: 100) {{ nodes {{ {part} }} }} }}");
    let id = json!({ "id": flow.id });
    let data = app.data(&owner.token, &history("version snapshot"), id.clone()).await;
    let revisions = data["flow"]["history"]["nodes"].as_array().unwrap().clone();
    assert!(revisions.len() >= 2 && revisions.iter().all(|one| one["snapshot"]["steps"].is_array()));
    assert_eq!(revisions[0]["snapshot"]["steps"].as_array().unwrap().len(), 1);
    let data = app.data(&owner.token, &trail("action changes"), json!({})).await;
    let entries = data["auditEvents"]["nodes"].as_array().unwrap();
    let update = entries
        .iter()
        .find(|entry| entry["action"] == "partner.updated")
        .unwrap();
    assert_eq!(update["changes"]["notes"]["to"], "Pays late.", "{update}");

    hide(&app, "flow_revision", "snapshot").await;
    hide(&app, "audit_event", "changes").await;
    let light = app
        .data(
            &owner.token,
            &history("id version at actor { name } summary"),
            id.clone(),
        )
        .await;
    assert_eq!(count(&light["flow"], "history"), revisions.len());
    let light = app
        .data(
            &owner.token,
            &trail("id action at actor { name } subjectLabel ip"),
            json!({}),
        )
        .await;
    assert_eq!(count(&light, "auditEvents"), entries.len());
    let answer = app.ask(Some(&owner.token), &history("snapshot"), id).await;
    assert!(answer["errors"].is_array(), "{answer:.300}");
    let answer = app.ask(Some(&owner.token), &trail("changes"), json!({})).await;
    assert!(answer["errors"].is_array(), "{answer:.300}");
});

both!(settings_that_hold_much_are_read_within_a_budget_of_bytes, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let db = app.app.db.write();
    let first = flow::Entity::in_account(owner.id.parse().unwrap())
        .one(db)
        .await
        .unwrap()
        .unwrap();
    let long: Vec<Value> = vec![json!("x".repeat(1_000)); 300];
    let rule = json!({ "condition": { "field": "first_name", "operator": "IN", "value": long } });
    let copies = (0..79).map(|_| {
        let mut copy = first.clone().into_active_model().reset_all();
        (copy.id, copy.is_inbox) = (Set(app.clock.id()), Set(false));
        copy.acceptance_rule = Set(Some(rule.clone()));
        copy
    });
    entity::bulk::insert::<flow::Entity>(db, copies.collect())
        .await
        .unwrap();
    let page = |first: usize| format!("{{ flows(first: {first}) {{ nodes {{ id }} }} }}");
    let answer = app.ask(Some(&owner.token), &page(80), json!({})).await;
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "ANSWER_TOO_LARGE", "{answer:.300}");
    assert!(error["message"].as_str().unwrap().contains("smaller page"), "{error}");
    let data = app.data(&owner.token, &page(40), json!({})).await;
    assert_eq!(count(&data, "flows"), 40);

    // The same through what refers to them.
    app.submit(&owner, &flow, json!({ "first_name": "Ana" })).await;
    let leads = lead::Entity::in_account(owner.id.parse().unwrap())
        .one(db)
        .await
        .unwrap()
        .unwrap();
    let flows = flow::Entity::in_account(owner.id.parse().unwrap())
        .all(db)
        .await
        .unwrap();
    let copies = flows.iter().map(|flow| {
        let mut copy = leads.clone().into_active_model().reset_all();
        (copy.id, copy.flow_id) = (Set(app.clock.id()), Set(flow.id));
        copy
    });
    entity::bulk::insert::<lead::Entity>(db, copies.collect())
        .await
        .unwrap();
    let query = "{ leads(first: 100) { nodes { flow { name } } } }";
    let answer = app.ask(Some(&owner.token), query, json!({})).await;
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "ANSWER_TOO_LARGE", "{answer:.300}");
});

both!(a_page_of_large_leads_is_read_within_a_budget_of_bytes, |app| {
    let owner = app.account("Acme").await;
    let flow = flow_of_large(&app, &owner).await;
    app.submit(&owner, &flow, large()).await;
    copy(&app, &owner, 79).await;
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

/// What is told of the transactions in which leads were stored.
#[derive(Debug)]
pub(super) struct Batches {
    /// How many there were.
    count: f64,
    /// How many leads they had.
    pub(super) leads: f64,
    /// What their leads have held together.
    pub(super) bytes: f64,
    said: String,
}

impl Batches {
    pub(super) async fn of(app: &TestApp) -> Self {
        let said = app.get("/metrics").await.text().await.unwrap();
        Self {
            count: value(&said, "leadmesh_intake_batch_bytes_count "),
            leads: value(&said, "leadmesh_intake_batch_size_sum "),
            bytes: value(&said, "leadmesh_intake_batch_bytes_sum "),
            said,
        }
    }

    /// Whether none held more.
    pub(super) fn is_within(&self, bytes: u32) -> bool {
        let bucket = format!("leadmesh_intake_batch_bytes_bucket{{le=\"{bytes}.0\"}} ");
        value(&self.said, &bucket) >= self.count
    }
}

fn value(said: &str, name: &str) -> f64 {
    let line = said.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap().trim().parse().unwrap()
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
        let batches = Batches::of(&app).await;
        assert!(batches.is_within(4 * 1024 * 1024), "{batches:?}");
    }
);
