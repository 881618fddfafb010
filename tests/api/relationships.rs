//! Relationships between accounts, through the API.

mod connections;
mod diagnosis;
mod find_account;
mod invitations;
mod mail;
mod pages;
mod races;
mod roles;
mod stream;
mod usage;

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::make::{Account, PASSWORD, accepted, merge, text};

/// An invitation, as either side reads it.
pub(crate) const INVITATION: &str =
    "id status direction relationshipType message from { id name } to { id name } toEmail
    mail { status attempts error sentAt } expiresAt createdAt answeredAt connection { id }";
/// A connection, as either side reads it.
pub(crate) const LINK: &str =
    "id status partner { id name } relationshipType requestedType requestedByMe suspendedByMe purpose contactName contactEmail notes
    expectedDailyVolume receivingFlow { id isInbox } lastActivityAt lastReviewedAt reviewDue connectedAt terminatedAt terminationReason";

fn mutation(name: &str, argument: &str, kind: &str, payload: &str) -> String {
    let (field, shape) = match payload {
        "invitation" => ("invitation", INVITATION),
        _ => ("connection", LINK),
    };
    format!(
        "mutation({argument}: {kind}) {{ {name}({}: {argument}) {{ {field} {{ {shape} }} userErrors {{ code message path }} }} }}",
        argument.trim_start_matches('$')
    )
}

pub(crate) fn send() -> String {
    mutation("sendInvitation", "$input", "SendInvitationInput!", "invitation")
}

pub(crate) fn accept() -> String {
    mutation("acceptInvitation", "$input", "AnswerInvitationInput!", "connection")
}

pub(crate) fn decline() -> String {
    mutation("declineInvitation", "$input", "AnswerInvitationInput!", "invitation")
}

pub(crate) fn by_input(name: &str, kind: &str) -> String {
    mutation(name, "$input", &format!("{kind}!"), "connection")
}

pub(crate) fn by_id(name: &str, payload: &str) -> String {
    mutation(name, "$id", "ID!", payload)
}

impl TestApp {
    /// Somebody signed in anew: access tokens end when the clock is moved far.
    pub(crate) async fn sign_in(&self, account: &Account) -> Account {
        let log_in = "mutation($input: LogInInput!) { logIn(input: $input) { session { accessToken } userErrors { code message path } } }";
        let input = json!({ "email": account.email, "password": PASSWORD });
        let answer = self.ask(None, log_in, json!({ "input": input })).await;
        Account {
            token: text(&accepted(&answer, "logIn")["session"]["accessToken"]),
            ..account.clone()
        }
    }

    /// A new account with a name that makes no address.
    pub(crate) async fn account_called(&self, short: &str, name: &str) -> Account {
        let account = self.account(short).await;
        let rename = "mutation($input: UpdateAccountInput!) { updateAccount(input: $input) { account { name } userErrors { code message path } } }";
        self.done(&account.token, rename, json!({ "name": name })).await;
        account
    }

    /// Invites an account by its identifier; the invitation.
    pub(crate) async fn invited(&self, from: &Account, to: &Account, relationship: &str) -> Value {
        let input = json!({ "accountId": to.id, "relationshipType": relationship });
        self.done(&from.token, &send(), input).await["invitation"].take()
    }

    /// Connects two accounts, by a relationship in the words of the first; the connection's identifier.
    pub(crate) async fn connected(&self, from: &Account, to: &Account, relationship: &str) -> String {
        let invitation = self.invited(from, to, relationship).await;
        let accepted = self.done(&to.token, &accept(), json!({ "id": invitation["id"] })).await;
        text(&accepted["connection"]["id"])
    }

    /// The payload of a mutation that takes an identifier and breaks no rule.
    pub(crate) async fn done_to(&self, token: &str, mutation: &str, id: &Value) -> Value {
        let answer = self.ask(Some(token), mutation, json!({ "id": id })).await;
        let mut payload = payload(&answer);
        assert_eq!(payload["userErrors"], json!([]), "{answer:#}");
        payload.take()
    }

    /// The codes of the broken rules of a mutation, with those variables.
    pub(crate) async fn codes(&self, token: &str, mutation: &str, variables: Value) -> Vec<String> {
        let answer = self.ask(Some(token), mutation, variables).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        let errors = payload(&answer)["userErrors"].clone();
        errors
            .as_array()
            .unwrap()
            .iter()
            .map(|error| text(&error["code"]))
            .collect()
    }

    /// An invitation as somebody reads it; null if they see none.
    pub(crate) async fn invitation(&self, reader: &Account, id: &Value) -> Value {
        let query = format!("query($id: ID!) {{ invitation(id: $id) {{ {INVITATION} }} }}");
        self.data(&reader.token, &query, json!({ "id": id })).await["invitation"].take()
    }

    /// A connection as somebody reads it; null if they see none.
    pub(crate) async fn link(&self, reader: &Account, id: &str) -> Value {
        let query = format!("query($id: ID!) {{ connection(id: $id) {{ {LINK} }} }}");
        self.data(&reader.token, &query, json!({ "id": id })).await["connection"].take()
    }

    /// The invitations that an account lists.
    pub(crate) async fn invitations(&self, reader: &Account, filter: Value) -> Vec<Value> {
        let query = format!(
            "query($direction: InvitationDirection, $status: [InvitationStatus!]) {{
                invitations(direction: $direction, status: $status) {{ nodes {{ {INVITATION} }} }} }}"
        );
        nodes(self.data(&reader.token, &query, filter).await, "invitations")
    }

    /// The connections that an account lists.
    pub(crate) async fn links(&self, reader: &Account, filter: Value) -> Vec<Value> {
        let query = format!(
            "query($status: [ConnectionStatus!], $due: Boolean, $search: String) {{
                connections(status: $status, reviewDue: $due, search: $search) {{ nodes {{ {LINK} }} }} }}"
        );
        nodes(self.data(&reader.token, &query, filter).await, "connections")
    }

    /// What an account's audit trail tells, oldest first: action, subject and kind of the actor.
    pub(crate) async fn trail(&self, reader: &Account) -> Vec<(String, String, String)> {
        let query = "{ auditEvents(first: 100) { nodes { action subjectId actor { kind } } } }";
        let mut entries = nodes(self.data(&reader.token, query, json!({})).await, "auditEvents");
        entries.reverse();
        let told = |entry: &Value| {
            (
                text(&entry["action"]),
                text(&entry["subjectId"]),
                text(&entry["actor"]["kind"]),
            )
        };
        entries.iter().map(told).collect()
    }
}

fn payload(answer: &Value) -> Value {
    let data = answer["data"].as_object().unwrap_or_else(|| panic!("{answer:#}"));
    data.values().next().unwrap().clone()
}

fn nodes(mut data: Value, name: &str) -> Vec<Value> {
    data[name]["nodes"].as_array_mut().unwrap().drain(..).collect()
}

/// Some members of an object.
pub(crate) fn pick(object: &Value, names: &[&str]) -> Value {
    let mut picked = json!({});
    for name in names {
        merge(&mut picked, json!({ *name: object[*name] }));
    }
    picked
}
