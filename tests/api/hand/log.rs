//! The log of deliveries: every filter finds what it names, and every attempt is told.

use serde_json::{Value, json};

use crate::support::app::both;
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{ana, text, webhook_with};

both!(
    /// Each filter alone, several together, and identifiers that are none.
    every_filter_of_the_log_finds_what_it_names,
    |app| {
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(500).body("no such campaign"));
        let (owner, buyer) = (app.account("Acme").await, app.account("Buyer").await);
        let connection = app.connect(&owner, &buyer, "SEND_LEADS").await;
        let once = webhook_with(&receiver.url("/"), json!({ "retry": { "attempts": 1 } }));
        let (flow, hook, _) = app.flow_to(&owner, once).await;
        let (portal_flow, portal, _) = app.flow_to(&owner, json!({ "portal": {} })).await;
        let (account, _) = app.partner(&owner, "A", json!({ "account": { "connectionId": connection } }), json!({})).await;
        let profile = app.profile(&owner, json!({ "name": "Sold" })).await;
        app.assign(&owner, &profile, &account, json!({})).await;
        app.step(&owner, &portal_flow, "Sell", json!({ "distribute": { "profileId": profile } }), Value::Null).await;

        let first = text(&app.submit(&owner, &flow, ana()).await["id"]);
        let failed = app.deliveries_at(&owner, &first, &["FAILED"]).await.remove(0);
        app.advance(chrono::TimeDelta::hours(1));
        let (owner, buyer) = (app.signed_in(&owner).await, app.signed_in(&buyer).await);
        let middle = app.clock.now();
        app.advance(chrono::TimeDelta::seconds(1));
        let second = text(&app.submit(&owner, &portal_flow, ana()).await["id"]);
        app.deliveries_at(&owner, &second, &["DELIVERED"]).await;
        app.submit_with(&owner, &portal_flow, ana(), json!({ "test": true })).await;

        let range = |from: &str, to: &str| json!({ "createdIn": { "from": from, "to": to } });
        let middle = middle.to_rfc3339();
        let far = ("2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z");
        for (filter, expected) in [
            (json!({}), 3),
            (json!({ "includeTests": true }), 5),
            (json!({ "status": ["FAILED"] }), 1),
            (json!({ "status": ["FAILED", "DELIVERED"] }), 3),
            (json!({ "status": [] }), 0),
            (json!({ "channel": ["WEBHOOK"] }), 1),
            (json!({ "channel": ["PORTAL", "ACCOUNT"] }), 2),
            (json!({ "partnerId": hook }), 1),
            (json!({ "partnerId": portal }), 1),
            (json!({ "partnerId": "ptnr_x" }), 0),
            (json!({ "connectionId": connection }), 1),
            (json!({ "profileId": profile }), 1),
            (json!({ "flowId": flow.id }), 1),
            (json!({ "flowId": portal_flow.id }), 2),
            (json!({ "leadId": second }), 2),
            (json!({ "search": "ANA@example.com" }), 3),
            (json!({ "search": "ana@example.com", "leadId": second }), 2),
            (json!({ "search": "nobody@example.com" }), 0),
            (json!({ "search": " " }), 3),
            (json!({ "leadId": second, "channel": ["PORTAL"] }), 1),
            (range(far.0, &middle), 1),
            (range(&middle, far.1), 2),
            (json!({ "partnerId": hook, "status": ["DELIVERED"] }), 0),
        ] {
            assert_eq!(app.listed(&owner, filter.clone()).await.len(), expected, "{filter}");
        }
        assert_eq!(app.listed(&buyer, json!({})).await.len(), 0, "deliveries are the sender's");

        let told = app.delivery_at(&owner, &text(&failed["id"]), "FAILED").await;
        let attempt = &told["attempts"][0];
        assert_eq!((&attempt["number"], &attempt["httpStatus"], &attempt["ok"]), (&json!(1), &json!(500), &json!(false)));
        assert_eq!(attempt["responseExcerpt"], "no such campaign");
        assert!(attempt["durationMs"].as_f64().unwrap() > 0.0 && attempt["startedAt"].is_string(), "{attempt}");
    }
);
