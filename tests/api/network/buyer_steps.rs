//! Leads that a seller's buyer step brings into a buyer's flow (N15, N16, N17).

use serde_json::{Value, json};

use super::selling::{ADD_STEP, only_texas, statuses};
use crate::support::app::both;
use crate::support::http_receiver::HttpReceiver;
use crate::support::make::{ana, text, webhook};

/// Switches a step.
pub(super) const ENABLE: &str = "mutation($id: ID!, $on: Boolean!) { setStepEnabled(id: $id, enabled: $on) {
    flow { id } userErrors { code message path } } }";
/// Switches a flow.
pub(super) const SET_FLOW: &str = "mutation($id: ID!, $on: Boolean!) { setFlowEnabled(id: $id, enabled: $on) { flow { id } userErrors { code message path } } }";
/// Retries a delivery.
pub(super) const RETRY: &str =
    "mutation($id: ID!) { retryDelivery(id: $id) { delivery { id status } userErrors { code message path } } }";
/// Changes a flow.
pub(super) const UPDATE_FLOW: &str =
    "mutation($input: UpdateFlowInput!) { updateFlow(input: $input) { flow { id } userErrors { code message path } } }";

both!(
    /// N15: the lead is in both accounts, at the buyer with the shared fields only, under its own names, at the agreed price.
    a_lead_enters_the_buyers_flow_with_what_is_shared,
    |app| {
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let connection = app.connect(&seller, &buyer, "SEND_LEADS").await;
        let fields = json!([{ "name": "mail", "type": "EMAIL", "required": true }, { "name": "first_name", "type": "TEXT" }]);
        let target = app.flow(&buyer, json!({ "name": "Bought", "fields": fields })).await;
        app.receive_in(&buyer, &connection, &target).await;
        let flow = app.flow(&seller, json!({})).await;
        let step = json!({
            "sharedFields": { "mode": "ONLY", "fields": ["email", "first_name", "score"] },
            "mapping": [{ "from": "email", "to": "mail" }], "price": { "amount": "12.5", "currency": "USD" },
            "caps": [{ "period": "DAY", "limit": 5 }],
        });
        app.buyer_step(&seller, &flow, &connection, step).await;

        let receipt = app.submit(&seller, &flow, ana()).await;

        let lost = &receipt["warnings"][0];
        assert_eq!((&receipt["outcome"], &lost["code"], &lost["field"]), (&json!("ACCEPTED"), &json!("FIELD_NOT_TAKEN"), &json!("score")));
        let sold = app.sold(&seller, &receipt["id"]).await;
        let got = app.leads_of(&buyer, Some(&target)).await;
        let delivery = &sold["deliveries"][0];
        assert_eq!((statuses(&sold), got.len()), (vec!["DELIVERED".to_owned()], 1), "{sold:#}");
        assert_eq!((&delivery["channel"], &delivery["externalId"]), (&json!("ACCOUNT"), &got[0]["id"]));
        assert_eq!((&delivery["buyer"]["name"], &delivery["partner"]), (&json!("Buyer"), &Value::Null));
        assert_eq!(got[0]["fields"], json!({ "mail": "ana@example.com", "first_name": "Ana" }));
        let warned = got[0]["warnings"][0]["field"].clone();
        assert_eq!((&got[0]["outcome"], warned), (&json!("ACCEPTED"), json!("score")));
        assert_eq!((&got[0]["partner"]["name"], &got[0]["source"]["name"]), (&json!("Seller"), &json!("Seller")));
        let price = json!({ "amount": "12.5", "currency": "USD" });
        assert_eq!((&got[0]["price"], &delivery["price"]), (&price, &price));
        assert_eq!(app.counted(&seller, &flow).await.1, 1);
        assert_eq!(app.step_state(&seller, &flow).await["state"], "ENABLED");
        let other = app.data(&buyer.token, "query($id: ID!) { lead(id: $id) { id } node(id: $id) { id } }", json!({ "id": receipt["id"] })).await;
        assert_eq!(other, json!({ "lead": null, "node": null }));
        let other = json!({ "id": got[0]["id"] });
        let other = app.data(&seller.token, "query($id: ID!) { lead(id: $id) { id } node(id: $id) { id } submission(id: $id) { id } }", other).await;
        assert_eq!(other, json!({ "lead": null, "node": null, "submission": null }));
    }
);

