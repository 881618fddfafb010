//! What a process does besides: its own mail, forgetting, counting.

use std::time::Duration;

use chrono::TimeDelta;
use leadmesh::housekeeping;
use serde_json::json;

use crate::support::app::{TestApp, both};
use crate::support::http_receiver::HttpReceiver;
use crate::support::make::{ana, webhook};
use crate::support::smtp_receiver::{Reply, SmtpReceiver, Step};
use crate::support::wait::until;

const RESET: &str =
    "mutation($email: EmailAddress!) { requestPasswordReset(email: $email) { userErrors { message } } }";
const PATIENCE: Duration = Duration::from_secs(20);

both!(a_mail_that_is_refused_for_now_is_sent_later, |mode: Mode| {
    let server = SmtpReceiver::start().await;
    server.respond(|number, step| match step {
        Step::Mail(_) if number == 1 => Some(Reply::Say("451 later")),
        _ => None,
    });
    let url = format!("smtp+plain://ann:p%40ss@{}", server.address);
    let settings = ["--smtp-url", &url, "--mail-from", "Leads <leads@here.example>"];
    let test = TestApp::start_with(mode, &settings).await;
    let account = test.account("Acme").await;
    test.ask(None, RESET, json!({ "email": account.email })).await;
    until("the refusal", async || test.dump().await.contains("451 later")).await;
    test.clock.advance(TimeDelta::seconds(61));
    let mail = &server.wait_for(1).await[0];
    assert_eq!(mail.recipients, [account.email]);
    assert_eq!(mail.user.as_deref(), Some("ann"));
    assert_eq!(mail.from, "leads@here.example");
    assert!(
        mail.text()
            .unwrap()
            .contains("http://leadmesh.test/set-password?token=lmt_")
    );
    until("the end", async || test.dump().await.contains("SENT")).await;
});

both!(what_is_over_is_forgotten_and_no_sooner, |test| {
    let owner = test.account("Acme").await;
    let flow = test.flow(&owner, json!({})).await;
    let submit = async || {
        test.submit_with(&owner, &flow, ana(), json!({ "idempotencyKey": "k" }))
            .await
    };
    let first = submit().await;
    test.clock.advance(TimeDelta::days(7) - TimeDelta::minutes(1));
    assert_eq!(housekeeping::forget(&test.app).await.unwrap(), 0);
    assert_eq!(submit().await["id"], first["id"]);
    test.clock.advance(TimeDelta::minutes(2));
    assert_eq!(housekeeping::forget(&test.app).await.unwrap(), 1, "the key");
    assert_ne!(submit().await["id"], first["id"]);
    // A session ends by itself after thirty days, and is kept for as long again.
    test.clock.advance(TimeDelta::days(61));
    assert_eq!(
        housekeeping::forget(&test.app).await.unwrap(),
        2,
        "the second key, and the session"
    );
});

both!(what_happens_is_counted, |test| {
    let receiver = HttpReceiver::start().await;
    let owner = test.account("Acme").await;
    let (flow, ..) = test.flow_to(&owner, webhook(&receiver.url("/leads"))).await;
    let receipt = test.submit(&owner, &flow, ana()).await;
    test.deliveries_at(&owner, receipt["id"].as_str().unwrap(), &["DELIVERED"])
        .await;
    let lines = [
        "leadmesh_leads_total{outcome=\"ACCEPTED\"} 1\n",
        "leadmesh_deliveries_total{channel=\"WEBHOOK\",status=\"DELIVERED\"} 1\n",
        "leadmesh_delivery_attempts_total{ok=\"true\"} 1\n",
        "leadmesh_delivery_latency_seconds_count 1\n",
        "leadmesh_delivery_slots_used 0\n",
        "leadmesh_due_deliveries 0.0\n",
        "leadmesh_http_requests_total{operation=\"mutation\",status=\"200\"}",
    ];
    until("the figures", async || {
        let text = test.get("/metrics").await.text().await.unwrap();
        lines.iter().all(|line| text.contains(line))
    })
    .await;
});

both!(a_webhook_names_its_lead, |test| {
    let receiver = HttpReceiver::start().await;
    let owner = test.account("Acme").await;
    let (flow, ..) = test.flow_to(&owner, webhook(&receiver.url("/leads"))).await;
    let receipt = test.submit(&owner, &flow, ana()).await;
    let request = receiver.next().await;
    assert_eq!(request.header("leadmesh-lead-id"), receipt["id"].as_str());
});
