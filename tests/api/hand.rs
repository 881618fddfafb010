//! What people do about deliveries by hand.

mod bounces;
mod cancelling;
mod csv;
mod diagnosis;
mod idle;
mod log;
mod report;
mod rights;
mod settling;
mod trying;

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::make::{Account, PASSWORD, accepted, text};
use crate::support::wait::eventually;

pub(crate) const RETRY_MANY: &str = "mutation($filter: DeliveryFilter!) { retryDeliveries(filter: $filter) { requeued userErrors { code message path } } }";
pub(crate) const RESOLVE: &str = "mutation($input: ResolveDeliveryInput!) { resolveDelivery(input: $input) {
    delivery { id status externalId failure { code message } nextAttemptAt } userErrors { code message path } } }";
pub(crate) const TRY: &str = "mutation($input: TestDeliveryInput!) { sendTestDelivery(input: $input) {
    delivery { id status test channel partner { id } lead { id test fields source { id } } } userErrors { code message path } } }";
pub(crate) const DIAGNOSE: &str =
    "query($id: ID!) { diagnoseDelivery(id: $id) { ok checks { name passed message remedy } } }";
pub(crate) const LIST: &str = "query($filter: DeliveryFilter) { deliveries(filter: $filter, first: 100) { nodes {
    id status channel test failure { code message } externalId lead { id } } } }";

impl TestApp {
    /// How many deliveries are tried again.
    pub(crate) async fn retry_many(&self, owner: &Account, filter: Value) -> i64 {
        let answer = self
            .ask(Some(&owner.token), RETRY_MANY, json!({ "filter": filter }))
            .await;
        accepted(&answer, "retryDeliveries")["requeued"].as_i64().unwrap()
    }

    /// The deliveries that fit, newest first.
    pub(crate) async fn listed(&self, owner: &Account, filter: Value) -> Vec<Value> {
        let data = self.data(&owner.token, LIST, json!({ "filter": filter })).await;
        data["deliveries"]["nodes"].as_array().unwrap().clone()
    }

    /// A delivery once it stands there; reads again until then, at most 20 s.
    pub(crate) async fn delivery_at(&self, owner: &Account, id: &str, status: &str) -> Value {
        const ONE: &str = "query($id: ID!) { delivery(id: $id) { id status test channel attemptCount failure { code message } externalId
            lead { id fields rawFields test } attempts { number startedAt durationMs ok httpStatus errorCode message responseExcerpt } } }";
        let read = async || self.data(&owner.token, ONE, json!({ "id": id })).await["delivery"].take();
        eventually(read, |found| found["status"] == status).await
    }

    /// The owner with a new access token: after the clock was moved by more than one lasts.
    pub(crate) async fn signed_in(&self, owner: &Account) -> Account {
        const LOG_IN: &str = "mutation($input: LogInInput!) { logIn(input: $input) { session { accessToken } userErrors { code message path } } }";
        let input = json!({ "email": owner.email, "password": PASSWORD });
        let answer = self.ask(None, LOG_IN, json!({ "input": input })).await;
        Account {
            token: text(&accepted(&answer, "logIn")["session"]["accessToken"]),
            ..owner.clone()
        }
    }

    /// Somebody of the account with that role; their access token. The app needs a mail server, and no working one.
    pub(crate) async fn colleague(&self, owner: &Account, email: &str, role: &str) -> String {
        const INVITE: &str = "mutation($input: InviteUserInput!) { inviteUser(input: $input) { user { id } userErrors { code message path } } }";
        const RESET: &str = "mutation($input: ResetPasswordInput!) { resetPassword(input: $input) { session { accessToken } userErrors { code message path } } }";
        let input = json!({ "email": email, "name": role, "role": role });
        self.done(&owner.token, INVITE, input).await;
        let input = json!({ "token": self.mailed_token(email).await, "password": PASSWORD });
        let answer = self.ask(None, RESET, json!({ "input": input })).await;
        text(&accepted(&answer, "resetPassword")["session"]["accessToken"])
    }

    /// What the trail says of something, oldest first.
    pub(crate) async fn audited(&self, owner: &Account, subject: &str) -> Vec<String> {
        const AUDIT: &str = "query($id: ID!) { auditEvents(subjectId: $id) { nodes { action } } }";
        let data = self.data(&owner.token, AUDIT, json!({ "id": subject })).await;
        let nodes = data["auditEvents"]["nodes"].as_array().unwrap();
        nodes.iter().rev().map(|node| text(&node["action"])).collect()
    }
}
