//! What becomes of an account's setup when it does not pay any more (N17): stored, and passed over until it pays again.

use entity::account::Plan;
use leadmesh_core::identity::accounts;
use serde_json::{Value, json};

use super::buyer_steps::{SET_FLOW, UPDATE_FLOW};
use super::selling::{only_texas, statuses};
use crate::support::app::{TestApp, both};
use crate::support::make::{Account, Flow, ana, standard_fields, text};

async fn put_on(app: &TestApp, account: &Account, plan: Plan) {
    accounts::set_plan(&app.app, account.id.parse().unwrap(), plan)
        .await
        .unwrap();
}

async fn inbox(app: &TestApp, account: &Account) -> Flow {
    let inbox = app
        .data(&account.token, "{ account { inbox { id sources { id } } } }", json!({}))
        .await;
    let inbox = &inbox["account"]["inbox"];
    Flow {
        id: text(&inbox["id"]),
        source: text(&inbox["sources"][0]["id"]),
    }
}

both!(
    /// Rules, caps, filters and further destinations are not obeyed, and hold again when the account pays.
    a_setup_that_is_not_paid_for_is_passed_over_and_not_lost,
    |app| {
        let a = app.account("Acme").await;
        let flow = inbox(&app, &a).await;
        let caps = json!([{ "period": "DAY", "limit": 1 }]);
        app.done(&a.token, UPDATE_FLOW, json!({ "id": flow.id, "fields": standard_fields(), "acceptanceRule": only_texas(), "caps": caps })).await;
        app.step(&a, &flow, "Stop", json!({ "filter": { "rule": { "condition": { "field": "first_name", "operator": "EQUALS", "value": "Ana" } }, "reason": "no" } }), Value::Null).await;
        for (profile, partners) in [("One", ["P", "Q"]), ("Two", ["R", "S"])] {
            let profile = app.profile(&a, json!({ "name": profile, "rule": only_texas() })).await;
            for name in partners {
                let (partner, _) = app.partner(&a, name, json!({ "portal": {} }), json!({ "caps": caps })).await;
                app.assign(&a, &profile, &partner, json!({ "rule": only_texas() })).await;
            }
            app.step(&a, &flow, "Distribute", json!({ "distribute": { "profileId": profile } }), only_texas()).await;
        }
        assert_eq!(app.told(Some(&a.key), &flow.id, ana()).await, "NOT_ACCEPTED");

        put_on(&app, &a, Plan::Free).await;

        for _ in 0..2 {
            let receipt = app.submit(&a, &flow, ana()).await;
            assert_eq!(receipt["outcome"], "ACCEPTED", "{receipt:#}");
            let sold = app.sold(&a, &receipt["id"]).await;
            assert_eq!((statuses(&sold), &sold["deliveries"][0]["partner"]["name"]), (vec!["DELIVERED".to_owned()], &json!("P")));
            let told = sold["trace"].as_array().unwrap().iter();
            assert_eq!(told.filter(|look| text(&look["detail"]).starts_with("PLAN_REQUIRED")).count(), 2, "{sold:#}");
        }
        put_on(&app, &a, Plan::Paid).await;
        assert_eq!(app.told(Some(&a.key), &flow.id, ana()).await, "NOT_ACCEPTED");
    }
);

both!(
    /// A further flow takes no leads and says why; the Inbox of an account that does not pay stays open.
    an_account_that_does_not_pay_takes_leads_in_its_inbox_only,
    |app| {
        let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
        let flow = app.flow(&a, json!({})).await;
        app.open(&a, &flow, &b).await;
        put_on(&app, &a, Plan::Free).await;
        for sender in [&a, &b] {
            let receipt = app.submit(sender, &flow, ana()).await;
            assert_eq!(receipt["reasons"][0]["code"], "FLOW_DISABLED");
            assert!(text(&receipt["reasons"][0]["message"]).starts_with("PLAN_REQUIRED"), "{receipt:#}");
        }
        let inbox = inbox(&app, &a).await;
        let off = app.ask(Some(&a.token), SET_FLOW, json!({ "id": inbox.id, "on": false })).await;
        assert_eq!(off["data"]["setFlowEnabled"]["userErrors"][0]["code"], "PLAN_REQUIRED");
        assert_eq!(app.told(Some(&a.key), &inbox.id, json!({ "email": "ana@example.com" })).await, "ACCEPTED");
    }
);

both!(
    /// A buyer step that an account has prepared is not switched on by the acceptance when the account pays no more.
    an_acceptance_enables_no_buyer_step_that_is_not_paid_for,
    |app| {
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let flow = inbox(&app, &seller).await;
        let invite = json!({ "accountId": buyer.id, "relationshipType": "SEND_LEADS" });
        let step = json!({ "buyer": { "invite": invite, "sharedFields": { "mode": "ALL" } } });
        app.step(&seller, &flow, "Sell", step, Value::Null).await;
        let waits = app.step_state(&seller, &flow).await;
        put_on(&app, &seller, Plan::Free).await;
        app.accept(&buyer, &text(&waits["invitation"]["id"])).await;
        assert_eq!(app.step_state(&seller, &flow).await["state"], "READY");
    }
);
