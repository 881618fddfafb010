//! `leadmesh account`: letting people in who cannot get in by themselves.

use std::path::Path;

use serde_json::{Value, json};

use super::process::{Run, leadmesh, run};
use crate::support::app::client;

const PASSWORD: &str = "a password of my own";

/// A server and its address.
async fn server(dir: &Path) -> (Run, String) {
    leadmesh_core::tls::install_tls();
    let mut command = leadmesh(dir, &["serve"]);
    command.envs([("LEADMESH_LISTEN", "127.0.0.1:0"), ("LEADMESH_LOG_FORMAT", "json")]);
    let server = Run::start(command);
    let log = server.logs("\"ready\"");
    let ready: Value = serde_json::from_str(log.last().unwrap()).unwrap();
    let graphiql = ready["graphiql"].as_str().unwrap_or_else(|| panic!("{ready}"));
    let url = format!("{graphiql}graphql");
    (server, url)
}

async fn post(url: &str, token: Option<&str>, query: &str, input: Value) -> Value {
    let client = client();
    let mut request = client
        .post(url)
        .json(&json!({ "query": query, "variables": { "input": input } }));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.unwrap().json().await.unwrap()
}

/// What a command prints, and the token of the link in it.
fn handed(dir: &Path, arguments: &[&str]) -> (String, String) {
    let mut command = leadmesh(dir, arguments);
    command.env("RUST_LOG", "trace");
    let ended = run(command);
    let errors = ended.errors.clone();
    let out = ended.succeeded();
    let (_, token) = out
        .split_once("/set-password?token=")
        .unwrap_or_else(|| panic!("{out}"));
    let token = token.trim().to_owned();
    assert!(!errors.contains(&token), "no log shows it");
    (out, token)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_lets_an_owner_in_beside_a_running_server_without_mail() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, url) = server(dir.path()).await;
    let sign_up = "mutation($input: SignUpInput!) { signUp(input: $input) { session { accessToken } viewer { account { id } } } }";
    let ada =
        json!({ "accountName": "Acme", "name": "Ada", "email": "ada@acme.test", "password": "correct horse battery" });
    let signed_up = post(&url, None, sign_up, ada).await["data"]["signUp"].take();
    let account = signed_up["viewer"]["account"]["id"].as_str().unwrap().to_owned();
    let reset = "mutation($input: ResetPasswordInput!) { resetPassword(input: $input) {
        session { accessToken } viewer { account { id } user { email role emailVerifiedAt } } userErrors { code } } }";

    let (out, token) = handed(
        dir.path(),
        &["account", "create-owner", &account, "Bo@Acme.test", "--name", "Bo"],
    );
    assert!(
        out.starts_with("bo@acme.test (usr_") && out.contains("OWNER of Acme (acct_"),
        "{out}"
    );
    let entered =
        post(&url, None, reset, json!({ "token": token, "password": PASSWORD })).await["data"]["resetPassword"].take();
    let expected = json!({ "email": "bo@acme.test", "role": "OWNER", "emailVerifiedAt": null });
    assert_eq!(
        (&entered["viewer"]["user"], &entered["viewer"]["account"]["id"]),
        (&expected, &json!(account))
    );

    let (_, token) = handed(dir.path(), &["account", "reset-password", "ada@acme.test"]);
    let old = signed_up["session"]["accessToken"].as_str();
    let me = "{ viewer { user { email } } }";
    assert!(
        post(&url, old, me, json!({})).await["errors"].is_null(),
        "nothing ends before the link is used"
    );
    let entered =
        post(&url, None, reset, json!({ "token": token, "password": PASSWORD })).await["data"]["resetPassword"].take();
    assert_eq!(entered["viewer"]["user"]["email"], "ada@acme.test", "{entered}");
    assert!(post(&url, old, me, json!({})).await["errors"].is_array());
    let again = post(&url, None, reset, json!({ "token": token, "password": PASSWORD })).await;
    assert_eq!(again["data"]["resetPassword"]["userErrors"][0]["code"], "EXPIRED");

    let token = entered["session"]["accessToken"].as_str();
    let trail = post(
        &url,
        token,
        "{ auditEvents { nodes { action actor { kind } subjectId } } }",
        json!({}),
    )
    .await;
    for action in ["user.created_by_operator", "password.link_made_by_operator"] {
        let entries = trail["data"]["auditEvents"]["nodes"].as_array().unwrap();
        let entry = entries.iter().find(|entry| entry["action"] == action);
        assert_eq!(entry.unwrap_or_else(|| panic!("{trail}"))["actor"]["kind"], "SYSTEM");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_operator_means_has_to_be_clear() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, url) = server(dir.path()).await;
    let sign_up = "mutation($input: SignUpInput!) { signUp(input: $input) { viewer { account { id } } } }";
    let mut accounts = Vec::new();
    for name in ["a", "b"] {
        let input = json!({ "accountName": name, "name": name, "email": format!("{name}@acme.test"), "password": "correct horse battery" });
        let made = post(&url, None, sign_up, input).await;
        accounts.push(
            made["data"]["signUp"]["viewer"]["account"]["id"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    let refused = |arguments: &[&str]| {
        let mut command = leadmesh(dir.path(), arguments);
        command.env("RUST_LOG", "off");
        run(command).failed(1)
    };
    let create = |account: &str, email: &str| handed(dir.path(), &["account", "create-owner", account, email]);
    create(&accounts[0], "both@acme.test");
    create(&accounts[1], "both@acme.test");
    assert!(refused(&["account", "create-owner", &accounts[0], "both@acme.test"]).contains("reset-password"));
    assert!(
        refused(&[
            "account",
            "create-owner",
            "acct_01h455vb4pex5vsknk084sn02q",
            "x@acme.test"
        ])
        .contains("no such account")
    );
    assert!(refused(&["account", "create-owner", &accounts[0], "nobody"]).contains("not an email address"));
    assert!(refused(&["account", "reset-password", "nobody@acme.test"]).contains("no user has this address"));
    let several = refused(&["account", "reset-password", "both@acme.test"]);
    assert!(accounts.iter().all(|account| several.contains(account)), "{several}");
    let (out, _) = handed(
        dir.path(),
        &["account", "reset-password", "both@acme.test", "--account", &accounts[1]],
    );
    assert!(out.contains(&format!("of b ({})", accounts[1])), "{out}");
}
