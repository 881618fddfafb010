//! Companies that exchange leads: who may submit what to whom, and what each sees of the other (scenarios N1 to N23).

mod again;
mod available;
mod backlog;
mod buyer_steps;
mod chains;
mod docs;
mod ending;
mod following;
mod lost_fields;
mod meanwhile;
mod plan;
mod refusals;
mod retrying;
mod returns;
mod selling;
mod sources;

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::make::{Account, Flow, SUBMIT, text};

const SOURCES: &str = "query($id: ID!) { flow(id: $id) { version sources { __typename id name enabled acceptanceRule
    mapping { from to } lastLeadAt
    ... on AccountSource { switchedOn partner { id name } connection { id status } docsReads { readCount firstReadAt lastReadAt } } } } }";
const UPDATE_SOURCE: &str = "mutation($input: UpdateSourceInput!) { updateSource(input: $input) {
    flow { version } userErrors { code message path } } }";

impl TestApp {
    /// The sources of a flow as its owner sees them.
    async fn sources(&self, owner: &Account, flow: &Flow) -> Vec<Value> {
        let data = self.data(&owner.token, SOURCES, json!({ "id": flow.id })).await;
        data["flow"]["sources"].as_array().unwrap().clone()
    }

    /// The connected accounts' among them, which has to be one.
    async fn account_source(&self, owner: &Account, flow: &Flow) -> Value {
        let sources = self.sources(owner, flow).await;
        let mut found = sources
            .into_iter()
            .filter(|source| source["__typename"] == "AccountSource");
        let source = found.next().expect("no account source");
        assert!(found.next().is_none());
        source
    }

    /// What a sender is told when it submits to the flow: a receipt's outcome, or the code of its refusal.
    async fn told(&self, key: Option<&str>, flow: &str, fields: Value) -> String {
        let variables = json!({ "input": { "flowId": flow, "fields": fields } });
        let answer = self.ask(key, SUBMIT, variables).await;
        if let Some(code) = answer["errors"][0]["extensions"]["code"].as_str() {
            return code.to_owned();
        }
        let payload = &answer["data"]["submitLead"];
        match payload["receipt"]["outcome"].as_str() {
            Some("REJECTED") => text(&payload["receipt"]["reasons"][0]["code"]),
            Some(outcome) => outcome.to_owned(),
            None => text(&payload["userErrors"][0]["code"]),
        }
    }
}