both!(
    /// N15: a rule of the buyer refuses; the seller is told why, no place on a cap is used, and the next step gets the lead.
    a_refused_lead_goes_on_to_the_next_step,
    |app| {
        let (seller, buyer, other) = (app.account("Seller").await, app.account("Buyer").await, app.account("Other").await);
        let connection = app.connect(&seller, &buyer, "SEND_LEADS").await;
        let caps = json!([{ "period": "DAY", "limit": 9 }]);
        let keys = json!({ "acceptanceRule": only_texas(), "caps": caps, "duplicateKeys": ["email"], "duplicateWindowDays": 30 });
        let target = app.flow(&buyer, keys).await;
        app.receive_in(&buyer, &connection, &target).await;
        let flow = app.flow(&seller, json!({})).await;
        app.buyer_step(&seller, &flow, &connection, json!({ "caps": caps })).await;
        let second = app.connect(&seller, &other, "BOTH").await;
        app.buyer_step(&seller, &flow, &second, json!({})).await;

        let receipt = app.submit(&seller, &flow, ana()).await;

        let sold = app.sold(&seller, &receipt["id"]).await;
        assert_eq!(statuses(&sold), ["REFUSED", "DELIVERED"], "{sold:#}");
        let failure = &sold["deliveries"][0]["failure"];
        assert_eq!(failure["code"], "BUYER_REJECTED");
        assert!(text(&failure["message"]).starts_with("NOT_ACCEPTED: "), "{failure}");
        assert_eq!(sold["deliveries"][1]["buyer"]["name"], "Other");
        let refused = app.leads_of(&buyer, Some(&target)).await;
        assert_eq!((&refused[0]["outcome"], &refused[0]["price"]), (&json!("REJECTED"), &Value::Null));
        assert_eq!(refused[0]["reasons"][0]["code"], "NOT_ACCEPTED");
        assert_eq!(app.leads_of(&other, None).await.len(), 1);
        assert_eq!((app.counted(&buyer, &target).await.0, app.counted(&seller, &flow).await.1), (json!(0), json!(0)));
        let mut texan = ana();
        texan["state"] = json!("TX");
        let receipt = app.submit(&seller, &flow, texan.clone()).await;
        assert_eq!(statuses(&app.sold(&seller, &receipt["id"]).await), ["DELIVERED", "DELIVERED"], "the refused one was not remembered");
        let receipt = app.submit(&seller, &flow, texan).await;
        let sold = app.sold(&seller, &receipt["id"]).await;
        assert!(text(&sold["deliveries"][0]["failure"]["message"]).starts_with("DUPLICATE: "), "{sold:#}");
        assert_eq!((app.counted(&buyer, &target).await.0, app.counted(&seller, &flow).await.1), (json!(1), json!(1)));
    }
);

both!(
    /// N15: a partner that is an account, in a profile; a refusal goes on to the next partner if the profile says so.
    an_account_in_a_profile_that_refuses_is_followed_by_the_next_partner,
    |app| {
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let connection = app.connect(&seller, &buyer, "SEND_LEADS").await;
        let target = app.flow(&buyer, json!({ "acceptanceRule": only_texas() })).await;
        app.receive_in(&buyer, &connection, &target).await;
        let hook = HttpReceiver::start().await;
        let (account, _) = app.partner(&seller, "Account", json!({ "account": { "connectionId": connection } }), json!({})).await;
        let (plain, _) = app.partner(&seller, "Plain", webhook(&hook.url("/")), json!({})).await;
        let flow = app.flow(&seller, json!({})).await;
        let profile = app.profile(&seller, json!({ "strategy": "FIRST_MATCH", "onFailure": "NEXT_PARTNER" })).await;
        app.assign(&seller, &profile, &account, json!({ "rank": 1 })).await;
        app.assign(&seller, &profile, &plain, json!({ "rank": 2 })).await;
        app.distribute(&seller, &flow, &profile).await;

        let receipt = app.submit(&seller, &flow, ana()).await;
        app.deliveries_at(&seller, &text(&receipt["id"]), &["REFUSED", "DELIVERED"]).await;
        let sold = app.sold(&seller, &receipt["id"]).await;
        assert_eq!(statuses(&sold), ["REFUSED", "DELIVERED"], "{sold:#}");
        assert_eq!((&sold["deliveries"][0]["partner"]["name"], &sold["deliveries"][0]["buyer"]["name"]), (&json!("Account"), &json!("Buyer")));
        hook.next().await;

        let mut texan = ana();
        texan["state"] = json!("TX");
        let receipt = app.submit(&seller, &flow, texan).await;
        assert_eq!(statuses(&app.sold(&seller, &receipt["id"]).await), ["DELIVERED"]);
        assert_eq!((hook.count(), app.leads_of(&buyer, Some(&target)).await.len()), (1, 2));
    }
);

