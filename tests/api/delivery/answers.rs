//! Partners that say inside a 2xx answer whether they want a lead.

use serde_json::{Value, json};

use super::USED;
use crate::support::app::both;
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{ana, text, webhook_with};

const CAP: &str = "mutation($input: UpdatePartnerInput!) { updatePartner(input: $input) { partner { id } userErrors { code message path } } }";

fn rule() -> Value {
    json!({ "responseRule": {
        "pointer": "/result", "acceptedValues": ["ok", "1"], "reasonPointer": "/errors/0/text", "externalIdPointer": "/lead/id",
    } })
}

both!(
    /// D13: a refusal is final, tells the partner's reason, and gives back what it counted on caps.
    a_refusal_inside_an_answer_is_final_and_gives_its_reason,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        let (flow, partner, _) = app.flow_to(&owner, webhook_with(&receiver.url("/"), rule())).await;
        let caps = json!([{ "limit": 10, "period": "DAY" }]);
        app.done(&owner.token, CAP, json!({ "id": partner, "caps": caps })).await;
        let long = "x".repeat(600);
        for (answer, reason, external) in [
            (json!({ "result": "dup", "errors": [{ "text": "known since\r\nMay" }] }), "known since  May", Value::Null),
            (json!({ "result": "dup" }), "dup", Value::Null),
            (json!({ "result": false, "lead": { "id": 7 } }), "false", json!("7")),
            (json!({ "result": "no", "errors": [{ "text": long }] }), &long[..499], Value::Null),
        ] {
            receiver.answer(Answer::json(&answer));
            let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
            let refused = app.deliveries_at(&owner, &lead, &["REFUSED"]).await;
            let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            let told = refused[0]["failure"]["message"].as_str().unwrap();
            assert_eq!(squeezed(told.trim_end_matches('…')), squeezed(reason));
            assert_eq!(refused[0]["failure"]["code"], "REFUSED_BY_PARTNER");
            assert_eq!((&refused[0]["attemptCount"], &refused[0]["nextAttemptAt"]), (&json!(1), &Value::Null));
            assert_eq!((&refused[0]["externalId"], &refused[0]["attempts"][0]["httpStatus"]), (&external, &json!(200)));
        }
        let data = app.data(&owner.token, USED, json!({ "id": partner })).await;
        assert_eq!(data["partner"]["caps"][0]["used"], 0, "refused leads count on no cap");
        assert_eq!(receiver.count(), 4);
    }
);

both!(
    /// D13: an acceptance keeps the partner's own identifier.
    an_acceptance_inside_an_answer_keeps_the_partners_identifier,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        let (flow, ..) = app.flow_to(&owner, webhook_with(&receiver.url("/"), rule())).await;
        for (answer, external) in [
            (json!({ "result": "OK", "lead": { "id": "crm-42" } }), json!("crm-42")),
            (json!({ "result": 1, "lead": { "id": 42 } }), json!("42")),
            (json!({ "result": "ok" }), Value::Null),
        ] {
            receiver.answer(Answer::json(&answer));
            let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
            let delivered = app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;
            assert_eq!((&delivered[0]["externalId"], &delivered[0]["failure"]), (&external, &Value::Null), "{answer}");
        }
    }
);

both!(
    /// D13: an error page behind a 200 is no refusal: the lead is not lost by it.
    an_answer_that_does_not_say_is_asked_for_again,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        let (flow, ..) = app.flow_to(&owner, webhook_with(&receiver.url("/"), rule())).await;
        receiver.answers([
            Answer::status(200).body("<html>Welcome</html>"),
            Answer::json(&json!({ "status": "?" })),
            Answer::json(&json!({ "result": null })),
            Answer::json(&json!({ "result": "ok", "lead": { "id": "a" } })),
        ]);
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        for attempts in 1..=3 {
            receiver.wait_for(attempts).await;
            app.deliveries_at(&owner, &lead, &["RETRYING"]).await;
            app.advance_to_retry(&owner, &lead).await;
        }
        let delivered = app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;
        let attempts = delivered[0]["attempts"].as_array().unwrap();
        let told: Vec<&str> = attempts.iter().filter_map(|attempt| attempt["message"].as_str()).collect();
        assert_eq!(told.len(), 3, "{attempts:?}");
        assert!(told[0].contains("not JSON") && told[1].contains("nothing at /result") && told[2].contains("null"), "{told:?}");
        assert_eq!(delivered[0]["externalId"], "a");
    }
);

both!(
    /// What is wrong with TLS is said in words, and no lead goes out.
    errors_of_tls_are_explained_and_tried_again,
    |app| {
        let (untrusted, _) = HttpReceiver::start_tls().await;
        let plain = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        for (url, expected) in [
            (untrusted.url("/"), "the certificate of the destination was issued by an authority that is not trusted"),
            (plain.url("/").replace("http:", "https:"), "the destination did not answer with TLS; check the port and the scheme"),
        ] {
            let (flow, ..) = app.flow_to(&owner, webhook_with(&url, json!({}))).await;
            let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
            let waiting = app.deliveries_at(&owner, &lead, &["RETRYING"]).await;
            let attempt = &waiting[0]["attempts"][0];
            assert_eq!((&attempt["errorCode"], &attempt["ok"], &attempt["httpStatus"]), (&json!("TLS"), &json!(false), &Value::Null));
            assert!(text(&attempt["message"]).starts_with(expected), "{attempt}");
            assert_eq!(waiting[0]["failure"]["code"], "TLS");
            assert!(waiting[0]["nextAttemptAt"].is_string(), "{waiting:?}");
        }
        assert_eq!((untrusted.count(), plain.count()), (0, 0));
    }
);
