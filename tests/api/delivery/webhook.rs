//! Webhooks.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::app::both;
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{ana, webhook_with};

both!(
    /// D5: JSON with a header and a subset of fields.
    a_webhook_carries_the_shared_fields_and_the_partners_headers,
    |app| {
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(204));
        let owner = app.account("Acme").await;
        let settings = json!({
            "headers": [{ "name": "X-API-Key", "value": "k-123456789" }],
            "fields": { "mode": "ONLY", "fields": ["first_name", "email", "score"] },
        });
        let (flow, ..) = app.flow_to(&owner, webhook_with(&receiver.url("/leads"), settings)).await;

        let receipt = app.submit(&owner, &flow, ana()).await;

        assert_eq!(receipt["outcome"], "ACCEPTED");
        let request = receiver.next().await;
        assert_eq!((request.method.as_str(), request.path()), ("POST", "/leads"));
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body, json!({ "first_name": "Ana", "email": "ana@example.com", "score": 7 }));
        assert_eq!(request.header("x-api-key"), Some("k-123456789"));
        assert_eq!(request.header("leadmesh-lead-id"), receipt["id"].as_str());
        let deliveries = app.deliveries_at(&owner, receipt["id"].as_str().unwrap(), &["DELIVERED"]).await;
        assert_eq!(request.header("webhook-id"), deliveries[0]["id"].as_str());
        assert_eq!(deliveries[0]["attempts"], json!([{ "number": 1, "ok": true, "httpStatus": 204, "smtpCode": null, "errorCode": null, "message": null, "responseExcerpt": null }]));
    }
);

both!(
    /// D7: failures of every kind, then success: one id and one idempotency key, every attempt on record, growing gaps.
    a_failing_webhook_is_tried_again_under_one_id,
    |app| {
        let receiver = HttpReceiver::start().await;
        receiver.answers([Answer::status(500), Answer::status(404), Answer::hang(), Answer::reset(), Answer::status(200)]);
        let owner = app.account_by_key("Acme").await;
        let (flow, ..) = app.flow_to(&owner, webhook_with(&receiver.url("/"), json!({ "timeoutMs": 1_000 }))).await;

        let receipt = app.submit(&owner, &flow, ana()).await;
        let lead = receipt["id"].as_str().unwrap();

        for (attempts, gap) in [(1, 10), (2, 60), (3, 300), (4, 1_800)] {
            receiver.wait_for(attempts).await;
            let deliveries = app.deliveries_at(&owner, lead, &["RETRYING"]).await;
            assert_eq!(deliveries[0]["attemptCount"], attempts);
            let due: chrono::DateTime<chrono::Utc> = deliveries[0]["nextAttemptAt"].as_str().unwrap().parse().unwrap();
            let delay = due - app.clock.now();
            assert!(delay >= TimeDelta::seconds(gap) && delay <= TimeDelta::seconds(gap * 6 / 5 + 1), "{delay}");
            app.advance(delay);
        }

        let deliveries = app.deliveries_at(&owner, lead, &["DELIVERED"]).await;
        let codes: Vec<&Value> = deliveries[0]["attempts"].as_array().unwrap().iter().map(|attempt| &attempt["errorCode"]).collect();
        assert_eq!(codes, [&json!("HTTP_STATUS"), &json!("HTTP_STATUS"), &json!("TIMEOUT"), &json!("NETWORK"), &Value::Null]);
        assert_eq!(receiver.count(), 5);
        for request in receiver.requests() {
            for name in ["webhook-id", "idempotency-key"] {
                assert_eq!(request.header(name), deliveries[0]["id"].as_str(), "{name} of request {}", request.number);
            }
        }
    }
);
