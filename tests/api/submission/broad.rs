//! Flows with many steps to many partners: what a lead keeps of its decision is bounded, and so is what may be set up.

use entity::{assignment, lead};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QuerySelect, Set};
use serde_json::{Value, json};

use super::large::{Batches, copy};
use crate::limits::crowded;
use crate::support::app::{TestApp, both};
use crate::support::make::{Account, Flow};

const TRACE: &str =
    "query($id: ID!) { lead(id: $id) { trace { subject subjectId check passed detail omitted } timeline { kind } } }";
const SIMULATED: &str = "query($flow: ID!, $fields: JSON!) {
    simulateSubmission(flowId: $flow, fields: $fields) { trace { check omitted } } }";
const ADD_STEP: &str =
    "mutation($input: AddStepInput!) { addStep(input: $input) { flow { id } userErrors { code message path } } }";
const UPDATE_STEP: &str =
    "mutation($input: UpdateStepInput!) { updateStep(input: $input) { flow { id } userErrors { code message path } } }";
const ASSIGN: &str = "mutation($input: AssignPartnerInput!) { assignPartner(input: $input) { profile { id } userErrors { code message path } } }";

fn step_to(flow: &Flow, profile: &str) -> Value {
    json!({ "flowId": flow.id, "name": "Another", "step": { "distribute": { "profileId": profile } } })
}

/// Adds as many DISTRIBUTE steps to a profile; answers them.
async fn steps(app: &TestApp, owner: &Account, (flow, profile): (&Flow, &str), many: usize) -> Vec<String> {
    let mut steps = Vec::new();
    for number in 0..many {
        let step = json!({ "distribute": { "profileId": profile } });
        let name = format!("Step {number}");
        steps.push(app.step(owner, flow, &name, step, Value::Null).await);
    }
    steps
}

/// Every place of the account gets leads by that rule.
async fn set_rules(app: &TestApp, owner: &Account, rule: Value) {
    let account = owner.id.parse().unwrap();
    let db = app.app.db.write();
    for place in assignment::Entity::in_account(account).all(db).await.unwrap() {
        let mut place = place.into_active_model();
        place.rule = Set(Some(rule.clone()));
        place.update(db).await.unwrap();
    }
}

/// A flow with that many DISTRIBUTE steps to a profile of 100 partners, none of whom takes a lead of score 7.
struct Broad {
    owner: Account,
    flow: Flow,
    profile: String,
    steps: Vec<String>,
}

async fn broad(app: &TestApp, number: usize) -> Broad {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let profile = crowded(app, &owner, 100).await;
    let rule = json!({ "condition": { "field": "score", "operator": "IN", "value": [1, 2] } });
    set_rules(app, &owner, rule).await;
    let steps = steps(app, &owner, (&flow, &profile), number).await;
    Broad {
        owner,
        flow,
        profile,
        steps,
    }
}

/// Bytes of the longest trace, as it is stored.
async fn stored(app: &TestApp, owner: &Account) -> usize {
    let rows = lead::Entity::in_account(owner.id.parse().unwrap())
        .select_only()
        .column(lead::Column::Trace)
        .into_tuple::<Value>()
        .all(app.app.db.read())
        .await
        .unwrap();
    rows.iter().map(|row| row.to_string().len()).max().unwrap()
}

/// As an older version may have stored it of every lead.
#[expect(clippy::disallowed_methods, reason = "all leads of the test")]
async fn set_traces(db: &impl ConnectionTrait, trace: Value) {
    let change = lead::ActiveModel {
        trace: Set(trace),
        ..Default::default()
    };
    lead::Entity::update_many().set(change).exec(db).await.unwrap();
}

fn omitted(trace: &[Value]) -> u64 {
    trace.iter().filter_map(|entry| entry["omitted"].as_u64()).sum()
}

fn with_check(trace: &[Value], check: &str) -> usize {
    trace.iter().filter(|entry| entry["check"] == check).count()
}

