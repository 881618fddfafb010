//! What a seller is told of fields that a buyer's flow does not know, and of encrypted ones that go out without being named.

use serde_json::{Value, json};

use super::selling::ADD_STEP;
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{Account, Flow, SUBMIT, text, webhook, webhook_with};

const STEPS: &str = "query($id: ID!) { flow(id: $id) { steps { ... on BuyerStep { id warnings } } } }";
const SIMULATE: &str = "query($flow: ID!, $fields: JSON!) { simulateSubmission(flowId: $flow, fields: $fields) {
    outcome warnings { code field } trace { check passed detail } } }";
const LEAD: &str = "query($id: ID!) { lead(id: $id) { warnings { code } trace { check detail } } }";
const UPDATE: &str = "mutation($input: UpdateStepInput!) { updateStep(input: $input) { flow { id } warnings userErrors { code message path } } }";

/// Ten fields, of which the buyer knows five.
fn fields(last: usize) -> Value {
    (0..last)
        .map(|place| json!({ "name": format!("f{place}"), "type": "TEXT" }))
        .collect()
}

fn values() -> Value {
    let values: serde_json::Map<String, Value> = (0..10).map(|place| (format!("f{place}"), json!("x"))).collect();
    Value::Object(values)
}

async fn step_warnings(app: &TestApp, owner: &Account, flow: &Flow) -> (Value, String) {
    let data = app.data(&owner.token, STEPS, json!({ "id": flow.id })).await;
    let step = data["flow"]["steps"][0].clone();
    (step["id"].clone(), step["warnings"].to_string())
}

both!(
    /// When the step is saved and shown, on the receipt, in the trace and in a simulation; not to other senders; and not once the
    /// fields are renamed or left out.
    a_seller_is_told_what_its_buyer_drops,
    |app| {
        let (seller, buyer, sender) = (app.account("Seller").await, app.account("Buyer").await, app.account("Sender").await);
        let connection = app.connect(&seller, &buyer, "SEND_LEADS").await;
        let target = app.flow(&buyer, json!({ "fields": fields(5) })).await;
        app.receive_in(&buyer, &connection, &target).await;
        let flow = app.flow(&seller, json!({ "fields": fields(10) })).await;
        let step = json!({ "buyer": { "connectionId": connection, "sharedFields": { "mode": "ALL" } } });
        let add = ADD_STEP.replace("userErrors", "warnings userErrors");
        let saved = app.done(&seller.token, &add, json!({ "flowId": flow.id, "name": "Sell", "step": step })).await;
        let told = saved["warnings"].to_string();
        assert!(told.contains("5 of the 10 fields") && told.contains("f5, f6, f7, f8, f9"), "{saved:#}");
        let (id, shown) = step_warnings(&app, &seller, &flow).await;
        assert!(shown.contains("5 of the 10 fields"), "{shown}");

        let receipt = app.submit(&seller, &flow, values()).await;
        let warnings = receipt["warnings"].as_array().unwrap();
        let lost: Vec<&Value> = warnings.iter().filter(|warning| warning["code"] == "FIELD_NOT_TAKEN").collect();
        let names: Vec<String> = lost.iter().map(|warning| text(&warning["field"])).collect();
        assert_eq!(names, ["f5", "f6", "f7", "f8", "f9"], "{receipt:#}");
        let some = app.submit(&seller, &flow, json!({ "f1": "x", "f7": "y" })).await;
        assert_eq!(some["warnings"].as_array().unwrap().len(), 1, "only what this lead has: {some:#}");
        let variables = json!({ "flow": flow.id, "fields": values() });
        let simulated = app.data(&seller.token, SIMULATE, variables).await["simulateSubmission"].take();
        assert_eq!(simulated["warnings"].as_array().unwrap().len(), 5, "{simulated:#}");
        assert!(simulated["trace"].to_string().contains("drops them: f5, f6, f7, f8, f9"), "{simulated:#}");

        let (_, source) = app.open(&seller, &flow, &sender).await;
        let input = json!({ "flowId": flow.id, "sourceId": source, "fields": values() });
        let receipt = app.done(&sender.key, SUBMIT, input).await["receipt"].take();
        assert_eq!(receipt["warnings"], json!([]), "whom a seller sells to is not its senders' business");
        let lead = app.data(&seller.token, LEAD, json!({ "id": receipt["id"] })).await;
        assert!(lead["lead"]["trace"].to_string().contains("drops them: f5"), "{lead:#}");

        let mapping = json!([{ "from": "f5", "to": "f4" }]);
        let shared = json!({ "mode": "ONLY", "fields": ["f0", "f1", "f5"] });
        let input = json!({ "id": id, "step": { "buyer": { "sharedFields": shared, "mapping": mapping } } });
        assert_eq!(app.done(&seller.token, UPDATE, input).await["warnings"], json!([]));
        assert_eq!(step_warnings(&app, &seller, &flow).await.1, "[]");
        assert_eq!(app.submit(&seller, &flow, values()).await["warnings"], json!([]));
    }
);

