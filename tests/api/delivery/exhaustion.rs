//! What follows when a destination never takes the lead.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{Account, Flow, ana, text, webhook, webhook_with};

/// A flow to P and then Q, each by webhook; P takes one lead at all, and its lead is tried so often.
async fn to_p_then_q(app: &TestApp, owner: &Account, p: Value, q: Value, on_failure: &str) -> (Flow, String, String) {
    let flow = app.flow(owner, json!({})).await;
    let cap = json!({ "caps": [{ "period": "LIFETIME", "limit": 1 }] });
    let (first, _) = app.partner(owner, "P", p, cap).await;
    let (second, _) = app.partner(owner, "Q", q, json!({})).await;
    let profile = app
        .profile(owner, json!({ "strategy": "FIRST_MATCH", "onFailure": on_failure }))
        .await;
    app.assign(owner, &profile, &first, json!({ "rank": 1 })).await;
    app.assign(owner, &profile, &second, json!({ "rank": 2 })).await;
    let step = json!({ "distribute": { "profileId": profile } });
    app.step(owner, &flow, "Distribute", step, Value::Null).await;
    (flow, first, second)
}

fn tried(receiver: &HttpReceiver, attempts: i32) -> Value {
    webhook_with(
        &receiver.url("/"),
        json!({ "retry": { "attempts": attempts, "initialDelayMs": 1000 } }),
    )
}

both!(
    /// D8: exactly the budget, then FAILED, and the cap is free again; with STAY nobody else gets the lead.
    a_webhook_that_always_fails_is_tried_as_often_as_agreed_and_frees_its_cap,
    |app| {
        let (p, q) = (HttpReceiver::start().await, HttpReceiver::start().await);
        p.answer(Answer::status(503));
        let owner = app.account("Acme").await;
        let (flow, partner, _) = to_p_then_q(&app, &owner, tried(&p, 3), webhook(&q.url("/")), "STAY").await;

        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        for attempts in 1..3 {
            let waiting = app.deliveries_at(&owner, &lead, &["RETRYING"]).await;
            assert_eq!(waiting[0]["attemptCount"], attempts);
            assert_eq!(app.used(&owner, &partner).await, 1);
            app.advance_to_retry(&owner, &lead).await;
            p.wait_for(usize::try_from(attempts).unwrap() + 1).await;
        }

        let failed = app.deliveries_at(&owner, &lead, &["FAILED"]).await;
        assert_eq!((failed.len(), &failed[0]["failure"]["code"]), (1, &json!("RETRIES_EXHAUSTED")));
        assert_eq!((&failed[0]["attemptCount"], &failed[0]["nextAttemptAt"]), (&json!(3), &Value::Null));
        assert_eq!(app.used(&owner, &partner).await, 0);

        p.answer(Answer::status(200));
        app.advance(TimeDelta::minutes(5));
        let next = text(&app.submit(&owner, &flow, ana()).await["id"]);
        let delivered = app.deliveries_at(&owner, &next, &["DELIVERED"]).await;
        assert_eq!(delivered[0]["partner"]["name"], "P");
        assert_eq!((app.used(&owner, &partner).await, p.count(), q.count()), (1, 4, 0));
    }
);

both!(
    /// D8: with NEXT_PARTNER the lead goes on when the budget is spent.
    a_lead_goes_on_to_the_next_partner_when_the_first_has_failed,
    |app| {
        let (p, q) = (HttpReceiver::start().await, HttpReceiver::start().await);
        p.answer(Answer::status(503));
        let owner = app.account("Acme").await;
        let (flow, partner, _) = to_p_then_q(&app, &owner, tried(&p, 2), webhook(&q.url("/")), "NEXT_PARTNER").await;

        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        app.deliveries_at(&owner, &lead, &["RETRYING"]).await;
        assert_eq!(q.count(), 0);
        app.advance_to_retry(&owner, &lead).await;

        let request = q.next().await;
        assert_eq!(request.header("leadmesh-lead-id"), Some(lead.as_str()));
        let settled = app.deliveries_at(&owner, &lead, &["FAILED", "DELIVERED"]).await;
        let told: Vec<_> = settled.iter().map(|delivery| (&delivery["partner"]["name"], &delivery["status"])).collect();
        assert_eq!(told, [(&json!("P"), &json!("FAILED")), (&json!("Q"), &json!("DELIVERED"))]);
        assert_eq!(settled[0]["failure"]["code"], "RETRIES_EXHAUSTED");
        assert_eq!(request.header("webhook-id"), settled[1]["id"].as_str());
        assert_eq!((app.used(&owner, &partner).await, p.count(), q.count()), (0, 2, 1));
    }
);

both!(
    /// D8: a status that the partner gives up on fails at once.
    a_status_that_is_given_up_on_is_answered_with_no_further_attempt,
    |app| {
        let (p, q) = (HttpReceiver::start().await, HttpReceiver::start().await);
        p.answer(Answer::status(422));
        let owner = app.account("Acme").await;
        let settings = webhook_with(&p.url("/"), json!({ "retry": { "giveUpOn": [422] } }));
        let (flow, partner, _) = to_p_then_q(&app, &owner, settings, webhook(&q.url("/")), "STAY").await;

        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);

        let failed = app.deliveries_at(&owner, &lead, &["FAILED"]).await;
        assert_eq!((&failed[0]["failure"]["code"], &failed[0]["attemptCount"]), (&json!("HTTP_STATUS"), &json!(1)));
        assert_eq!((&failed[0]["attempts"][0]["httpStatus"], &failed[0]["nextAttemptAt"]), (&json!(422), &Value::Null));
        assert_eq!((app.used(&owner, &partner).await, p.count(), q.count()), (0, 1, 0));
    }
);
