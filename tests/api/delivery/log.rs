//! D18: what the server logs holds no value of a lead, not even with every detail asked for, and not when deliveries fail.

use std::io::Write;
use std::sync::{Arc, Mutex};

use leadmesh::commands::logs;
use serde_json::{Value, json};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use super::email;
use super::sharing::to_all;
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{merge, standard_fields, text, webhook_with};
use crate::support::smtp_receiver::{Reply, SmtpReceiver, Step};

/// Appears in every value of the lead.
const MARKER: &str = "zq7marker";
/// The value of an encrypted field, which recipients repeat.
const SECRET: &str = "550-12-3456-zq7marker";
const FEED: &str = "{ portal { leads(filter: { search: \"zq7marker@example.com\" }) { nodes { fields } } } }";

/// The usual fields and an encrypted one.
fn fields() -> Value {
    let mut fields = standard_fields();
    let secret = json!({ "name": "ssn", "type": "TEXT", "encrypted": true });
    fields.as_array_mut().unwrap().push(secret);
    fields
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Of this process, from now on: each test has one of its own.
    fn of_this_process() -> Self {
        let log = Self::default();
        let writer = log.clone();
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(move || writer.clone());
        let detail = logs::filter("trace").unwrap();
        tracing_subscriber::registry().with(lines.with_filter(detail)).init();
        log
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

both!(no_line_shows_a_value, |mode: Mode| {
    let log = Log::of_this_process();
    let receiver = HttpReceiver::start().await;
    receiver.respond(|number, request| Answer::status(if number == 1 { 500 } else { 200 }).body(request.body.clone()));
    let refusing = HttpReceiver::start().await;
    refusing.respond(|_, request| Answer::status(200).body(request.body.clone()));
    let server = SmtpReceiver::start().await;
    server.respond(|mail, step| {
        let refused = mail == 1 && matches!(step, Step::Content(_));
        refused.then_some(Reply::Say(
            "451 not now: 550-12-3456-zq7marker of zq7marker@example.com",
        ))
    });
    let letters = [
        "--smtp-url",
        "smtp+plain://127.0.0.1:9",
        "--mail-from",
        "leads@leadmesh.test",
    ];
    let test = TestApp::start_with(mode, &letters).await;
    let owner = test.account("Acme").await;
    test.set_smtp(&owner, &server).await;
    let quick = json!({ "retry": { "attempts": 2, "initialDelayMs": 1000 } });
    let rule =
        json!({ "responseRule": { "pointer": "/first_name", "acceptedValues": ["another"], "reasonPointer": "/ssn" } });
    let deliveries = vec![
        webhook_with(&receiver.url("/"), quick),
        email(&["a@buyer.test"], json!({})),
        json!({ "portal": {} }),
        webhook_with(&refusing.url("/"), rule),
    ];
    let (flow, partners) = to_all(&test, &owner, fields(), deliveries).await;
    let pat = test.portal_user(&owner, &partners[2], "pat@buyer.test").await;

    let mut lead = json!({ "email": format!("{MARKER}@example.com"), "ssn": SECRET });
    merge(
        &mut lead,
        json!({ "first_name": MARKER, "unknown_to_the_flow": MARKER }),
    );
    let receipt = test.submit(&owner, &flow, lead).await;
    assert_eq!(receipt["outcome"], "ACCEPTED", "{receipt}");
    let id = text(&receipt["id"]);
    test.deliveries_at(&owner, &id, &["RETRYING", "DELIVERED", "REFUSED"])
        .await;
    test.advance(chrono::TimeDelta::minutes(5));
    let ended = test.deliveries_at(&owner, &id, &["DELIVERED", "REFUSED"]).await;
    let attempts = ended.iter().map(|delivery| delivery["attemptCount"].as_i64().unwrap());
    assert_eq!(
        attempts.sum::<i64>(),
        5,
        "a webhook and a mail were tried again: {ended:#?}"
    );

    for request in [receiver.requests(), refusing.requests()].concat() {
        assert!(request.text().contains(SECRET), "the recipient has it");
    }
    assert!(server.mails()[0].text().unwrap().contains(SECRET), "so has this one");
    let feed = test.data(&pat, FEED, json!({})).await;
    assert_eq!(
        feed["portal"]["leads"]["nodes"][0]["fields"]["ssn"], SECRET,
        "and this one"
    );
    tracing::trace!("every detail is logged");
    let text = log.text();
    assert!(text.contains("every detail is logged"), "{text}");
    let told: Vec<&str> = text.lines().filter(|line| line.contains(MARKER)).collect();
    assert!(told.is_empty(), "{told:#?}");
    assert!(!text.contains(&owner.key), "an API key is in the log");
});
