//! Stopping a delivery.

use std::sync::Arc;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::settling::{CANCEL, two_in_turn, used};
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{Account, accepted, ana, broken, text, webhook_with};

async fn cancelled(app: &TestApp, owner: &Account, id: &str) -> Value {
    let answer = app.ask(Some(&owner.token), CANCEL, json!({ "id": id })).await;
    accepted(&answer, "cancelDelivery")["delivery"]["status"].take()
}

/// It is too late, and nothing changes.
async fn is_too_late(app: &TestApp, owner: &Account, id: &str) {
    let answer = app.ask(Some(&owner.token), CANCEL, json!({ "id": id })).await;
    assert_eq!(broken(&answer), [("CONFLICT".to_owned(), "id".to_owned())]);
    assert_eq!(app.audited(owner, id).await, Vec::<String>::new());
}

both!(
    /// Somebody has decided: its place on the cap is given back, once, and no other partner gets the lead.
    a_cancelled_delivery_gives_its_place_back_and_goes_nowhere_else,
    |app| {
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(503));
        let owner = app.account("Acme").await;
        let gives_up = json!({ "retry": { "giveUpOn": [422] } });
        let (flow, first, _) = two_in_turn(&app, &owner, webhook_with(&receiver.url("/"), gives_up)).await;
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        let id = text(&app.deliveries_at(&owner, &lead, &["RETRYING"]).await[0]["id"]);
        assert_eq!(used(&app, &owner, &first).await, 1);

        let calls = join_all((0..8).map(|_| cancelled(&app, &owner, &id))).await;
        assert!(calls.iter().all(|status| status == "CANCELLED"), "{calls:?}");
        assert_eq!(used(&app, &owner, &first).await, 0);
        assert_eq!(app.audited(&owner, &id).await, ["delivery.cancelled"], "once");

        // Whatever waited for it does not come: what comes after it does.
        receiver.answer(Answer::status(422));
        app.advance(chrono::TimeDelta::days(2));
        let owner = app.signed_in(&owner).await;
        let next = text(&app.submit(&owner, &flow, ana()).await["id"]);
        let went_on = app.deliveries_at(&owner, &next, &["FAILED", "DELIVERED"]).await;
        assert_eq!(went_on.len(), 2, "a failure goes on: {went_on:?}");
        let rests = app.deliveries(&owner, &lead).await;
        assert_eq!((rests.len(), &rests[0]["status"], &rests[0]["attemptCount"]), (1, &json!("CANCELLED"), &json!(1)));
        assert_eq!((&rests[0]["failure"]["code"], &rests[0]["nextAttemptAt"]), (&json!("CANCELLED"), &Value::Null));
        assert_eq!(receiver.count(), 2);
    }
);

both!(
    /// What is being sent, has arrived or has failed is not stopped, and keeps the place that it has.
    what_is_under_way_or_over_is_not_cancelled,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        let once = json!({ "retry": { "attempts": 1 } });
        let (flow, first, _) = two_in_turn(&app, &owner, webhook_with(&receiver.url("/"), once)).await;
        receiver.answer(Answer::status(422));
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        let failed = app.deliveries_at(&owner, &lead, &["FAILED", "DELIVERED"]).await;
        for delivery in &failed {
            is_too_late(&app, &owner, delivery["id"].as_str().unwrap()).await;
        }
        assert_eq!(used(&app, &owner, &first).await, 0);

        let permits = Arc::new(Semaphore::new(0));
        receiver.answer(Answer::status(200).hold(permits.clone()));
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        receiver.wait_for(2).await;
        let sending = app.deliveries(&owner, &lead).await;
        assert_eq!((sending.len(), &sending[0]["status"]), (1, &json!("SENDING")));
        let id = text(&sending[0]["id"]);
        is_too_late(&app, &owner, &id).await;
        permits.add_permits(1);
        app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;
        is_too_late(&app, &owner, &id).await;
        assert_eq!(used(&app, &owner, &first).await, 1);
    }
);
