//! Retrying many, and settling what the network left open.

use futures::future::join_all;
use leadmesh::server::Role;
use serde_json::{Value, json};

use super::RESOLVE;
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{Account, accepted, ana, broken, text, webhook, webhook_with};

const TIMELINE: &str = "query($id: ID!) { lead(id: $id) { timeline { kind message } } }";
pub(super) const CANCEL: &str =
    "mutation($id: ID!) { cancelDelivery(id: $id) { delivery { id status } userErrors { code message path } } }";
const RETRY: &str =
    "mutation($id: ID!) { retryDelivery(id: $id) { delivery { id status } userErrors { code message path } } }";
const USED: &str = "query($id: ID!) { partner(id: $id) { caps { used } } }";

pub(super) async fn used(app: &TestApp, owner: &Account, partner: &str) -> i64 {
    let data = app.data(&owner.token, USED, json!({ "id": partner })).await;
    data["partner"]["caps"][0]["used"].as_i64().unwrap()
}

fn once(url: &str) -> Value {
    webhook_with(url, json!({ "retry": { "attempts": 1 } }))
}

/// P first and Q after it, with a cap on P; the flow, and both.
pub(super) async fn two_in_turn(
    app: &TestApp,
    owner: &Account,
    delivery: Value,
) -> (crate::support::make::Flow, String, String) {
    let flow = app.flow(owner, json!({})).await;
    let profile = json!({ "strategy": "FIRST_MATCH", "onFailure": "NEXT_PARTNER" });
    let profile = app.profile(owner, profile).await;
    let caps = json!({ "caps": [{ "period": "DAY", "limit": 1 }] });
    let (first, _) = app.partner(owner, "P", delivery, caps).await;
    let (second, _) = app.partner(owner, "Q", json!({ "portal": {} }), json!({})).await;
    app.assign(owner, &profile, &first, json!({ "rank": 1 })).await;
    app.assign(owner, &profile, &second, json!({ "rank": 2 })).await;
    let step = json!({ "distribute": { "profileId": profile } });
    app.step(owner, &flow, "Out", step, Value::Null).await;
    (flow, first, second)
}

both!(
    /// Each is taken up once, however many ask at the same time; what somebody has cancelled only when it is named.
    many_deliveries_are_tried_again_by_one_of_many_callers,
    |app| {
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(500));
        let owner = app.account("Acme").await;
        let (flow, partner, _) = app.flow_to(&owner, once(&receiver.url("/"))).await;
        let mut failed = Vec::new();
        for _ in 0..6 {
            let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
            failed.push(text(&app.deliveries_at(&owner, &lead, &["FAILED"]).await[0]["id"]));
        }
        let mut app = app;
        app.stop().await;
        let (_, api) = app.another(Role::Api).await;
        app.address = api.address();
        let (cancelled, failed) = failed.split_first().unwrap();
        assert_eq!(app.retry_many(&owner, json!({ "partnerId": partner, "status": ["DELIVERED"] })).await, 0);
        let calls = (0..8).map(|_| app.retry_many(&owner, json!({ "partnerId": partner })));
        assert_eq!(join_all(calls).await.into_iter().sum::<i64>(), 6);
        assert_eq!(app.retry_many(&owner, json!({})).await, 0, "they are due already");
        let answer = app.ask(Some(&owner.token), CANCEL, json!({ "id": cancelled })).await;
        assert_eq!(answer["data"]["cancelDelivery"]["delivery"]["status"], "CANCELLED", "{answer}");
        assert_eq!(app.retry_many(&owner, json!({})).await, 0, "somebody has cancelled it");

        receiver.answer(Answer::status(200));
        api.stop().await;
        app.restart().await;
        for id in failed {
            app.delivery_at(&owner, id, "DELIVERED").await;
            assert_eq!(app.audited(&owner, id).await, ["delivery.retried"]);
        }
        assert_eq!(app.retry_many(&owner, json!({ "status": ["CANCELLED", "DELIVERED"] })).await, 1);
        let done = app.delivery_at(&owner, cancelled, "DELIVERED").await;
        assert_eq!(done["attemptCount"], 2);
        assert_eq!(app.audited(&owner, cancelled).await, ["delivery.retried", "delivery.cancelled", "delivery.retried"]);
        assert_eq!(receiver.count(), 12, "each six times failed and once delivered");
    }
);

