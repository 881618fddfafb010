//! D18: what the server logs holds no value of a lead, not even with every detail asked for, and not when deliveries fail.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tracing_subscriber::EnvFilter;

use crate::support::app::{Mode, TestApp};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{merge, standard_fields, webhook_with};

/// Appears in every value of the lead.
const MARKER: &str = "zq7marker";
/// The value of an encrypted field.
const SECRET: &str = "550-12-3456-zq7marker";

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
        let detail = EnvFilter::new("debug,leadmesh=trace");
        tracing_subscriber::fmt()
            .with_env_filter(detail)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .init();
        log
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

async fn no_line_shows_a_value(mode: Mode) {
    let log = Log::of_this_process();
    let receiver = HttpReceiver::start().await;
    receiver.answers([Answer::status(500), Answer::status(200)]);
    let test = TestApp::start_with(mode, &[]).await;
    let owner = test.account("Acme").await;
    let quick = json!({ "retry": { "attempts": 2, "initialDelayMs": 1000 } });
    let (flow, ..) = test.flow_to(&owner, webhook_with(&receiver.url("/"), quick)).await;
    let mut fields = standard_fields();
    let secret = json!({ "name": "ssn", "type": "TEXT", "encrypted": true });
    fields.as_array_mut().unwrap().push(secret);
    let update =
        "mutation($input: UpdateFlowInput!) { updateFlow(input: $input) { flow { id } userErrors { message } } }";
    test.done(&owner.token, update, json!({ "id": flow.id, "fields": fields }))
        .await;

    let mut lead = json!({ "email": format!("{MARKER}@example.com"), "ssn": SECRET });
    merge(
        &mut lead,
        json!({ "first_name": MARKER, "unknown_to_the_flow": MARKER }),
    );
    let receipt = test.submit(&owner, &flow, lead).await;
    assert_eq!(receipt["outcome"], "ACCEPTED", "{receipt}");
    receiver.wait_for(1).await;
    test.deliveries_at(&owner, receipt["id"].as_str().unwrap(), &["RETRYING"])
        .await;
    test.advance(chrono::TimeDelta::minutes(5));
    test.deliveries_at(&owner, receipt["id"].as_str().unwrap(), &["DELIVERED"])
        .await;

    assert!(receiver.requests()[1].text().contains(SECRET), "the recipient has it");
    let text = log.text();
    assert!(text.lines().count() > 10, "nothing was logged: {text}");
    let told: Vec<&str> = text.lines().filter(|line| line.contains(MARKER)).collect();
    assert!(told.is_empty(), "{told:#?}");
    assert!(!text.contains(&owner.key), "an API key is in the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_line_shows_a_value_embedded() {
    no_line_shows_a_value(Mode::Embedded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_line_shows_a_value_server() {
    no_line_shows_a_value(Mode::Server).await;
}
