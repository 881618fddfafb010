//! Trying a partner's delivery.

use serde_json::{Value, json};

use super::TRY;
use crate::support::app::both;
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{merge, standard_fields, text, webhook_with};
use crate::support::smtp_receiver::SmtpReceiver;

const PREVIEW: &str = "query($partner: ID!, $assignment: ID, $fields: JSON!) { previewDelivery(partnerId: $partner, assignmentId: $assignment, fields: $fields) {
    subject body contentType } }";
const SET_SMTP: &str = "mutation($input: SmtpSettingsInput!) { setSmtpSettings(input: $input) { account { id } userErrors { code message path } } }";
const FEED: &str = "{ portal { leads { nodes { title fields test } } } }";
const STATS: &str =
    "query($id: ID!, $range: TimeRangeInput!) { partner(id: $id) { stats(range: $range) { routed } caps { used } } }";

both!(
    /// What is sent is what the preview shows, marked on every channel, through the partner's own settings or a place's.
    a_test_is_the_preview_sent_and_marked,
    ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
    |app| {
        let (server, receiver) = (SmtpReceiver::start().await, HttpReceiver::start().await);
        let owner = app.account("Acme").await;
        let mut fields = standard_fields();
        fields.as_array_mut().unwrap().push(json!({ "name": "ssn", "type": "TEXT", "encrypted": true }));
        let flow = app.flow(&owner, json!({ "fields": fields })).await;
        let template = json!({ "who": "{{ lead.first_name }}", "score": "{{ lead.score }}", "ssn": "{{ lead.ssn }}" });
        let hook = webhook_with(&receiver.url("/"), json!({ "template": template }));
        let (partner, _) = app.partner(&owner, "P", hook, json!({ "caps": [{ "period": "DAY", "limit": 5 }] })).await;
        let profile = app.profile(&owner, json!({ "onFailure": "NEXT_PARTNER" })).await;
        let mail = json!({ "email": { "recipients": ["a@buyer.test"], "subject": "New lead {{ lead.first_name }}" } });
        let place = app.assign(&owner, &profile, &partner, json!({ "delivery": mail })).await;
        let (portal, _) = app.partner(&owner, "Q", json!({ "portal": {} }), json!({})).await;
        app.assign(&owner, &profile, &portal, json!({})).await;
        app.step(&owner, &flow, "Out", json!({ "distribute": { "profileId": profile } }), Value::Null).await;
        let pat = app.portal_user(&owner, &portal, "pat@buyer.test").await;
        let given = json!({ "first_name": "Ana", "score": "7", "phone": "(415) 555-0132", "ssn": "Kx81-secret", "nowhere": "x" });
        let try_it = |partner: &str, place: Value| json!({ "partnerId": partner, "assignmentId": place, "fields": given });

        let shown = app.data(&owner.token, PREVIEW, json!({ "partner": partner, "fields": given })).await;
        let sent = app.done(&owner.token, TRY, try_it(&partner, Value::Null)).await["delivery"].clone();
        assert_eq!((&sent["test"], &sent["lead"]["test"], &sent["lead"]["source"]), (&json!(true), &json!(true), &Value::Null));
        let request = receiver.next().await;
        assert_eq!(request.header("leadmesh-test"), Some("true"));
        assert_eq!(request.text(), shown["previewDelivery"]["body"].as_str().unwrap());
        assert_eq!(request.json(), json!({ "who": "Ana", "score": 7, "ssn": "Kx81-secret" }));
        let done = app.delivery_at(&owner, &text(&sent["id"]), "DELIVERED").await;
        assert_eq!((&done["lead"]["fields"]["ssn"], &done["lead"]["fields"]["phone"]), (&json!("••••••••"), &json!("+14155550132")));
        assert_eq!(done["lead"]["rawFields"], json!({ "score": "7", "phone": "(415) 555-0132" }));
        assert!(!app.dump().await.contains("Kx81"), "an encrypted value is at rest");

        // Without a mail server it says so, and nobody is next.
        let failed = app.done(&owner.token, TRY, try_it(&partner, json!(place))).await;
        let failed = app.delivery_at(&owner, &text(&failed["delivery"]["id"]), "FAILED").await;
        assert_eq!(failed["failure"]["code"], "SMTP_NOT_CONFIGURED");
        let smtp = json!({ "host": server.host(), "port": server.port(), "security": "NONE", "fromAddress": "leads@acme.test" });
        app.done(&owner.token, SET_SMTP, smtp).await;
        let shown = app.data(&owner.token, PREVIEW, json!({ "partner": partner, "assignment": place, "fields": given })).await;
        let sent = app.done(&owner.token, TRY, try_it(&partner, json!(place))).await;
        app.delivery_at(&owner, &text(&sent["delivery"]["id"]), "DELIVERED").await;
        let mails = server.wait_for(1).await;
        assert_eq!(mails[0].subject(), format!("[Test] {}", text(&shown["previewDelivery"]["subject"])));
        assert_eq!(mails[0].text().unwrap().replace("\r\n", "\n").trim_end(), shown["previewDelivery"]["body"].as_str().unwrap().trim_end());

        let there = app.done(&owner.token, TRY, try_it(&portal, Value::Null)).await;
        assert_eq!((&there["delivery"]["status"], &there["delivery"]["channel"]), (&json!("DELIVERED"), &json!("PORTAL")));
        let feed = app.data(&pat, FEED, json!({})).await;
        let lead = &feed["portal"]["leads"]["nodes"][0];
        assert_eq!((&lead["test"], &lead["fields"]["first_name"]), (&json!(true), &json!("Ana")));

        let range = json!({ "from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z" });
        for id in [&partner, &portal] {
            let stats = app.data(&owner.token, STATS, json!({ "id": id, "range": range })).await;
            assert_eq!(stats["partner"]["stats"]["routed"], 0);
        }
        let stats = app.data(&owner.token, STATS, json!({ "id": partner, "range": range })).await;
        assert_eq!(stats["partner"]["caps"][0]["used"], 0);
        assert_eq!(app.listed(&owner, json!({})).await.len(), 0, "tests are left out");
        assert_eq!(app.listed(&owner, json!({ "includeTests": true })).await.len(), 4);
        assert_eq!(app.audited(&owner, &portal).await.last().unwrap(), "partner.test_delivery_sent");
    }
);