both!(
    /// Failures that are tried again count on their caps again, and give back once what they do not use; what has gone on to another
    /// partner is not sold twice by the way.
    what_is_tried_again_counts_and_is_not_sold_twice,
    |app| {
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(422));
        let owner = app.account("Acme").await;
        let caps = json!({ "caps": [{ "period": "DAY", "limit": 1 }] });
        let flow = app.flow(&owner, json!({})).await;
        let profile = app.profile(&owner, json!({ "strategy": "FIRST_MATCH" })).await;
        let (alone, _) = app.partner(&owner, "R", once(&receiver.url("/")), caps).await;
        app.assign(&owner, &profile, &alone, json!({ "rank": 1 })).await;
        app.step(&owner, &flow, "Out", json!({ "distribute": { "profileId": profile } }), Value::Null).await;
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        let id = text(&app.deliveries_at(&owner, &lead, &["FAILED"]).await[0]["id"]);
        assert_eq!(used(&app, &owner, &alone).await, 0);

        assert_eq!(app.retry_many(&owner, json!({ "partnerId": alone })).await, 1);
        app.deliveries_at(&owner, &lead, &["FAILED"]).await;
        assert_eq!(used(&app, &owner, &alone).await, 0, "taken again, and given back once");
        app.done(&owner.token, RESOLVE, json!({ "id": id, "delivered": true })).await;
        assert_eq!(used(&app, &owner, &alone).await, 1);

        let (in_turn, first, _) = two_in_turn(&app, &owner, once(&receiver.url("/"))).await;
        let sold = text(&app.submit(&owner, &in_turn, ana()).await["id"]);
        app.deliveries_at(&owner, &sold, &["FAILED", "DELIVERED"]).await;
        assert_eq!(app.deliveries(&owner, &sold).await.len(), 2, "the next partner has it");
        assert_eq!(app.retry_many(&owner, json!({ "partnerId": first })).await, 0);

        // One of them is tried again alone, whatever became of its lead, and counts once however often that is asked for.
        let mut app = app;
        app.stop().await;
        let (_, api) = app.another(Role::Api).await;
        app.address = api.address();
        let conflict = [("CONFLICT".to_owned(), "id".to_owned())];
        let fresh = text(&app.submit(&owner, &in_turn, ana()).await["id"]);
        let queued = app.deliveries(&owner, &fresh).await[0].take();
        assert_eq!((&queued["status"], used(&app, &owner, &first).await), (&json!("QUEUED"), 1));
        assert_eq!(broken(&app.ask(Some(&owner.token), RETRY, json!({ "id": queued["id"] })).await), conflict);
        accepted(&app.ask(Some(&owner.token), CANCEL, json!({ "id": queued["id"] })).await, "cancelDelivery");
        assert_eq!(used(&app, &owner, &first).await, 0);
        let ended = app.deliveries(&owner, &sold).await;
        for _again in 0..2 {
            let retried = app.ask(Some(&owner.token), RETRY, json!({ "id": ended[0]["id"] })).await;
            assert_eq!(accepted(&retried, "retryDelivery")["delivery"]["status"], "RETRYING");
            assert_eq!(used(&app, &owner, &first).await, 1);
        }
        for done in [&ended[1]["id"], &json!(id)] {
            assert_eq!(broken(&app.ask(Some(&owner.token), RETRY, json!({ "id": done })).await), conflict, "it is delivered");
        }
        api.stop().await;
        app.restart().await;
        app.deliveries_at(&owner, &sold, &["FAILED", "DELIVERED"]).await;
        assert_eq!(used(&app, &owner, &first).await, 0);
        assert_eq!(app.deliveries(&owner, &sold).await.len(), 2, "it goes on once");
    }
);

