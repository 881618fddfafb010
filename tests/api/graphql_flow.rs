//! Flows, sources and steps over GraphQL, on both databases.

mod noun;
mod simulation;

use chrono::{DateTime, Duration, Utc};
use leadmesh_core::clock::Clock;
use serde_json::{Value, json};

use crate::support::app::{Mode, TestApp, both};
use crate::support::make::{Account, merge, text};

async fn start_at(mode: Mode) -> TestApp {
    TestApp::start_api(Clock::standing_at(start()), mode, &[]).await
}

fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::days(20_500)
}

/// A flow that knows email (required), age, state and ssn (encrypted), and takes leads of adults.
fn solar() -> Value {
    json!({
        "name": "Solar",
        "fields": [
            {"name": "email", "type": "EMAIL", "required": true},
            {"name": "age", "type": "INTEGER", "example": "44"},
            {"name": "state", "type": "STATE"},
            {"name": "ssn", "type": "TEXT", "encrypted": true},
        ],
        "acceptanceRule": {"condition": {"field": "age", "operator": "GREATER_OR_EQUAL", "value": "18"}},
    })
}

fn with(mut input: Value, more: Value) -> Value {
    merge(&mut input, more);
    input
}

const CREATE: &str = "mutation ($input: CreateFlowInput!) {
    createFlow(input: $input) { flow { id sources { id } } warnings userErrors { code path } }
}";

/// Makes a flow; its ID and that of its source.
async fn make(app: &TestApp, owner: &Account, input: Value) -> (String, String) {
    let made = app.data(&owner.token, CREATE, json!({ "input": input })).await;
    let flow = &made["createFlow"]["flow"];
    (text(&flow["id"]), text(&flow["sources"][0]["id"]))
}

/// The messages of an operation that is refused.
async fn refused(app: &TestApp, token: Option<&str>, document: &str, variables: Value) -> Vec<String> {
    let answer = app.ask(token, document, variables).await;
    let errors = answer["errors"]
        .as_array()
        .unwrap_or_else(|| panic!("not refused: {answer:#}"));
    errors.iter().map(|error| text(&error["message"])).collect()
}
