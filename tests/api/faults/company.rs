//! A company with a flow that sends every lead to all of its partners.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::process::client;
use super::target::Target;
use crate::support::app::ask;
use crate::support::make::{PASSWORD, accepted, merge, standard_fields, text};

const SIGN_UP: &str =
    "mutation($input: SignUpInput!) { signUp(input: $input) { session { accessToken } userErrors { message } } }";
const KEY: &str =
    "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret userErrors { message } } }";
const FLOW: &str =
    "mutation($input: CreateFlowInput!) { createFlow(input: $input) { flow { id } userErrors { message } } }";
const PARTNER: &str = "mutation($input: CreatePartnerInput!) { createPartner(input: $input) { partner { id } signingSecret userErrors { message } } }";
const PROFILE: &str = "mutation($input: CreateProfileInput!) { createDistributionProfile(input: $input) { profile { id } userErrors { message } } }";
const ASSIGN: &str =
    "mutation($input: AssignPartnerInput!) { assignPartner(input: $input) { profile { id } userErrors { message } } }";
const STEP: &str = "mutation($input: AddStepInput!) { addStep(input: $input) { flow { id } userErrors { message } } }";

/// What a company has.
pub(super) struct Company {
    /// A token of who owns the account.
    pub(super) owner: String,
    /// May submit, read, and change settings, for longer than the token lasts.
    pub(super) manager: String,
    /// May submit and read.
    pub(super) key: String,
    pub(super) flow: String,
    pub(super) partners: Vec<Partner>,
    address: SocketAddr,
    client: reqwest::Client,
}

/// One that gets every lead.
pub(super) struct Partner {
    pub(super) id: String,
    /// The path of its URL.
    pub(super) path: String,
    /// By which its webhooks are signed.
    pub(super) secret: String,
}

impl Company {
    /// Founds one, whose partners get leads by these settings: the path of each URL, and the settings.
    pub(super) async fn found(address: SocketAddr, name: &str, deliveries: Vec<(String, Value)>) -> Self {
        let mut company = Self {
            owner: String::new(),
            manager: String::new(),
            key: String::new(),
            flow: String::new(),
            partners: Vec::new(),
            address,
            client: client(Duration::from_secs(30)),
        };
        company.sign_up(name).await;
        let flow = json!({ "name": "Solar", "fields": standard_fields() });
        company.flow = company.flow(flow).await;
        let profile = json!({ "name": "Everybody", "strategy": "SEND_TO_ALL" });
        let profile = text(&company.done("createDistributionProfile", PROFILE, profile).await["profile"]["id"]);
        for (path, delivery) in deliveries {
            company.add_partner(&profile, path, delivery).await;
        }
        let step = json!({ "distribute": { "profileId": profile } });
        let input = json!({ "flowId": company.flow, "name": "All", "step": step });
        company.done("addStep", STEP, input).await;
        company
    }

    async fn sign_up(&mut self, name: &str) {
        let email = format!("ann@{}.test", name.to_lowercase());
        let input = json!({ "input": { "accountName": name, "name": "Ann", "email": email, "password": PASSWORD } });
        let answer = ask(&self.client, self.address, None, SIGN_UP, input).await;
        self.owner = text(&accepted(&answer, "signUp")["session"]["accessToken"]);
        self.key = self.new_key(&["LEADS_SUBMIT", "LEADS_READ"]).await;
        self.manager = self.new_key(&["LEADS_SUBMIT", "LEADS_READ", "MANAGE"]).await;
    }

    async fn new_key(&self, scopes: &[&str]) -> String {
        let input = json!({ "name": "test", "scopes": scopes });
        text(&self.done("createApiKey", KEY, input).await["secret"])
    }

    async fn add_partner(&mut self, profile: &str, path: String, delivery: Value) {
        let input = json!({ "name": format!("Partner {path}"), "email": "p@partner.test", "delivery": delivery });
        let made = self.done("createPartner", PARTNER, input).await;
        let id = text(&made["partner"]["id"]);
        let input = json!({ "profileId": profile, "partnerId": id });
        self.done("assignPartner", ASSIGN, input).await;
        self.partners.push(Partner {
            id,
            path,
            // Only webhooks are signed.
            secret: made["signingSecret"].as_str().unwrap_or_default().to_owned(),
        });
    }

    /// A further flow, without steps; its identifier.
    pub(super) async fn flow(&self, input: Value) -> String {
        let mut flow = json!({ "name": "Solar", "fields": standard_fields() });
        merge(&mut flow, input);
        text(&self.done("createFlow", FLOW, flow).await["flow"]["id"])
    }

    /// The payload of a mutation by the owner that broke no rule.
    pub(super) async fn done(&self, name: &str, mutation: &str, input: Value) -> Value {
        let input = json!({ "input": input });
        let answer = ask(&self.client, self.address, Some(&self.owner), mutation, input).await;
        accepted(&answer, name)
    }

    /// The identifier of its account.
    pub(super) async fn account(&self) -> String {
        let query = "{ viewer { account { id } } }";
        let answer = ask(&self.client, self.address, Some(&self.owner), query, json!({})).await;
        text(&answer["data"]["viewer"]["account"]["id"])
    }

    /// By the path of its URL, what each partner's webhooks are signed by.
    pub(super) fn secrets(&self) -> HashMap<String, String> {
        let secret = |partner: &Partner| (partner.path.clone(), partner.secret.clone());
        self.partners.iter().map(secret).collect()
    }

    /// For clients that come to these processes.
    pub(super) fn at(&self, addresses: Vec<SocketAddr>) -> Target {
        Target {
            addresses,
            key: self.key.clone(),
            owner: self.manager.clone(),
            flow: self.flow.clone(),
            partner: self
                .partners
                .first()
                .map(|partner| partner.id.clone())
                .unwrap_or_default(),
        }
    }
}
