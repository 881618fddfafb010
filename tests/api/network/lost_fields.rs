//! What a seller is told of fields that a buyer's flow does not know, and of encrypted ones that go out without being named.

use serde_json::{Value, json};

use super::selling::ADD_STEP;
use crate::support::app::{TestApp, both};
use crate::support::make::{Account, Flow, SUBMIT, text, webhook};

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
