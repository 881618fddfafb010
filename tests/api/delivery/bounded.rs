//! Leads and settings of which a small part makes a body of gigabytes: nothing is sent, the account is told why, and what comes after
//! goes out as ever.

use serde_json::{Value, json};

use super::email;
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::HttpReceiver;
use crate::support::make::{Account, Flow, text, webhook_with};
use crate::support::smtp_receiver::SmtpReceiver;

/// One flow to one partner that gets its leads so. The flow has a field for any JSON.
async fn to_one(app: &TestApp, owner: &Account, delivery: Value) -> Flow {
    let fields = json!([{ "name": "name", "type": "TEXT" }, { "name": "more", "type": "JSON" }]);
    let flow = app.flow(owner, json!({ "fields": fields })).await;
    let (partner, _) = app.partner(owner, "P", delivery, json!({})).await;
    let profile = app.profile(owner, json!({ "strategy": "FIRST_MATCH" })).await;
    app.assign(owner, &profile, &partner, json!({})).await;
    let step = json!({ "distribute": { "profileId": profile } });
    app.step(owner, &flow, "Distribute", step, Value::Null).await;
    flow
}

/// The lead's only delivery ends at once, because it is too large.
async fn fails_as_too_large(app: &TestApp, owner: &Account, flow: &Flow, fields: Value) {
    let lead = text(&app.submit(owner, flow, fields).await["id"]);
    let failed = app.deliveries_at(owner, &lead, &["FAILED"]).await;
    assert_eq!(
        (failed.len(), &failed[0]["failure"]["code"]),
        (1, &json!("PAYLOAD_TOO_LARGE"))
    );
    assert_eq!(failed[0]["attemptCount"], 1);
}

both!(
    /// A2: in a form each item of a list has its whole key before it: 80 kB of a lead would be 1.5 GB.
    a_form_that_repeats_long_keys_is_not_sent,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        let flow = to_one(&app, &owner, webhook_with(&receiver.url("/"), json!({ "payload": "FORM" }))).await;

        let more = json!({ "!".repeat(32_000): vec![0; 16_000] });
        fails_as_too_large(&app, &owner, &flow, json!({ "name": "Ana", "more": more })).await;
        app.submit(&owner, &flow, json!({ "name": "Bo", "more": { "a": [1] } })).await;

        assert_eq!(receiver.next().await.text(), "name=Bo&more%5Ba%5D%5B0%5D=1");
        assert_eq!(receiver.count(), 1);
    }
);

both!(
    /// A2: a custom shape that names a large value in many places.
    a_shape_that_repeats_a_large_value_is_not_sent,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        let template = json!({ "all": vec!["{{ lead.more }}"; 2_000] });
        let flow = to_one(&app, &owner, webhook_with(&receiver.url("/"), json!({ "template": template }))).await;

        fails_as_too_large(&app, &owner, &flow, json!({ "more": vec!["x".repeat(1_000); 30] })).await;
        app.submit(&owner, &flow, json!({ "more": 1 })).await;

        assert_eq!(receiver.next().await.json(), json!({ "all": vec![1; 2_000] }));
        assert_eq!(receiver.count(), 1);
    }
);

both!(
    /// A2: the same in the body of a mail.
    a_mail_that_repeats_a_large_value_is_not_sent,
    |app| {
        let server = SmtpReceiver::start().await;
        let owner = app.account("Acme").await;
        app.set_smtp(&owner, &server).await;
        let settings = json!({ "format": "HTML", "subject": "New lead", "body": "{{ lead.more }}".repeat(2_000) });
        let flow = to_one(&app, &owner, email(&["p@buyer.test"], settings)).await;

        fails_as_too_large(&app, &owner, &flow, json!({ "more": vec!["x".repeat(1_000); 30] })).await;
        let small = text(&app.submit(&owner, &flow, json!({ "more": 1 })).await["id"]);

        app.deliveries_at(&owner, &small, &["DELIVERED"]).await;
    }
);
