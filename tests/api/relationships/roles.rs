//! Who may do what with invitations and connections (N7), as a table.

use serde_json::{Value, json};

use super::{accept, by_id, by_input, decline, send};
use crate::support::app::{TestApp, both};
use crate::support::make::{Account, PASSWORD, accepted, text, webhook};

const READ: &str = "query($id: ID!) { invitation(id: $id) { id } }";
const LIST: &str = "query { invitations { nodes { id } } }";
const NODE: &str = "query($id: ID!) { node(id: $id) { id } }";
const LINK: &str = "query($id: ID!) { connection(id: $id) { id } }";
const INVITE: &str =
    "mutation($input: InviteUserInput!) { inviteUser(input: $input) { user { id } userErrors { code message path } } }";
const RESET: &str = "mutation($input: ResetPasswordInput!) { resetPassword(input: $input) { session { accessToken } userErrors { code message path } } }";
const CREATE_KEY: &str =
    "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret userErrors { code message path } } }";

/// Somebody of the account with that role; their access token.
async fn person(app: &TestApp, account: &Account, role: &str) -> String {
    let email = format!(
        "{}@{}",
        role.to_lowercase(),
        account.email.split('@').next_back().unwrap()
    );
    app.done(
        &account.token,
        INVITE,
        json!({ "email": email, "name": role, "role": role }),
    )
    .await;
    let input = json!({ "token": app.mailed_token(&email).await, "password": PASSWORD });
    let answer = app.ask(None, RESET, json!({ "input": input })).await;
    text(&accepted(&answer, "resetPassword")["session"]["accessToken"])
}

async fn key(app: &TestApp, account: &Account, scope: &str) -> String {
    let made = app
        .done(&account.token, CREATE_KEY, json!({ "name": scope, "scopes": [scope] }))
        .await;
    text(&made["secret"])
}

/// What somebody is told: the code of the error, else that of the first broken rule, else `null` or `ok`.
async fn told(app: &TestApp, token: Option<&str>, operation: &str, variables: Value) -> String {
    let answer = app.ask(token, operation, variables).await;
    if let Some(code) = answer["errors"][0]["extensions"]["code"].as_str() {
        return code.to_owned();
    }
    let payload = answer["data"].as_object().unwrap().values().next().unwrap();
    match payload["userErrors"][0]["code"].as_str() {
        Some(code) => code.to_owned(),
        None if payload.is_null() || payload["nodes"] == json!([]) => "null".to_owned(),
        None => "ok".to_owned(),
    }
}

