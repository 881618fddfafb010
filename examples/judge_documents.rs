//! Says of GraphQL documents whether this server takes them, without executing anything: one JSON object a line in,
//! `{"query": …, "variables": …}`, one a line out. For `scripts/graphql-differential`.

use std::io::{BufRead, Write};

use anyhow::Context;
use async_graphql::{ServerError, Variables};
use leadmesh_forms::lenient_json;
use leadmesh_graphql::limits::{Documents, Limits, Refusals};
use leadmesh_graphql::mask;
use leadmesh_graphql::schema::registry;
use serde_json::{Value, json};

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let documents = Documents::new(Limits::default(), registry());
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        // As the server reads a body: the values of variables stand within two brackets.
        let request = lenient_json::repair(line?.as_bytes(), 2).into_owned();
        let request: Value = serde_json::from_slice(&request).context("a line is no JSON")?;
        let verdict = runtime.block_on(judge(&documents, &request));
        writeln!(out, "{verdict}")?;
    }
    out.flush()?;
    Ok(())
}

/// `document` and `variables` are null where they pass.
async fn judge(documents: &Documents, request: &Value) -> Value {
    let text = request["query"].as_str().unwrap_or_default();
    let document = match documents.check(text).await {
        Ok(document) => document,
        Err(refusals) => return json!({ "document": told(refusals) }),
    };
    let variables = Variables::from_json(request["variables"].clone());
    let admitted = document
        .operation(request["operationName"].as_str())
        .map_err(Refusals::from)
        .and_then(|operation| documents.admit(operation, variables));
    json!({ "document": null, "variables": admitted.err().map(told) })
}

fn told(refusals: Refusals) -> Value {
    let errors: Vec<ServerError> = refusals.into();
    let told = errors
        .iter()
        .map(|error| json!({ "code": mask::code_of(error), "message": error.message }));
    told.collect()
}