both!(a_trace_is_bounded_and_tells_what_each_step_has_left_out, |app| {
    let Broad { owner, flow, steps, .. } = broad(&app, 12).await;
    let receipt = app.submit(&owner, &flow, json!({ "score": 7 })).await;
    let data = app.data(&owner.key, TRACE, json!({ "id": receipt["id"] })).await;
    let trace = data["lead"]["trace"].as_array().unwrap();
    assert!(trace.len() <= 500, "{}", trace.len());
    assert!(
        stored(&app, &owner).await <= 64 * 1024,
        "{}",
        stored(&app, &owner).await
    );
    assert_eq!(with_check(trace, "rule") as u64 + omitted(trace), 1_200);
    for step in &steps {
        let told: Vec<&Value> = trace
            .iter()
            .filter(|entry| entry["subjectId"] == step.as_str())
            .collect();
        assert_eq!(told.len(), 1, "{told:?}");
        let more = told[0]["omitted"].as_u64().unwrap();
        assert_eq!(
            (&told[0]["check"], &told[0]["detail"]),
            (&json!("more"), &json!(format!("and {more} more")))
        );
    }
    let variables = json!({ "flow": flow.id, "fields": { "score": 7 } });
    let simulated = app.data(&owner.key, SIMULATED, variables).await["simulateSubmission"]["trace"].take();
    assert!(simulated.as_array().unwrap().len() <= 500 && omitted(simulated.as_array().unwrap()) > 0);
});

const SUBMIT_MANY: &str =
    "mutation($input: SubmitLeadsInput!) { submitLeads(input: $input) { accepted userErrors { code message path } } }";

both!(many_leads_of_a_broad_flow_take_no_more_than_their_bounds, |app| {
    let Broad { owner, flow, .. } = broad(&app, 10).await;
    let leads = vec![json!({ "fields": { "score": 7 } }); 500];
    let input = json!({ "flowId": flow.id, "leads": leads });
    // Slow builds may tell some to come again.
    let answer = app.ask(Some(&owner.key), SUBMIT_MANY, json!({ "input": input })).await;
    let payload = &answer["data"]["submitLeads"];
    let accepted = payload["accepted"].as_u64().unwrap_or_else(|| panic!("{answer:.300}"));
    let refused = payload["userErrors"].as_array().unwrap();
    assert!(
        refused.iter().all(|error| error["code"] == "UNAVAILABLE"),
        "{answer:.300}"
    );
    assert!(accepted > 0 && accepted + refused.len() as u64 == 500, "{answer:.300}");
    assert!(
        stored(&app, &owner).await <= 64 * 1024,
        "{}",
        stored(&app, &owner).await
    );
    // As many as one batch has by number would be more bytes than a batch has.
    let batches = Batches::of(&app).await;
    assert!(batches.is_within(4 * 1024 * 1024), "{batches:?}");
    // Each with its values, its places and its rows.
    assert!(batches.bytes / batches.leads < 80.0 * 1024.0, "{batches:?}");
});

both!(
    traces_of_a_page_are_read_and_told_within_the_budget_of_an_answer,
    |app| {
        let Broad {
            owner, flow, profile, ..
        } = broad(&app, 10).await;
        app.submit(&owner, &flow, json!({ "score": 7 })).await;
        copy(&app, &owner, 99).await;
        let page = |first: usize| format!("{{ leads(first: {first}) {{ nodes {{ trace {{ check }} }} }} }}");
        let answer = app.ask(Some(&owner.key), &page(100), json!({})).await;
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "COST_EXCEEDED",
            "{answer:.300}"
        );
        let data = app.data(&owner.key, &page(10), json!({})).await;
        assert_eq!(data["leads"]["nodes"].as_array().unwrap().len(), 10);

        // Of traces that an older version stored, a page is refused before they are read.
        let entry = json!({ "subject": "Partner", "subjectId": profile, "check": "rule", "passed": false, "detail": "x".repeat(100) });
        let db = app.app.db.write();
        set_traces(db, json!(vec![entry; 2_000])).await;
        let answer = app.ask(Some(&owner.key), &page(50), json!({})).await;
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "ANSWER_TOO_LARGE", "{answer:.300}");
        let said = error["message"].as_str().unwrap();
        assert!(
            said.contains("would have to be read") && said.contains("smaller page"),
            "{said}"
        );
        let one = app.data(&owner.key, &page(1), json!({})).await;
        assert_eq!(one["leads"]["nodes"][0]["trace"].as_array().unwrap().len(), 2_000);
    }
);