both!(
    /// A buyer that is not set up fails the delivery with the cause; a retry by hand delivers it when it is, and a refused one
    /// when the buyer has changed its mind.
    a_failed_delivery_is_retried_by_hand,
    |app| {
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let (flow, target, _) = app.selling(&seller, &buyer, json!({})).await;
        app.ask(Some(&buyer.token), SET_FLOW, json!({ "id": target.id, "on": false })).await;
        assert_eq!(app.step_state(&seller, &flow).await["state"], "BUYER_NOT_SET_UP");

        let receipt = app.submit(&seller, &flow, ana()).await;

        assert_eq!(receipt["warnings"][0]["code"], "NO_MATCHING_PARTNER");
        let sold = app.sold(&seller, &receipt["id"]).await;
        let failure = &sold["deliveries"][0]["failure"];
        assert_eq!((statuses(&sold), &failure["code"]), (vec!["FAILED".to_owned()], &json!("BUYER_NOT_READY")));
        assert!(text(&failure["message"]).contains("its receiving flow is disabled"), "{failure}");
        assert_eq!(app.leads_of(&buyer, None).await, Vec::<Value>::new());

        app.ask(Some(&buyer.token), SET_FLOW, json!({ "id": target.id, "on": true })).await;
        let input = json!({ "id": target.id, "acceptanceRule": only_texas() });
        app.done(&buyer.token, UPDATE_FLOW, input).await;
        let id = json!({ "id": sold["deliveries"][0]["id"] });
        app.data(&seller.token, RETRY, id.clone()).await;
        app.deliveries_at(&seller, &text(&receipt["id"]), &["REFUSED"]).await;
        app.done(&buyer.token, UPDATE_FLOW, json!({ "id": target.id, "acceptanceRule": null })).await;
        app.data(&seller.token, RETRY, id).await;
        app.deliveries_at(&seller, &text(&receipt["id"]), &["DELIVERED"]).await;

        let sold = app.sold(&seller, &receipt["id"]).await;
        let got = app.leads_of(&buyer, Some(&target)).await;
        let outcomes: Vec<_> = got.iter().map(|lead| &lead["outcome"]).collect();
        assert_eq!(outcomes, ["ACCEPTED", "REJECTED"]);
        assert_eq!(sold["deliveries"][0]["externalId"], got[0]["id"]);
        assert_eq!((&sold["deliveries"][0]["attempts"][0]["ok"], &sold["deliveries"][0]["attempts"][1]["ok"]), (&json!(false), &json!(true)));
    }
);

both!(
    /// N17: a FREE buyer takes whatever comes, in its Inbox, and what is odd is a warning.
    a_free_buyer_takes_all,
    ["--default-plan", "FREE"],
    |app| {
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        leadmesh_core::identity::accounts::set_plan(&app.app, seller.id.parse().unwrap(), entity::account::Plan::Paid).await.unwrap();
        let connection = app.connect(&seller, &buyer, "SEND_LEADS").await;
        let flow = app.flow(&seller, json!({})).await;
        app.buyer_step(&seller, &flow, &connection, json!({})).await;
        let inbox = app.data(&buyer.token, "{ flows { nodes { id fields { name label type } } } }", json!({})).await;
        let inbox = &inbox["flows"]["nodes"][0];
        let mut fields = inbox["fields"].clone();
        fields.as_array_mut().unwrap().push(json!({ "name": "needed", "type": "TEXT", "required": true }));
        app.done(&buyer.token, UPDATE_FLOW, json!({ "id": inbox["id"], "fields": fields })).await;

        for _ in 0..2 {
            let receipt = app.submit(&seller, &flow, ana()).await;
            assert_eq!(statuses(&app.sold(&seller, &receipt["id"]).await), ["DELIVERED"]);
        }

        let got = app.leads_of(&buyer, None).await;
        assert_eq!((got.len(), &got[0]["outcome"]), (2, &json!("ACCEPTED")));
        assert!(got[0]["warnings"].as_array().unwrap().iter().any(|warning| warning["code"] == "REQUIRED"), "{got:#?}");
        let back = json!({ "buyer": { "connectionId": connection, "sharedFields": { "mode": "ALL" } } });
        let input = json!({ "flowId": inbox["id"], "name": "Sell", "step": back });
        assert!(app.refused(&buyer.token, ADD_STEP, input).await.iter().any(|(code, _)| code == "PLAN_REQUIRED"));
    }
);