both!(
    /// On every channel and on buyer steps, as long as the account has not named what is shared.
    an_encrypted_field_that_is_shared_by_default_is_told,
    |app| {
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let connection = app.connect(&seller, &buyer, "SEND_LEADS").await;
        let fields = json!([{ "name": "email", "type": "EMAIL" }, { "name": "ssn", "type": "TEXT", "encrypted": true }]);
        let flow = app.flow(&seller, json!({ "fields": fields })).await;
        let step = json!({ "buyer": { "connectionId": connection, "sharedFields": { "mode": "ALL" } } });
        app.step(&seller, &flow, "Sell", step, Value::Null).await;
        assert!(step_warnings(&app, &seller, &flow).await.1.contains("without being named: ssn"));

        let set = "mutation($input: SetPartnerDeliveryInput!) { setPartnerDelivery(input: $input) { partner { delivery {
            ... on WebhookSettings { warnings } ... on EmailSettings { warnings } ... on PortalSettings { warnings }
            ... on AccountSettings { warnings } } } userErrors { code message path } } }";
        let (partner, _) = app.partner(&seller, "P", json!({ "portal": {} }), json!({})).await;
        let kinds = |selection: Value| {
            let mut web = webhook("http://127.0.0.1:9/");
            web["webhook"]["fields"] = selection.clone();
            [
                web,
                json!({ "portal": { "fields": selection } }),
                json!({ "email": { "recipients": ["a@b.test"], "subject": "Lead", "fields": selection } }),
                json!({ "account": { "connectionId": connection, "fields": selection } }),
            ]
        };
        for (selection, warned) in [
            (json!({ "mode": "ALL" }), true),
            (json!({ "mode": "EXCEPT", "fields": ["email"] }), true),
            (json!({ "mode": "EXCEPT", "fields": ["ssn"] }), false),
            (json!({ "mode": "ONLY", "fields": ["email", "ssn"] }), false),
        ] {
            for delivery in kinds(selection.clone()) {
                let input = json!({ "partnerId": partner, "delivery": delivery });
                let told = app.done(&seller.token, set, input).await["partner"]["delivery"]["warnings"].to_string();
                assert_eq!(told.contains("without being named: ssn"), warned, "{selection} {delivery}: {told}");
            }
        }
    }
);

both!(
    /// A partner that is an account warns as a step does; and leads that the worker brings there, by retrying or going on to the next
    /// partner, tell what was dropped as those do that were decided at once.
    a_partner_that_drops_fields_is_told_in_its_settings_and_by_the_worker,
    |app| {
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let connection = app.connect(&seller, &buyer, "SEND_LEADS").await;
        let target = app.flow(&buyer, json!({ "fields": fields(5) })).await;
        app.receive_in(&buyer, &connection, &target).await;
        let flow = app.flow(&seller, json!({ "fields": fields(7) })).await;
        let other = app.flow(&seller, json!({ "fields": fields(10) })).await;
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(422));
        let once = webhook_with(&receiver.url("/"), json!({ "retry": { "attempts": 1 } }));
        let profile = app.profile(&seller, json!({ "strategy": "FIRST_MATCH", "onFailure": "NEXT_PARTNER" })).await;
        let (first, _) = app.partner(&seller, "P", once, json!({})).await;
        let account = json!({ "account": { "connectionId": connection, "fields": { "mode": "ALL" } } });
        let (second, _) = app.partner(&seller, "Account", account, json!({})).await;

        let shown = "query($id: ID!) { partner(id: $id) { delivery { ... on AccountSettings { warnings } } } }";
        let told = async |app: &TestApp| {
            let data = app.data(&seller.token, shown, json!({ "id": second })).await;
            data["partner"]["delivery"]["warnings"].to_string()
        };
        assert!(told(&app).await.contains("15 of the 20 fields"), "{}", told(&app).await);
        app.assign(&seller, &profile, &first, json!({ "rank": 1 })).await;
        app.assign(&seller, &profile, &second, json!({ "rank": 2 })).await;
        app.step(&seller, &flow, "Out", json!({ "distribute": { "profileId": profile } }), Value::Null).await;
        let now = told(&app).await;
        assert!(now.contains("2 of the 7 fields") && now.contains("f5, f6"), "only what leads to it: {now}; {}", other.id);

        let id = text(&app.submit(&seller, &flow, json!({ "f0": "x", "f6": "y" })).await["id"]);
        app.deliveries_at(&seller, &id, &["FAILED", "DELIVERED"]).await;
        let lead = "query($id: ID!) { lead(id: $id) { warnings { code field } trace { subject check detail } } }";
        let lead = app.data(&seller.token, lead, json!({ "id": id })).await["lead"].take();
        assert_eq!(lead["warnings"], json!([{ "code": "FIELD_NOT_TAKEN", "field": "f6" }]), "{lead:#}");
        let looks = lead["trace"].as_array().unwrap();
        let look = looks.iter().find(|look| look["check"] == "shared fields").unwrap();
        assert!(look["subject"] == "Account" && look["detail"].as_str().unwrap().ends_with("f6"), "{look}");
    }
);