both!(
    /// In a connected account it arrives as a test lead.
    a_test_enters_a_connected_account_as_a_test,
    |app| {
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let connection = app.connect(&seller, &buyer, "SEND_LEADS").await;
        let (partner, _) = app.partner(&seller, "B", json!({ "account": { "connectionId": connection } }), json!({})).await;
        let input = json!({ "partnerId": partner, "fields": { "first_name": "Ana", "email": "ana@example.com" } });
        let sent = app.done(&seller.token, TRY, input.clone()).await;
        let done = app.delivery_at(&seller, &text(&sent["delivery"]["id"]), "DELIVERED").await;
        let lead = "query($id: ID!) { lead(id: $id) { test fields partner { name } } }";
        let got = app.data(&buyer.token, lead, json!({ "id": done["externalId"] })).await;
        assert_eq!((&got["lead"]["test"], &got["lead"]["partner"]["name"]), (&json!(true), &json!("Seller")));
        assert_eq!(got["lead"]["fields"]["email"], "ana@example.com");
        app.change(&buyer, "terminate", &connection).await;
        let sent = app.done(&seller.token, TRY, input).await;
        app.delivery_at(&seller, &text(&sent["delivery"]["id"]), "CANCELLED").await;
    }
);

both!(
    /// Refusals: what is not there, what is no lead, and too many.
    tests_are_checked_and_counted,
    |app| {
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(200));
        let (owner, stranger) = (app.account("Acme").await, app.account("Other").await);
        let (_, partner, _) = app.flow_to(&owner, json!({ "portal": {} })).await;
        let input = |more: Value| {
            let mut input = json!({ "partnerId": partner, "fields": { "first_name": "Ana" } });
            merge(&mut input, more);
            input
        };
        for (who, more, expected) in [
            (&stranger, json!({}), ("NOT_FOUND", "input.partnerId")),
            (&owner, json!({ "partnerId": "ptnr_x" }), ("NOT_FOUND", "input.partnerId")),
            (&owner, json!({ "assignmentId": "asgn_x" }), ("NOT_FOUND", "input.assignmentId")),
            (&owner, json!({ "fields": [] }), ("INVALID", "input.fields")),
            (&owner, json!({ "fields": { "first_name": "x".repeat(70_000) } }), ("TOO_LONG", "input.fields")),
        ] {
            let refused = app.refused(&who.token, TRY, input(more)).await;
            assert_eq!(refused, [(expected.0.to_owned(), expected.1.to_owned())]);
        }
        for _ in 0..60 {
            app.done(&owner.token, TRY, input(json!({}))).await;
        }
        let answer = app.ask(Some(&owner.token), TRY, json!({ "input": input(json!({})) })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "RATE_LIMITED", "{answer}");
        assert!(answer["errors"][0]["extensions"]["retryAfterSeconds"].as_i64().unwrap() > 3_000, "{answer}");
        app.advance(chrono::TimeDelta::minutes(61));
        let owner = app.signed_in(&owner).await;
        app.done(&owner.token, TRY, input(json!({}))).await;
    }
);