both!(
    /// N16: a buyer that is invited in the same stroke: a draft until it accepts, enabled then because that was asked for.
    a_step_with_an_invitation_waits_for_the_answer,
    |app| {
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let flow = app.flow(&seller, json!({})).await;
        let invite = |kind| json!({ "invite": { "accountId": buyer.id, "relationshipType": kind }, "sharedFields": { "mode": "ALL" } });
        let (code, path) = app.step_refused(&seller, &flow, invite("RECEIVE_LEADS")).await;
        assert_eq!((&*code, &*path), ("DIRECTION_NOT_AGREED", "input.step.buyer.invite.relationshipType"));
        let step = app.step(&seller, &flow, "Sell", json!({ "buyer": invite("SEND_LEADS") }), Value::Null).await;
        let waits = app.step_state(&seller, &flow).await;
        assert_eq!((&waits["state"], &waits["enabled"]), (&json!("AWAITING_ACCEPTANCE"), &json!(false)));
        let enabling = app.ask(Some(&seller.token), ENABLE, json!({ "id": step, "on": true })).await;
        assert_eq!(enabling["data"]["setStepEnabled"]["userErrors"][0]["code"], "NOT_CONNECTED");
        let receipt = app.submit(&seller, &flow, ana()).await;
        assert_eq!(app.sold(&seller, &receipt["id"]).await["deliveries"], json!([]));
        app.decline(&buyer, &text(&waits["invitation"]["id"])).await;
        assert_eq!(app.step_state(&seller, &flow).await["state"], "AWAITING_ACCEPTANCE");

        let again = app.invite(&seller, &buyer, "SEND_LEADS").await;
        app.accept(&buyer, &again).await;

        let ready = app.step_state(&seller, &flow).await;
        assert_eq!((&ready["state"], &ready["buyer"]["id"]), (&json!("ENABLED"), &json!(buyer.id)), "{ready:#}");
        let receipt = app.submit(&seller, &flow, ana()).await;
        assert_eq!(statuses(&app.sold(&seller, &receipt["id"]).await), ["DELIVERED"]);
        assert_eq!(app.leads_of(&buyer, None).await.len(), 1);
    }
);

both!(
    /// What cannot be a buyer step is refused where it stands, and nothing is changed or sent.
    what_cannot_be_sold_is_refused,
    |app| {
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let flow = app.flow(&seller, json!({})).await;
        let connection = app.connect(&seller, &buyer, "RECEIVE_LEADS").await;
        let all = json!({ "mode": "ALL" });
        let strange = "conn_01h2xcejqtf2nbrexx3vqjhp41";
        let at = |code: &str, path: &str| (code.to_owned(), format!("input.step.buyer.{path}"));
        for (buyer, told) in [
            (json!({ "connectionId": strange, "sharedFields": all }), at("NOT_CONNECTED", "connectionId")),
            (json!({ "connectionId": connection, "sharedFields": all }), at("DIRECTION_NOT_AGREED", "connectionId")),
            (json!({ "sharedFields": all }), at("REQUIRED", "connectionId")),
        ] {
            assert_eq!(app.step_refused(&seller, &flow, buyer).await, told);
        }
        let connection = app.connect(&seller, &app.account("Third").await, "BOTH").await;
        for (more, told) in [
            (json!({ "sharedFields": { "mode": "ONLY", "fields": ["email", "nope"] } }), at("UNKNOWN_FIELD", "sharedFields.fields.1")),
            (json!({ "sharedFields": { "mode": "ONLY", "fields": [] } }), at("REQUIRED", "sharedFields.fields")),
            (json!({ "sharedFields": { "mode": "EXCEPT", "fields": ["email"] }, "mapping": [{ "from": "email", "to": "m" }] }), at("FIELD_NOT_SHARED", "mapping")),
            (json!({ "sharedFields": all, "mapping": [{ "from": "email", "to": " " }] }), at("INVALID", "mapping.0.to")),
            (json!({ "sharedFields": all, "price": { "amount": "-1", "currency": "USD" } }), at("INVALID", "price.amount")),
        ] {
            let mut buyer = json!({ "connectionId": connection });
            crate::support::make::merge(&mut buyer, more);
            assert_eq!(app.step_refused(&seller, &flow, buyer).await, told);
        }
    }
);

