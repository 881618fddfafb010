//! Signatures, judged by the published Standard Webhooks library for Python.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::app::both;
use crate::support::http_receiver::HttpReceiver;
use crate::support::make::{ana, text, webhook, webhook_with};
use crate::support::standard_webhooks::{Case, is_signed_with, refusals};

const ROTATE: &str =
    "mutation($id: ID!) { rotateSigningSecret(partnerId: $id) { secret userErrors { code message path } } }";
const SUBMIT_MANY: &str = "mutation($input: SubmitLeadsInput!) { submitLeads(input: $input) {
    receipts { id outcome } userErrors { code message path } } }";
/// Leads before, while and after a secret is replaced, each.
const LEADS: usize = 60;
const GRACE: TimeDelta = TimeDelta::hours(24);

/// The scheme's own vector, and one worked out apart: secret, identifier, time, body, signature.
const VECTORS: [[&str; 5]; 2] = [
    [
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        r#"{"test": 2432232314}"#,
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ],
    [
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "dlv_1",
        "1767323045",
        "first_name=J%C3%BCrgen&score=7.5",
        "v1,SXyTjshd86LdAr2DaSAseKoEHEUdw3ajydA3fD6VZnQ=",
    ],
];

#[test]
fn signatures_are_those_of_the_published_vectors() {
    use leadmesh_delivery::signing::{Secret, signature};
    for [secret, id, at, body, expected] in VECTORS {
        let secret = Secret::parse(secret).unwrap();
        assert_eq!(signature(&[secret], id, at.parse().unwrap(), body.as_bytes()), expected);
    }
}

both!(
    /// D11: whoever uses the published library takes what we send, in JSON and as a form, and takes nothing else.
    the_published_library_takes_what_is_sent_and_nothing_else,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        let mut cases = Vec::new();
        for more in [json!({}), json!({ "payload": "FORM" }), json!({ "template": { "n": "{{ lead.first_name }}" } })] {
            let (flow, _, secret) = app.flow_to(&owner, webhook_with(&receiver.url("/"), more)).await;
            app.submit(&owner, &flow, json!({ "first_name": "Jürgen 😀", "company": "Müller & Söhne" })).await;
            let request = receiver.next().await;
            cases.push(Case::of(&request, &secret.unwrap()));
        }
        let good = || Case { secret: cases[0].secret.clone(), headers: cases[0].headers.clone(), body: cases[0].body.clone() };
        let mut changed = good();
        changed.body[5] ^= 1;
        let other = Case { secret: cases[1].secret.clone(), ..good() };
        let stamp = |header: &str| good().headers.iter().find(|(name, _)| name == header).unwrap().1.clone();
        let at: i64 = stamp("webhook-timestamp").parse().unwrap();
        // Signed long ago, and sent again by somebody who listened; and with the time made new.
        let old = leadmesh_delivery::signing::signature(
            &[leadmesh_delivery::signing::Secret::parse(&cases[0].secret).unwrap()],
            &stamp("webhook-id"),
            at - 600,
            &cases[0].body,
        );
        let replayed = good().with("webhook-timestamp", &(at - 600).to_string()).with("webhook-signature", &old);
        let renewed = good().with("webhook-signature", &old);
        let renamed = good().with("webhook-id", "dlv_0");
        let taken = cases.len();
        cases.extend([changed, other, replayed, renewed, renamed]);

        let Some(said) = refusals(&cases) else { return };

        assert_eq!(said[..taken], vec![None; taken]);
        assert!(said[taken..].iter().all(Option::is_some), "{said:?}");
        assert!(said[taken + 2].as_ref().unwrap().contains("too old"), "{said:?}");
    }
);

both!(
    /// FAULTS 21: while a secret is replaced under load each request verifies with the old one or the new one, afterwards with
    /// the new one alone, and none is unsigned.
    a_secret_is_replaced_under_load_without_a_request_that_does_not_verify,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        let (flow, partner, old) = app.flow_to(&owner, webhook(&receiver.url("/"))).await;
        let old = old.unwrap();
        let submit = async || {
            let leads: Vec<Value> = (0..LEADS).map(|_| json!({ "fields": ana() })).collect();
            app.done(&owner.key, SUBMIT_MANY, json!({ "flowId": flow.id, "leads": leads })).await;
        };
        let rotate = async || {
            let answer = app.ask(Some(&owner.token), ROTATE, json!({ "id": partner })).await;
            text(&crate::support::make::accepted(&answer, "rotateSigningSecret")["secret"])
        };

        submit().await;
        let ((), new) = tokio::join!(submit(), rotate());
        submit().await;
        receiver.wait_for(3 * LEADS).await;
        // The worker knows of it within seconds; until then the old one signs, which is good for a day.
        while !is_signed_with(receiver.requests().last().unwrap(), &new) {
            let sent = receiver.count();
            app.submit(&owner, &flow, ana()).await;
            receiver.wait_for(sent + 1).await;
        }
        let during = receiver.requests();
        submit().await;
        let in_grace = receiver.wait_for(during.len() + LEADS).await;
        app.advance(GRACE);
        submit().await;
        let after = receiver.wait_for(in_grace.len() + LEADS).await;

        assert_ne!(old, new);
        let signed = |request: &crate::support::http_receiver::Received| (is_signed_with(request, &old), is_signed_with(request, &new));
        for request in &during {
            assert!(signed(request).0, "within the grace the old secret verifies: {request:?}");
        }
        assert!(in_grace[during.len()..].iter().all(|request| signed(request) == (true, true)));
        assert!(after[in_grace.len()..].iter().all(|request| signed(request) == (false, true)));
        for request in &after {
            let signatures = request.header("webhook-signature").expect("a request is unsigned").split(' ').count();
            assert!((1..=2).contains(&signatures), "{request:?}");
        }

        let both = [&old, &new].map(|secret| Case::of(in_grace.last().unwrap(), secret));
        if let Some(said) = refusals(&both) {
            assert_eq!(said, [None, None], "the library takes either secret while both sign");
        }
    }
);