both!(
    /// N7: whoever may not, is refused before anything is looked at; whoever is not concerned, is told of nothing there.
    strangers_viewers_keys_and_portal_users_are_refused_alike_for_what_is_and_what_is_not_there,
    ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
    |app| {
        let (a, b, c) = (app.account("Alpha").await, app.account("Beta").await, app.account("Gamma").await);
        let id = app.invited(&a, &b, "BOTH").await["id"].take();
        let link = app.connected(&b, &app.account("Delta").await, "BOTH").await;
        let (partner, _) = app.partner(&b, "P", webhook("http://127.0.0.1:9/"), json!({})).await;
        let callers = [
            // who, the token, and what they are told: reading, listing, the connection, and changing
            ("nobody", None, ["UNAUTHENTICATED"; 4]),
            ("a stranger", Some(c.token.clone()), ["null", "null", "null", "NOT_FOUND"]),
            ("a viewer", Some(person(&app, &b, "VIEWER").await), ["FORBIDDEN", "FORBIDDEN", "ok", "FORBIDDEN"]),
            ("a member", Some(person(&app, &b, "MEMBER").await), ["ok", "ok", "ok", "FORBIDDEN"]),
            ("a key that submits", Some(key(&app, &b, "LEADS_SUBMIT").await), ["FORBIDDEN"; 4]),
            ("a key that reads leads", Some(key(&app, &b, "LEADS_READ").await), ["FORBIDDEN"; 4]),
            ("a key that reads the network", Some(key(&app, &b, "NETWORK_READ").await), ["ok", "ok", "ok", "FORBIDDEN"]),
            ("a key that manages", Some(key(&app, &b, "MANAGE").await), ["ok", "ok", "ok", "FORBIDDEN"]),
            ("a portal user", Some(app.portal_user(&b, &partner, "pat@buyer.test").await), ["FORBIDDEN"; 4]),
        ];
        let unknown = json!("inv_01h455vb4pex5vsknk084sn02q");
        let changes = [
            (accept(), json!({ "input": { "id": id } }), json!({ "input": { "id": unknown } })),
            (decline(), json!({ "input": { "id": id } }), json!({ "input": { "id": unknown } })),
            (by_id("resendInvitation", "invitation"), json!({ "id": id }), json!({ "id": unknown })),
            (by_id("cancelInvitation", "invitation"), json!({ "id": id }), json!({ "id": unknown })),
            (by_id("terminateConnection", "connection"), json!({ "id": link }), json!({ "id": unknown })),
        ];
        for (who, token, [read, list, connection, change]) in &callers {
            let token = token.as_deref();
            assert_eq!(told(&app, token, READ, json!({ "id": id })).await, *read, "{who}");
            assert_eq!(told(&app, token, LIST, json!({})).await, *list, "{who}");
            assert_eq!(told(&app, token, LINK, json!({ "id": link })).await, *connection, "{who}");
            for (mutation, there, absent) in &changes {
                assert_eq!(told(&app, token, mutation, there.clone()).await, *change, "{who}: {mutation}");
                assert_eq!(told(&app, token, mutation, absent.clone()).await, *change, "{who}: {mutation}");
            }
            let node = told(&app, token, NODE, json!({ "id": id })).await;
            let none = told(&app, token, NODE, json!({ "id": unknown })).await;
            assert!(if *read == "ok" { node == "ok" } else { node == none }, "{who}: {node}");
        }
        assert_eq!(app.invitation(&a, &id).await["status"], "PENDING", "nobody has changed anything");
        assert_eq!(app.link(&b, &link).await["status"], "ACTIVE");
        let admin = person(&app, &b, "ADMIN").await;
        assert_eq!(told(&app, Some(&admin), &accept(), json!({ "input": { "id": id } })).await, "ok");
    }
);

both!(
    sending_and_changing_takes_an_owner_or_admin,
    [
        "--smtp-url",
        "smtp+plain://127.0.0.1:9",
        "--mail-from",
        "leads@leadmesh.test"
    ],
    |app| {
        let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
        let id = app.connected(&a, &b, "BOTH").await;
        let inputs = [
            (send(), json!({ "email": "x@y.test", "relationshipType": "BOTH" })),
            (
                by_input("updateConnection", "UpdateConnectionInput"),
                json!({ "id": id, "notes": "x" }),
            ),
            (
                by_input("requestRelationshipType", "RelationshipTypeInput"),
                json!({ "connectionId": id, "relationshipType": "SEND_LEADS" }),
            ),
            (
                by_input("answerRelationshipType", "AnswerRelationshipTypeInput"),
                json!({ "connectionId": id, "accept": true }),
            ),
            (
                by_input("setReceivingFlow", "ReceivingFlowInput"),
                json!({ "connectionId": id, "flowId": id }),
            ),
        ];
        for token in [
            person(&app, &a, "MEMBER").await,
            person(&app, &a, "VIEWER").await,
            a.key.clone(),
        ] {
            for (mutation, input) in &inputs {
                assert_eq!(
                    told(&app, Some(&token), mutation, json!({ "input": input })).await,
                    "FORBIDDEN",
                    "{mutation}"
                );
            }
            for name in [
                "markConnectionReviewed",
                "suspendConnection",
                "resumeConnection",
                "terminateConnection",
            ] {
                let mutation = by_id(name, "connection");
                assert_eq!(
                    told(&app, Some(&token), &mutation, json!({ "id": id })).await,
                    "FORBIDDEN",
                    "{name}"
                );
            }
        }
        let admin = person(&app, &a, "ADMIN").await;
        assert_eq!(
            told(
                &app,
                Some(&admin),
                &by_id("markConnectionReviewed", "connection"),
                json!({ "id": id })
            )
            .await,
            "ok"
        );
    }
);