both!(
    /// Encrypted values go over in memory only: each account seals them with its own keys, and the database shows none.
    encrypted_values_are_sealed_again_by_the_buyer,
    |app| {
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let connection = app.connect(&seller, &buyer, "SEND_LEADS").await;
        let fields = json!([{ "name": "ssn", "type": "TEXT", "encrypted": true }, { "name": "first_name", "type": "TEXT" }]);
        let target = app.flow(&buyer, json!({ "fields": fields, "duplicateKeys": ["ssn"], "duplicateWindowDays": 9 })).await;
        app.receive_in(&buyer, &connection, &target).await;
        let flow = app.flow(&seller, json!({ "fields": fields })).await;
        app.buyer_step(&seller, &flow, &connection, json!({})).await;
        let sent = json!({ "ssn": "Kx81-plain-secret", "first_name": "Ana" });

        let receipt = app.submit(&seller, &flow, sent.clone()).await;
        let twin = app.submit(&seller, &flow, sent).await;

        assert_eq!(statuses(&app.sold(&seller, &receipt["id"]).await), ["DELIVERED"]);
        assert_eq!(statuses(&app.sold(&seller, &twin["id"]).await), ["REFUSED"]);
        let got = app.leads_of(&buyer, Some(&target)).await;
        let revealed = "query($id: ID!) { lead(id: $id) { fields(reveal: true) } }";
        let revealed = app.data(&buyer.token, revealed, json!({ "id": got[1]["id"] })).await;
        assert_eq!(revealed["lead"]["fields"]["ssn"], "Kx81-plain-secret");
        assert!(!app.dump().await.contains("Kx81-plain-secret"));
    }
);

both!(
    /// A test lead runs the whole path, is a test at the buyer too, and counts nowhere; a simulation changes nothing at all.
    tests_and_simulations_count_nowhere,
    |app| {
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let connection = app.connect(&seller, &buyer, "SEND_LEADS").await;
        let caps = json!([{ "period": "DAY", "limit": 1 }]);
        let keys = json!({ "acceptanceRule": only_texas(), "caps": caps, "duplicateKeys": ["email"], "duplicateWindowDays": 30 });
        let target = app.flow(&buyer, keys).await;
        app.receive_in(&buyer, &connection, &target).await;
        let flow = app.flow(&seller, json!({})).await;
        app.buyer_step(&seller, &flow, &connection, json!({ "price": { "amount": "3", "currency": "EUR" }, "caps": caps })).await;
        let simulate = "query($flow: ID!, $fields: JSON!) { simulateSubmission(flowId: $flow, fields: $fields) {
            outcome wouldDeliverTo { id } trace { subject check passed detail } } }";
        let look = async |fields: Value| {
            let found = app.data(&seller.token, simulate, json!({ "flow": flow.id, "fields": fields })).await;
            found["simulateSubmission"]["trace"].as_array().unwrap().last().unwrap().clone()
        };
        let mut texan = ana();
        texan["state"] = json!("TX");

        let (no, yes) = (look(ana()).await, look(texan.clone()).await);
        assert!(text(&no["detail"]).starts_with("refuses the lead: NOT_ACCEPTED: "), "{no}");
        assert_eq!((&no["passed"], &yes["passed"], &yes["detail"]), (&json!(false), &json!(true), &json!("gets the lead")));
        assert_eq!(app.leads_of(&buyer, None).await, Vec::<Value>::new());
        for _ in 0..2 {
            let receipt = app.submit_with(&seller, &flow, texan.clone(), json!({ "test": true })).await;
            let sold = app.sold(&seller, &receipt["id"]).await;
            assert_eq!((statuses(&sold), &sold["deliveries"][0]["price"]), (vec!["DELIVERED".to_owned()], &Value::Null));
        }
        let got = app.leads_of(&buyer, None).await;
        assert!(got.len() == 2 && got.iter().all(|lead| lead["test"] == true && lead["price"].is_null()), "{got:#?}");
        assert_eq!((app.counted(&buyer, &target).await.0, app.counted(&seller, &flow).await.1), (json!(0), json!(0)));
        let receipt = app.submit(&seller, &flow, texan).await;
        assert_eq!(statuses(&app.sold(&seller, &receipt["id"]).await), ["DELIVERED"]);
    }
);