both!(
    /// The partner has it: delivered under its name, its place on the cap is kept, nothing is sent again.
    a_delivery_that_arrived_after_all_is_settled_as_delivered,
    |app| {
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(503));
        let owner = app.account("Acme").await;
        let (flow, first, _) = two_in_turn(&app, &owner, webhook(&receiver.url("/"))).await;
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        let id = text(&app.deliveries_at(&owner, &lead, &["RETRYING"]).await[0]["id"]);
        assert_eq!(used(&app, &owner, &first).await, 1);
        let input = json!({ "id": id, "delivered": true, "externalId": "crm-7", "note": "they told us by phone" });

        let calls = join_all((0..8).map(|_| app.done(&owner.token, RESOLVE, input.clone()))).await;
        for payload in calls {
            assert_eq!((&payload["delivery"]["status"], &payload["delivery"]["externalId"]), (&json!("DELIVERED"), &json!("crm-7")));
            assert_eq!(payload["delivery"]["nextAttemptAt"], Value::Null);
        }
        assert_eq!(used(&app, &owner, &first).await, 1);
        assert_eq!(app.audited(&owner, &id).await, ["delivery.resolved"], "one of eight has settled it");
        let told = app.data(&owner.token, TIMELINE, json!({ "id": lead })).await.to_string();
        assert!(told.contains("settled by Acme Owner: the recipient has the lead: they told us by phone"), "{told}");
        let again = json!({ "id": id, "delivered": true, "externalId": "crm-8" });
        assert_eq!(app.refused(&owner.token, RESOLVE, again).await, [("CONFLICT".to_owned(), "input.id".to_owned())]);
        assert_eq!(app.refused(&owner.token, RESOLVE, json!({ "id": id, "delivered": false })).await[0].0, "CONFLICT");
        app.advance(chrono::TimeDelta::days(1));
        let owner = app.signed_in(&owner).await;
        assert_eq!((app.deliveries(&owner, &lead).await.len(), receiver.count()), (1, 1));
    }
);

both!(
    /// The partner has it not: given up, its place given back, and the next partner gets the lead. Should it turn up after all, its
    /// place is taken again.
    a_delivery_that_did_not_arrive_goes_on_to_the_next_partner,
    |app| {
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(503));
        let owner = app.account("Acme").await;
        let (flow, first, second) = two_in_turn(&app, &owner, webhook(&receiver.url("/"))).await;
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        let id = text(&app.deliveries_at(&owner, &lead, &["RETRYING"]).await[0]["id"]);
        let named = json!({ "id": id, "delivered": false, "externalId": "x" });
        assert_eq!(app.refused(&owner.token, RESOLVE, named).await, [("INVALID".to_owned(), "input.externalId".to_owned())]);

        let input = json!({ "id": id, "delivered": false, "note": "never seen" });
        for _again in 0..2 {
            let payload = app.done(&owner.token, RESOLVE, input.clone()).await;
            assert_eq!(payload["delivery"]["status"], "FAILED");
            assert_eq!(payload["delivery"]["failure"], json!({ "code": "HTTP_STATUS", "message": "settled by Acme Owner: the recipient does not have the lead: never seen" }));
            assert_eq!(used(&app, &owner, &first).await, 0);
        }
        let deliveries = app.deliveries_at(&owner, &lead, &["FAILED", "DELIVERED"]).await;
        let to: Vec<_> = deliveries.iter().map(|delivery| text(&delivery["partner"]["id"])).collect();
        assert_eq!(to, [first.clone(), second]);
        let portal = text(&deliveries[1]["id"]);
        assert_eq!(app.refused(&owner.token, RESOLVE, json!({ "id": portal, "delivered": false })).await[0].0, "CONFLICT");

        app.done(&owner.token, RESOLVE, json!({ "id": id, "delivered": true })).await;
        assert_eq!(used(&app, &owner, &first).await, 1);
        let refused = app.refused(&owner.token, RESOLVE, json!({ "id": "dlv_x", "delivered": true })).await;
        assert_eq!(refused, [("NOT_FOUND".to_owned(), "input.id".to_owned())]);
    }
);

both!(
    /// A worker that has the delivery and somebody who settles it: one of them wins, and the record says which.
    a_racing_worker_and_a_settlement_never_both_count,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        let (flow, first, _) = two_in_turn(&app, &owner, webhook(&receiver.url("/"))).await;
        receiver.answer(Answer::status(500));
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        let id = text(&app.deliveries_at(&owner, &lead, &["RETRYING"]).await[0]["id"]);
        receiver.answer(Answer::status(200));
        app.advance(chrono::TimeDelta::minutes(1));
        let input = json!({ "input": { "id": id, "delivered": false } });
        let answer = app.ask(Some(&owner.token), RESOLVE, input).await;
        let mut settled = app.deliveries_at(&owner, &lead, &["DELIVERED", "FAILED"]).await;
        if answer["data"]["resolveDelivery"]["delivery"].is_null() {
            assert_eq!(broken(&answer)[0].0, "CONFLICT");
            assert_eq!((settled.len(), &settled[0]["status"]), (1, &json!("DELIVERED")));
            assert_eq!(used(&app, &owner, &first).await, 1);
        } else {
            assert_eq!((settled.len(), settled.remove(0)["status"].take()), (2, json!("FAILED")));
            assert_eq!(used(&app, &owner, &first).await, 0);
        }
    }
);
