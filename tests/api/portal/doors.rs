//! Coming in: invitations, activation, log-in and new passwords of portal users, by the letters that a real mail server gets.

use serde_json::{Value, json};

use crate::support::app::{TestApp, mailed};
use crate::support::mail::ReceivedMail;
use crate::support::make::{PASSWORD, accepted, broken, text};

const ACCESS: &str = "mutation($input: PortalAccessInput!) { setPortalAccess(input: $input) { partner { id } userErrors { code message path } } }";
const INVITE: &str = "mutation($input: InvitePortalUserInput!) { invitePortalUser(input: $input) {
    portalUser { email activatedAt } userErrors { code message path } } }";
const ACTIVATE: &str = "mutation($input: ActivatePortalUserInput!) { activatePortalUser(input: $input) {
    session { accessToken refreshToken } viewer { portalUser { name email } } userErrors { code message path } } }";
const LOG_IN: &str = "mutation($input: PortalLogInInput!) { portalLogIn(input: $input) {
    session { accessToken refreshToken } userErrors { code message path } } }";
const LOG_IN_TO_ACCOUNT: &str = "mutation($input: LogInInput!) { logIn(input: $input) { session { accessToken } userErrors { code message path } } }";
const REQUEST: &str = "mutation($email: EmailAddress!) { requestPortalPasswordReset(email: $email) { ok } }";
const PORTAL: &str = "{ portal { partnerName accountName user { email name } } }";
const EMAIL: &str = "pat@buyer.test";
const NEW: &str = "horse battery staple";

/// The token of the link in a letter to Pat.
fn token(mail: &ReceivedMail) -> String {
    assert_eq!(mail.recipients, [EMAIL]);
    let body = mail.text().unwrap();
    let (_, rest) = body
        .split_once("http://leadmesh.test/portal/")
        .unwrap_or_else(|| panic!("no link: {body}"));
    let (_, token) = rest.split_once("?token=").unwrap();
    token.split([' ', '\r', '\n', '&']).next().unwrap().to_owned()
}

/// Sets a password by a link.
async fn activate(app: &TestApp, token: &str, password: &str) -> Value {
    let input = json!({ "token": token, "password": password, "name": "Pat" });
    app.ask(None, ACTIVATE, json!({ "input": input })).await
}

async fn log_in(app: &TestApp, password: &str) -> Value {
    let input = json!({ "email": "Pat@Buyer.test", "password": password });
    app.ask(None, LOG_IN, json!({ "input": input })).await
}

fn is_refused(answer: &Value) {
    assert_eq!(broken(answer), [("INVALID".to_owned(), "input".to_owned())]);
}

mailed!(
    /// The mailed link lets Pat in, once; so does the one for a new password, after which the old one and all sessions are over.
    a_portal_user_comes_in_by_mailed_links_each_of_which_works_once,
    |app, letters| {
        let owner = app.account("Acme").await;
        let (partner, _) = app.partner(&owner, "P", json!({ "portal": {} }), json!({})).await;
        let invite = json!({ "partnerId": partner, "email": "Pat@Buyer.test" });
        assert_eq!(app.refused(&owner.token, INVITE, invite.clone()).await[0].0, "NOT_CONFIGURED", "the portal is off");
        app.done(&owner.token, ACCESS, json!({ "partnerId": partner, "enabled": true })).await;
        let invited = app.done(&owner.token, INVITE, invite).await;
        assert_eq!(invited["portalUser"], json!({ "email": EMAIL, "activatedAt": null }));
        let letter = letters.wait_for(1).await.remove(0);
        assert!(letter.subject().contains("Acme"), "{}", letter.subject());
        is_refused(&log_in(&app, PASSWORD).await);

        let link = token(&letter);
        let unknown = broken(&activate(&app, "nonsense", PASSWORD).await);
        assert_eq!(unknown[0].1, "input.token");
        assert_eq!(broken(&activate(&app, &link, "short").await), [("INVALID".to_owned(), "input.password".to_owned())]);
        let active = accepted(&activate(&app, &link, PASSWORD).await, "activatePortalUser");
        assert_eq!(active["viewer"]["portalUser"], json!({ "name": "Pat", "email": EMAIL }));
        let first = text(&active["session"]["accessToken"]);
        let portal = json!({ "partnerName": "P", "accountName": "Acme", "user": { "email": EMAIL, "name": "Pat" } });
        assert_eq!(app.data(&first, PORTAL, json!({})).await["portal"], portal);
        let again = broken(&activate(&app, &link, NEW).await);
        assert_eq!(again, [("EXPIRED".to_owned(), "input.token".to_owned())]);

        is_refused(&log_in(&app, NEW).await);
        let signed_in = accepted(&log_in(&app, PASSWORD).await, "portalLogIn");
        let second = text(&signed_in["session"]["accessToken"]);
        assert_eq!(app.data(&second, PORTAL, json!({})).await["portal"], portal);
        let elsewhere = json!({ "input": { "email": EMAIL, "password": PASSWORD } });
        is_refused(&app.ask(None, LOG_IN_TO_ACCOUNT, elsewhere).await);

        for email in ["nobody@buyer.test", "Pat@Buyer.test"] {
            let answer = app.ask(None, REQUEST, json!({ "email": email })).await;
            assert_eq!(answer["data"]["requestPortalPasswordReset"]["ok"], true, "alike for everybody: {answer}");
        }
        let letter = letters.wait_for(2).await.remove(1);
        let link = token(&letter);
        let active = accepted(&activate(&app, &link, NEW).await, "activatePortalUser");
        let third = text(&active["session"]["accessToken"]);
        assert_eq!(app.data(&third, PORTAL, json!({})).await["portal"], portal);
        for token in [&first, &second] {
            assert_eq!(app.error_code(Some(token), PORTAL, json!({})).await, "UNAUTHENTICATED", "other sessions are over");
        }
        is_refused(&log_in(&app, PASSWORD).await);
        accepted(&log_in(&app, NEW).await, "portalLogIn");
        let again = broken(&activate(&app, &link, PASSWORD).await);
        assert_eq!(again, [("EXPIRED".to_owned(), "input.token".to_owned())]);
        assert_eq!(letters.count(), 2, "nobody else got a letter");
    }
);
