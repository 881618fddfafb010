//! Accounts, flows, partners and leads, made through the API as its users make them.

use leadmesh_core::identity::authenticate;
use leadmesh_core::identity::caller::Caller;
use serde_json::{Value, json};

use super::app::TestApp;
use super::wait::eventually;

/// An account with its owner signed in and a key that may do everything a key may.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) refresh_token: String,
    pub(crate) email: String,
    pub(crate) key: String,
}

/// A flow with its first source.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) id: String,
    pub(crate) source: String,
}

/// The password of everybody.
pub(crate) const PASSWORD: &str = "correct horse battery";

const SIGN_UP: &str = "mutation($input: SignUpInput!) { signUp(input: $input) {
    session { accessToken refreshToken } viewer { account { id } } userErrors { code message path } } }";
const CREATE_KEY: &str = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } secret userErrors { code message path } } }";
const CREATE_FLOW: &str = "mutation($input: CreateFlowInput!) { createFlow(input: $input) {
    flow { id version sources { id } } warnings userErrors { code message path } } }";
const ADD_STEP: &str = "mutation($input: AddStepInput!) { addStep(input: $input) { flow { id version steps { id } } userErrors { code message path } } }";
const CREATE_PARTNER: &str = "mutation($input: CreatePartnerInput!) { createPartner(input: $input) {
    partner { id } signingSecret userErrors { code message path } } }";
const CREATE_PROFILE: &str = "mutation($input: CreateProfileInput!) { createDistributionProfile(input: $input) { profile { id } userErrors { code message path } } }";
const ASSIGN: &str = "mutation($input: AssignPartnerInput!) { assignPartner(input: $input) { profile { id assignments { id } } userErrors { code message path } } }";
/// Submits a lead.
pub(crate) const SUBMIT: &str = "mutation($input: SubmitLeadInput!) { submitLead(input: $input) {
    receipt { id outcome reasons { code field message } warnings { code field message } price { amount currency } test idempotencyKey replayed submittedAt flowId }
    userErrors { code message path } } }";
const DELIVERIES: &str = "query($id: ID!) { lead(id: $id) { id outcome deliveries {
    id status channel test attemptCount nextAttemptAt externalId partner { id name } price { amount currency }
    failure { code message } attempts { number ok httpStatus smtpCode errorCode message responseExcerpt } review { status } } } }";

impl TestApp {
    /// A new account.
    pub(crate) async fn account(&self, name: &str) -> Account {
        let email = format!("owner@{}.test", name.to_lowercase().replace(' ', "-"));
        let input =
            json!({ "accountName": name, "name": format!("{name} Owner"), "email": email, "password": PASSWORD });
        let answer = self.ask(None, SIGN_UP, json!({ "input": input })).await;
        let payload = accepted(&answer, "signUp");
        let token = text(&payload["session"]["accessToken"]);
        let scopes = ["LEADS_SUBMIT", "LEADS_READ", "NETWORK_READ", "MANAGE"];
        let key = self
            .done(&token, CREATE_KEY, json!({ "name": "test", "scopes": scopes }))
            .await;
        Account {
            id: text(&payload["viewer"]["account"]["id"]),
            refresh_token: text(&payload["session"]["refreshToken"]),
            key: text(&key["secret"]),
            token,
            email,
        }
    }

    /// A new account whose owner acts by its key, which outlives days of the test's clock.
    pub(crate) async fn account_by_key(&self, name: &str) -> Account {
        let account = self.account(name).await;
        Account {
            token: account.key.clone(),
            ..account
        }
    }

    /// The owner, as use cases that are called directly know it.
    pub(crate) async fn caller(&self, owner: &Account) -> Caller {
        authenticate::bearer(&self.app, &owner.token, None).await.unwrap()
    }

    /// The payload of a mutation that takes one input and breaks no rule.
    pub(crate) async fn done(&self, token: &str, mutation: &str, input: Value) -> Value {
        let answer = self.ask(Some(token), mutation, json!({ "input": input })).await;
        accepted_any(&answer)
    }

    /// The broken rules of a mutation that takes one input: code and path.
    pub(crate) async fn refused(&self, token: &str, mutation: &str, input: Value) -> Vec<(String, String)> {
        let answer = self.ask(Some(token), mutation, json!({ "input": input })).await;
        broken(&answer)
    }

    /// A flow with those fields.
    pub(crate) async fn flow(&self, owner: &Account, more: Value) -> Flow {
        let mut input = json!({ "name": "Solar", "fields": standard_fields() });
        merge(&mut input, more);
        let payload = self.done(&owner.token, CREATE_FLOW, input).await;
        Flow {
            id: text(&payload["flow"]["id"]),
            source: text(&payload["flow"]["sources"][0]["id"]),
        }
    }

    /// A step at the end of a flow.
    #[expect(clippy::too_many_arguments, reason = "what a step is")]
    pub(crate) async fn step(&self, owner: &Account, flow: &Flow, name: &str, step: Value, criteria: Value) -> String {
        let input = json!({ "flowId": flow.id, "name": name, "step": step, "criteria": criteria });
        let payload = self.done(&owner.token, ADD_STEP, input).await;
        text(&payload["flow"]["steps"].as_array().unwrap().last().unwrap()["id"])
    }

    /// A step at the end of a flow that sends every lead to a profile.
    pub(crate) async fn distribute(&self, owner: &Account, flow: &Flow, profile: &str) -> String {
        let step = json!({ "distribute": { "profileId": profile } });
        self.step(owner, flow, "Distribute", step, Value::Null).await
    }

