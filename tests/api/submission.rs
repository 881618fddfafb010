//! Submitting leads: what flows take, refuse and remember (scenarios F1 to F10).

mod broad;
mod bulk;
mod caps;
mod duplicates;
mod fields;
mod idempotency;
mod large;
mod long_numbers;
mod long_values;
mod revisions;
mod rules;
mod steps;
mod strange_input;
mod test_leads;
mod twins;
mod wording;

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::make::{Account, Flow};

pub(crate) const CREATE_FLOW: &str = "mutation($input: CreateFlowInput!) { createFlow(input: $input) {
    flow { id } userErrors { code message path } } }";
const LEAD: &str = "query($id: ID!) { lead(id: $id) {
    test outcome fields rawFields reasons { code field message } warnings { code field message } price { amount currency }
    timeline { kind message } trace { subject check passed detail } deliveries { id test status price { amount } } } }";
const SIMULATE: &str = "query($flow: ID!, $source: ID, $fields: JSON!) {
    simulateSubmission(flowId: $flow, sourceId: $source, fields: $fields) {
        outcome reasons { code field message } wouldDeliverTo { id } trace { subject check passed detail } } }";
const SUBMISSIONS: &str =
    "query($flow: ID) { submissions(flowId: $flow, first: 100) { nodes { id outcome idempotencyKey } } }";
const CAPS: &str = "query($id: ID!) { flow(id: $id) { caps { used limit timezone windowStart windowEnd } sources { caps { used } } } }";

impl TestApp {
    /// A lead as its owner sees it.
    async fn lead(&self, owner: &Account, id: &Value) -> Value {
        self.data(&owner.key, LEAD, json!({ "id": id })).await["lead"].take()
    }

    /// What would become of a lead.
    async fn simulate(&self, owner: &Account, flow: &Flow, fields: Value) -> Value {
        let variables = json!({ "flow": flow.id, "fields": fields });
        self.data(&owner.key, SIMULATE, variables).await["simulateSubmission"].take()
    }

    /// Receipts of what was submitted to a flow, newest first, at most 100.
    async fn submissions(&self, owner: &Account, flow: &Flow) -> Vec<Value> {
        let data = self.data(&owner.key, SUBMISSIONS, json!({ "flow": flow.id })).await;
        data["submissions"]["nodes"].as_array().unwrap().clone()
    }

    /// The flow's first cap as it stands.
    async fn cap(&self, owner: &Account, flow: &Flow) -> Value {
        self.data(&owner.key, CAPS, json!({ "id": flow.id })).await["flow"]["caps"][0].take()
    }
}

/// Code and field of each reason (or warning), sorted.
fn told(reasons: &Value) -> Vec<(String, String)> {
    let reasons = reasons.as_array().unwrap_or_else(|| panic!("no list: {reasons}"));
    let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut told: Vec<(String, String)> = reasons
        .iter()
        .map(|reason| (part(&reason["code"]), part(&reason["field"])))
        .collect();
    told.sort();
    told
}

/// The codes of a receipt's reasons.
fn codes(receipt: &Value) -> Vec<String> {
    told(&receipt["reasons"]).into_iter().map(|(code, _)| code).collect()
}

/// How many of these receipts say ACCEPTED.
fn accepted(receipts: &[Value]) -> usize {
    receipts
        .iter()
        .filter(|receipt| receipt["outcome"] == "ACCEPTED")
        .count()
}
