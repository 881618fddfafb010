//! Asking why a delivery does not arrive.

use serde_json::{Value, json};

use super::{DIAGNOSE, TRY};
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{Account, ana, text, webhook_with};

async fn diagnosis(app: &TestApp, owner: &Account, id: &str) -> Value {
    app.data(&owner.token, DIAGNOSE, json!({ "id": id })).await["diagnoseDelivery"].clone()
}

/// The looks that failed, each with its remedy.
fn failed(diagnosis: &Value) -> Vec<(String, String)> {
    let checks = diagnosis["checks"].as_array().unwrap().iter();
    let failed: Vec<_> = checks.filter(|check| check["passed"] == false).collect();
    assert_eq!(diagnosis["ok"], failed.is_empty());
    failed
        .iter()
        .map(|check| (text(&check["name"]), text(&check["remedy"])))
        .collect()
}

fn names(failed: &[(String, String)]) -> Vec<&str> {
    failed.iter().map(|(name, _)| name.as_str()).collect()
}

const SET_ACTIVE: &str = "mutation($id: ID!, $active: Boolean!) { setPartnerActive(id: $id, active: $active) { partner { id } userErrors { code message path } } }";

both!(
    /// Each cause is named, with what to do; what is well says so.
    every_cause_is_named_with_its_remedy,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        let stranger = app.account("Other").await;
        let once = webhook_with(&receiver.url("/"), json!({ "retry": { "attempts": 1 } }));
        let (flow, partner, _) = app.flow_to(&owner, once).await;

        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        let id = text(&app.deliveries_at(&owner, &lead, &["DELIVERED"]).await[0]["id"]);
        let well = diagnosis(&app, &owner, &id).await;
        assert_eq!(failed(&well), []);
        let looked: Vec<_> = well["checks"].as_array().unwrap().iter().map(|check| text(&check["name"])).collect();
        assert_eq!(looked, ["delivery", "partner", "assignment", "settings", "destination", "last attempt"]);
        for (who, id) in [(&stranger, id.as_str()), (&owner, "dlv_x")] {
            let unknown = diagnosis(&app, who, id).await;
            assert_eq!(names(&failed(&unknown)), ["delivery"]);
            assert_eq!(unknown["checks"].as_array().unwrap().len(), 1);
        }

        receiver.answer(Answer::status(500));
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        let id = text(&app.deliveries_at(&owner, &lead, &["FAILED"]).await[0]["id"]);
        let answer = app.ask(Some(&owner.token), SET_ACTIVE, json!({ "id": partner, "active": false })).await;
        assert!(answer["errors"].is_null(), "{answer}");
        let found = failed(&diagnosis(&app, &owner, &id).await);
        assert_eq!(names(&found), ["delivery", "partner", "destination", "last attempt"]);
        assert!(found[1].1.contains("setPartnerActive"), "{found:?}");
        assert!(found.iter().all(|(_, remedy)| !remedy.is_empty()));
    }
);

both!(
    /// No mail server, a closed portal, an ended connection.
    what_a_channel_lacks_is_named,
    |app| {
        let (owner, buyer) = (app.account("Acme").await, app.account("Buyer").await);
        let connection = app.connect(&owner, &buyer, "SEND_LEADS").await;
        let mail = json!({ "email": { "recipients": ["a@buyer.test"], "subject": "New" } });
        for (name, settings, status, expected) in [
            ("M", mail, "FAILED", vec!["delivery", "mail server", "destination", "last attempt"]),
            ("O", json!({ "portal": {} }), "DELIVERED", vec!["portal"]),
            ("A", json!({ "account": { "connectionId": connection } }), "DELIVERED", vec!["connection"]),
        ] {
            let (partner, _) = app.partner(&owner, name, settings, json!({})).await;
            let sent = app.done(&owner.token, TRY, json!({ "partnerId": partner, "fields": { "first_name": "Ana" } })).await;
            let id = text(&sent["delivery"]["id"]);
            app.delivery_at(&owner, &id, status).await;
            if name == "A" {
                app.change(&buyer, "terminate", &connection).await;
            }
            let found = failed(&diagnosis(&app, &owner, &id).await);
            assert_eq!(names(&found), expected, "{name}");
        }
    }
);