    /// A partner that gets its leads so; with its signing secret, if it has one.
    pub(crate) async fn partner(
        &self,
        owner: &Account,
        name: &str,
        delivery: Value,
        more: Value,
    ) -> (String, Option<String>) {
        let mut input =
            json!({ "name": name, "email": format!("{}@partner.test", name.to_lowercase()), "delivery": delivery });
        merge(&mut input, more);
        let payload = self.done(&owner.token, CREATE_PARTNER, input).await;
        (
            text(&payload["partner"]["id"]),
            payload["signingSecret"].as_str().map(str::to_owned),
        )
    }

    /// A profile.
    pub(crate) async fn profile(&self, owner: &Account, more: Value) -> String {
        let mut input = json!({ "name": "Everybody", "strategy": "SEND_TO_ALL" });
        merge(&mut input, more);
        text(&self.done(&owner.token, CREATE_PROFILE, input).await["profile"]["id"])
    }

    /// A place for a partner in a profile.
    pub(crate) async fn assign(&self, owner: &Account, profile: &str, partner: &str, more: Value) -> String {
        let mut input = json!({ "profileId": profile, "partnerId": partner });
        merge(&mut input, more);
        let payload = self.done(&owner.token, ASSIGN, input).await;
        text(&payload["profile"]["assignments"].as_array().unwrap().last().unwrap()["id"])
    }

    /// A flow that sends every lead to one partner that gets its leads so; the flow, the partner, its signing secret.
    pub(crate) async fn flow_to(&self, owner: &Account, delivery: Value) -> (Flow, String, Option<String>) {
        let flow = self.flow(owner, json!({})).await;
        let (partner, secret) = self.partner(owner, "P", delivery, json!({})).await;
        let profile = self.profile(owner, json!({})).await;
        self.assign(owner, &profile, &partner, json!({})).await;
        self.distribute(owner, &flow, &profile).await;
        (flow, partner, secret)
    }

    /// The receipt of a lead.
    pub(crate) async fn submit(&self, owner: &Account, flow: &Flow, fields: Value) -> Value {
        self.submit_with(owner, flow, fields, json!({})).await
    }

    /// The receipt of a lead submitted with an idempotency key, as a test, and so on.
    pub(crate) async fn submit_with(&self, owner: &Account, flow: &Flow, fields: Value, more: Value) -> Value {
        let mut input = json!({ "flowId": flow.id, "fields": fields });
        merge(&mut input, more);
        self.done(&owner.key, SUBMIT, input).await["receipt"].take()
    }

    /// The deliveries of a lead, as they stand now.
    pub(crate) async fn deliveries(&self, owner: &Account, lead: &str) -> Vec<Value> {
        let data = self.data(&owner.token, DELIVERIES, json!({ "id": lead })).await;
        data["lead"]["deliveries"]
            .as_array()
            .unwrap_or_else(|| panic!("no lead: {data:#}"))
            .clone()
    }

    /// The deliveries of a lead once each of them stands at one of these; reads again until then, at most 20 s.
    pub(crate) async fn deliveries_at(&self, owner: &Account, lead: &str, statuses: &[&str]) -> Vec<Value> {
        let there = |delivery: &Value| statuses.contains(&delivery["status"].as_str().unwrap());
        eventually(
            async || self.deliveries(owner, lead).await,
            |deliveries| deliveries.iter().all(there),
        )
        .await
    }
}

/// Fields that most tests need.
pub(crate) fn standard_fields() -> Value {
    json!([
        { "name": "first_name", "type": "TEXT" },
        { "name": "last_name", "type": "TEXT" },
        { "name": "email", "type": "EMAIL" },
        { "name": "phone", "type": "PHONE" },
        { "name": "state", "type": "STATE" },
        { "name": "score", "type": "NUMBER" },
        { "name": "company", "type": "TEXT" },
    ])
}

/// A lead that fits them.
pub(crate) fn ana() -> Value {
    json!({ "first_name": "Ana", "last_name": "Silva", "email": "Ana@Example.com", "phone": "(415) 555-0132", "state": "California", "score": 7 })
}

/// Webhook settings for a receiver of the test.
pub(crate) fn webhook(url: &str) -> Value {
    webhook_with(url, json!({}))
}

/// The same with more said.
pub(crate) fn webhook_with(url: &str, more: Value) -> Value {
    let mut webhook = json!({ "url": url, "allowInsecureHttp": true });
    merge(&mut webhook, more);
    json!({ "webhook": webhook })
}

/// The payload under that name, which broke no rule.
pub(crate) fn accepted(answer: &Value, name: &str) -> Value {
    assert!(answer.get("errors").is_none(), "{answer:#}");
    let payload = answer["data"][name].clone();
    assert_eq!(payload["userErrors"], json!([]), "{answer:#}");
    payload
}

fn accepted_any(answer: &Value) -> Value {
    let name = answer["data"]
        .as_object()
        .unwrap_or_else(|| panic!("{answer:#}"))
        .keys()
        .next()
        .unwrap()
        .clone();
    accepted(answer, &name)
}

/// The broken rules of an answer: code and dotted path.
pub(crate) fn broken(answer: &Value) -> Vec<(String, String)> {
    assert!(answer.get("errors").is_none(), "{answer:#}");
    let payload = answer["data"].as_object().unwrap().values().next().unwrap();
    let errors = payload["userErrors"].as_array().unwrap();
    assert!(!errors.is_empty(), "nothing was refused: {answer:#}");
    let path = |error: &Value| {
        error["path"]
            .as_array()
            .map(|parts| parts.iter().map(text).collect::<Vec<_>>().join("."))
            .unwrap_or_default()
    };
    errors.iter().map(|error| (text(&error["code"]), path(error))).collect()
}

/// The text in a JSON string.
pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not a text: {value}"))
        .to_owned()
}

/// Puts the members of one object into another.
pub(crate) fn merge(into: &mut Value, more: Value) {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}
