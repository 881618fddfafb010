//! F10: test leads are marked everywhere and count nowhere.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::codes;
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::HttpReceiver;
use crate::support::make::{Account, ana, text, webhook};
use crate::support::smtp_receiver::SmtpReceiver;

const FIGURES: &str = "query($flow: ID!, $partner: ID!, $range: TimeRangeInput!) {
    flow(id: $flow) { caps { used } sources { caps { used } } stats(range: $range) { submitted accepted rejected failed } }
    partner(id: $partner) { caps { used } stats(range: $range) { routed delivered revenue { amount } } }
    leads { nodes { id } }
    withTests: leads(filter: { includeTests: true }) { nodes { id test } }
    deliveries { nodes { id } }
    deliveriesWithTests: deliveries(filter: { includeTests: true }) { nodes { id test } } }";

fn marked() -> Value {
    json!({ "test": true })
}

async fn figures(app: &TestApp, owner: &Account, flow: &str, partner: &str) -> Value {
    let now = app.clock.now();
    let range = json!({ "from": now - TimeDelta::days(1), "to": now + TimeDelta::days(1) });
    app.data(
        &owner.key,
        FIGURES,
        json!({ "flow": flow, "partner": partner, "range": range }),
    )
    .await
}

both!(a_test_lead_runs_the_whole_path_and_counts_nowhere, |app| {
    let receiver = HttpReceiver::start().await;
    let owner = app.account("Acme").await;
    let caps = json!([{ "period": "DAY", "limit": 1, "timezone": "UTC" }]);
    let price = json!({ "amount": "2.5", "currency": "EUR" });
    let more = json!({ "caps": caps, "price": price, "duplicateKeys": ["email"], "duplicateWindowDays": 7 });
    let flow = app.flow(&owner, more).await;
    let (partner, _) = app
        .partner(&owner, "P", webhook(&receiver.url("/")), json!({ "caps": caps }))
        .await;
    let profile = app.profile(&owner, json!({ "basePrice": price })).await;
    app.assign(&owner, &profile, &partner, json!({ "caps": caps })).await;
    app.distribute(&owner, &flow, &profile).await;

    for number in 1..=3 {
        let receipt = app.submit_with(&owner, &flow, ana(), marked()).await;
        assert_eq!(
            (&receipt["outcome"], &receipt["test"]),
            (&json!("ACCEPTED"), &json!(true)),
            "{receipt:#}"
        );
        assert_eq!(receipt["price"], Value::Null, "nobody is paid for a test");
        let request = receiver.wait_for(number).await.pop().unwrap();
        assert_eq!(request.header("leadmesh-test"), Some("true"));
        let deliveries = app.deliveries_at(&owner, &text(&receipt["id"]), &["DELIVERED"]).await;
        assert_eq!(
            (&deliveries[0]["test"], &deliveries[0]["price"]),
            (&json!(true), &Value::Null)
        );
        let lead = app.lead(&owner, &receipt["id"]).await;
        assert_eq!((&lead["test"], &lead["price"]), (&json!(true), &Value::Null));
    }
    let figures_now = figures(&app, &owner, &flow.id, &partner).await;
    assert_eq!(figures_now["flow"]["caps"][0]["used"], 0);
    assert_eq!(figures_now["partner"]["caps"][0]["used"], 0);
    assert_eq!(
        figures_now["flow"]["stats"],
        json!({ "submitted": 0, "accepted": 0, "rejected": 0, "failed": 0 })
    );
    assert_eq!(
        figures_now["partner"]["stats"],
        json!({ "routed": 0, "delivered": 0, "revenue": [] })
    );
    for list in ["leads", "deliveries"] {
        assert_eq!(figures_now[list]["nodes"], json!([]));
    }
    for list in ["withTests", "deliveriesWithTests"] {
        let nodes = figures_now[list]["nodes"].as_array().unwrap();
        assert!(
            nodes.len() == 3 && nodes.iter().all(|node| node["test"] == true),
            "{nodes:?}"
        );
    }

    // Tests have used up nothing, and are no earlier twins of a real lead.
    let receipt = app.submit(&owner, &flow, ana()).await;
    assert_eq!(
        (&receipt["outcome"], &receipt["test"], &receipt["price"]),
        (&json!("ACCEPTED"), &json!(false), &price)
    );
    let request = receiver.wait_for(4).await.pop().unwrap();
    assert_eq!(request.header("leadmesh-test"), None);
    app.deliveries_at(&owner, &text(&receipt["id"]), &["DELIVERED"]).await;
    let figures_now = figures(&app, &owner, &flow.id, &partner).await;
    assert_eq!(figures_now["flow"]["caps"][0]["used"], 1);
    assert_eq!(
        figures_now["partner"]["stats"],
        json!({ "routed": 1, "delivered": 1, "revenue": [{ "amount": "2.5" }] })
    );

    // Nor do they feel what real leads have used up.
    let receipt = app.submit_with(&owner, &flow, ana(), marked()).await;
    assert_eq!(
        (&receipt["outcome"], codes(&receipt).len()),
        (&json!("ACCEPTED"), 0),
        "{receipt:#}"
    );
    assert_eq!(
        receiver.wait_for(5).await.pop().unwrap().header("leadmesh-test"),
        Some("true")
    );
});