both!(who_gets_a_lead_is_told_after_many_who_do_not, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let crowd = crowded(&app, &owner, 400).await;
    set_rules(
        &app,
        &owner,
        json!({ "condition": { "field": "score", "operator": "GREATER_THAN", "value": 100 } }),
    )
    .await;
    let (taker, _) = app.partner(&owner, "Taker", json!({ "portal": {} }), json!({})).await;
    app.assign(&owner, &crowd, &taker, json!({})).await;
    steps(&app, &owner, (&flow, &crowd), 1).await;
    let receipt = app.submit(&owner, &flow, json!({ "score": 7 })).await;
    let data = app.data(&owner.key, TRACE, json!({ "id": receipt["id"] })).await;
    let trace = data["lead"]["trace"].as_array().unwrap();
    assert_eq!(with_check(trace, "chosen"), 1);
    assert_eq!(with_check(trace, "rule") as u64 + omitted(trace), 400);
    assert!(omitted(trace) > 0);
});

both!(a_flow_is_bounded_in_places_over_all_its_steps, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let broad = crowded(&app, &owner, 900).await;
    let of_flow = steps(&app, &owner, (&flow, &broad), 5).await;
    let refused = app.refused(&owner.token, ADD_STEP, step_to(&flow, &broad)).await;
    let told = ("LIMIT_REACHED".to_owned(), "input.step.distribute.profileId".to_owned());
    assert_eq!(refused, std::slice::from_ref(&told));

    // One more place for each of five steps is one too many of 4,998.
    let narrow = app.profile(&owner, json!({ "name": "Narrow" })).await;
    let db = app.app.db.write();
    let account: entity::ids::AccountId = owner.id.parse().unwrap();
    let rows = assignment::Entity::in_account(account)
        .limit(498)
        .all(db)
        .await
        .unwrap();
    let rows = rows.into_iter().map(|row| {
        let mut row = row.into_active_model().reset_all();
        row.id = Set(app.clock.id());
        row.profile_id = Set(narrow.parse().unwrap());
        row
    });
    entity::bulk::insert::<assignment::Entity>(db, rows.collect())
        .await
        .unwrap();
    let last = steps(&app, &owner, (&flow, &narrow), 1).await;
    let (partner, _) = app.partner(&owner, "New", json!({ "portal": {} }), json!({})).await;
    let into = |profile: &str| json!({ "profileId": profile, "partnerId": partner });
    let refused = app.refused(&owner.token, ASSIGN, into(&broad)).await;
    assert_eq!(refused, [("LIMIT_REACHED".to_owned(), "input.profileId".to_owned())]);
    app.done(&owner.token, ASSIGN, into(&narrow)).await;
    let to_broad = json!({ "id": last[0], "step": { "distribute": { "profileId": broad } } });
    assert_eq!(app.refused(&owner.token, UPDATE_STEP, to_broad).await, [told]);
    let unused = app.profile(&owner, json!({ "name": "Unused" })).await;
    app.done(&owner.token, ASSIGN, into(&unused)).await;

    // A flow that is broader already goes on, and may become narrower.
    let sql = format!("UPDATE step SET profile_id = {}", quoted(&app, &broad));
    db.execute_unprepared(&sql).await.unwrap();
    let renamed = json!({ "id": of_flow[0], "name": "Renamed" });
    app.done(&owner.token, UPDATE_STEP, renamed).await;
    let receipt = app.submit(&owner, &flow, json!({ "score": 7 })).await;
    assert_eq!(receipt["outcome"], "ACCEPTED");
});

/// An identifier as the database has it.
fn quoted(app: &TestApp, id: &str) -> String {
    let id: uuid::Uuid = id.parse::<entity::ids::ProfileId>().unwrap().0;
    if app.app.db.is_postgres() {
        format!("'{id}'")
    } else {
        format!("x'{}'", id.simple())
    }
}
