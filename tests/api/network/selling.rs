//! What the scenarios of buyer steps share: a seller, its buyer, and what each sees.

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::make::{Account, Flow, merge, text};

/// Adds a step.
pub(super) const ADD_STEP: &str = "mutation($input: AddStepInput!) { addStep(input: $input) {
    flow { id version steps { id } } warnings userErrors { code message path } } }";
/// Chooses the flow that takes what comes over a connection.
const RECEIVE: &str = "mutation($input: ReceivingFlowInput!) { setReceivingFlow(input: $input) {
    connection { id } userErrors { code message path } } }";
const LEADS: &str =
    "query($flow: ID, $tests: Boolean) { leads(filter: { flowId: $flow, includeTests: $tests }, first: 100) { nodes {
    id test outcome fields reasons { code field message } warnings { code field message } price { amount currency }
    partner { id name } source { id name } timeline { kind message } } } }";
const SENT: &str = "query($id: ID!) { lead(id: $id) { outcome warnings { code message } trace { subject check passed detail } timeline { kind message data }
    deliveries { id status channel test attemptCount externalId buyer { id name } partner { name } price { amount currency }
        failure { code message } attempts { number ok errorCode message } review { status by reason } } } }";
const CAPS: &str = "query($id: ID!) { flow(id: $id) { caps { used } steps { ... on BuyerStep { caps { used } } } } }";

impl TestApp {
    /// A buyer step at the end of a flow, over a connection; everything is shared unless said otherwise.
    pub(super) async fn buyer_step(&self, seller: &Account, flow: &Flow, connection: &str, more: Value) -> String {
        let mut buyer = json!({ "connectionId": connection, "sharedFields": { "mode": "ALL" } });
        merge(&mut buyer, more);
        self.step(seller, flow, "Sell", json!({ "buyer": buyer }), Value::Null)
            .await
    }

    /// Makes what comes over a connection enter that flow.
    pub(crate) async fn receive_in(&self, buyer: &Account, connection: &str, flow: &Flow) {
        let input = json!({ "connectionId": connection, "flowId": flow.id });
        self.done(&buyer.token, RECEIVE, input).await;
    }

    /// A flow of the seller that sells to a flow of the buyer: both flows and the connection.
    pub(crate) async fn selling(&self, seller: &Account, buyer: &Account, into: Value) -> (Flow, Flow, String) {
        let connection = self.connect(seller, buyer, "SEND_LEADS").await;
        let target = self.flow(buyer, into).await;
        self.receive_in(buyer, &connection, &target).await;
        let flow = self.flow(seller, json!({})).await;
        self.buyer_step(seller, &flow, &connection, json!({})).await;
        (flow, target, connection)
    }

    /// The leads of an account's flow, or of all its flows, newest first.
    pub(super) async fn leads_of(&self, owner: &Account, flow: Option<&Flow>) -> Vec<Value> {
        let variables = json!({ "flow": flow.map(|flow| flow.id.clone()), "tests": true });
        let data = self.data(&owner.token, LEADS, variables).await;
        data["leads"]["nodes"].as_array().unwrap().clone()
    }

    /// A lead as its seller sees it.
    pub(super) async fn sold(&self, owner: &Account, id: &Value) -> Value {
        self.data(&owner.token, SENT, json!({ "id": id })).await["lead"].take()
    }

    /// How many leads count on the first cap of a flow, and on that of its first buyer step.
    pub(super) async fn counted(&self, owner: &Account, flow: &Flow) -> (Value, Value) {
        let data = self.data(&owner.token, CAPS, json!({ "id": flow.id })).await;
        let steps = data["flow"]["steps"].as_array().unwrap();
        let of_step = steps.iter().find_map(|step| step["caps"][0].get("used").cloned());
        (data["flow"]["caps"][0]["used"].clone(), of_step.unwrap_or_default())
    }

    /// The code of the first rule that adding a buyer step breaks, and where.
    pub(super) async fn step_refused(&self, seller: &Account, flow: &Flow, buyer: Value) -> (String, String) {
        let input = json!({ "flowId": flow.id, "name": "Sell", "step": { "buyer": buyer } });
        self.refused(&seller.token, ADD_STEP, input).await.swap_remove(0)
    }

    /// The state of the only buyer step of a flow.
    pub(super) async fn step_state(&self, seller: &Account, flow: &Flow) -> Value {
        let query = "query($id: ID!) { flow(id: $id) { steps { ... on BuyerStep { id enabled state buyer { id } invitation { id } connection { id }
            sharedFields { mode fields } mapping { from to } price { amount } } } } }";
        let data = self.data(&seller.token, query, json!({ "id": flow.id })).await;
        data["flow"]["steps"][0].clone()
    }
}

/// The statuses of a lead's deliveries, in order.
pub(super) fn statuses(lead: &Value) -> Vec<String> {
    let deliveries = lead["deliveries"].as_array().unwrap();
    deliveries.iter().map(|delivery| text(&delivery["status"])).collect()
}

/// A rule that lets only leads from Texas in.
pub(super) fn only_texas() -> Value {
    json!({ "condition": { "field": "state", "operator": "EQUALS", "value": "TX" } })
}