both!(a_test_mail_says_so_in_its_subject, |app| {
    let receiver = SmtpReceiver::start().await;
    let owner = app.account("Acme").await;
    let smtp = json!({ "host": receiver.host(), "port": receiver.port(), "security": "NONE", "fromAddress": "leads@acme.test" });
    let set = "mutation($input: SmtpSettingsInput!) { setSmtpSettings(input: $input) { account { id } userErrors { code message path } } }";
    app.done(&owner.token, set, smtp).await;
    let email = json!({ "email": { "recipients": ["p@partner.test"], "subject": "New lead {{ lead.first_name }}" } });
    let (flow, ..) = app.flow_to(&owner, email).await;
    let already = receiver.count();

    let receipt = app.submit_with(&owner, &flow, ana(), marked()).await;
    app.deliveries_at(&owner, &text(&receipt["id"]), &["DELIVERED"]).await;
    let mail = receiver.wait_for(already + 1).await.pop().unwrap();
    assert_eq!(mail.subject(), "[Test] New lead Ana");

    let receipt = app.submit(&owner, &flow, ana()).await;
    app.deliveries_at(&owner, &text(&receipt["id"]), &["DELIVERED"]).await;
    let mail = receiver.wait_for(already + 2).await.pop().unwrap();
    assert_eq!(mail.subject(), "New lead Ana");
});

both!(a_test_lead_is_refused_for_the_same_reasons, |app| {
    let owner = app.account("Acme").await;
    let rule = json!({ "condition": { "field": "score", "operator": "GREATER_THAN", "value": 10 } });
    let fields = json!([{ "name": "score", "type": "NUMBER" }, { "name": "email", "type": "EMAIL", "required": true }]);
    let flow = app
        .flow(&owner, json!({ "fields": fields, "acceptanceRule": rule }))
        .await;
    let lead = json!({ "score": 1, "unknown": true });
    let real = app.submit(&owner, &flow, lead.clone()).await;
    let tested = app.submit_with(&owner, &flow, lead, marked()).await;
    assert_eq!(codes(&tested), ["NOT_ACCEPTED", "REQUIRED"]);
    assert_eq!(
        (&tested["reasons"], &tested["warnings"]),
        (&real["reasons"], &real["warnings"])
    );
});

both!(leads_that_arrive_are_marked_on_the_stream_too, |app| {
    let owner = app.account("Acme").await;
    let (flow, ..) = app.flow_to(&owner, json!({ "portal": {} })).await;
    // From the beginning of the log, so that it does not matter which comes first.
    let query = "subscription { leads(after: \"0\") { lead { id test deliveries { test } } } }";
    let mut stream = app.subscribe(&owner.token, query, json!({})).await;
    let receipt = app.submit_with(&owner, &flow, ana(), marked()).await;
    let mut event = stream.event().await;
    let lead = event["leads"]["lead"].take();
    assert_eq!(
        lead,
        json!({ "id": receipt["id"], "test": true, "deliveries": [{ "test": true }] })
    );
});
