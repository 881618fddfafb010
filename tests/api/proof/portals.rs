//! One person in the portals of several accounts.

use serde_json::json;

use super::*;

pub(super) const OPEN: &str = "mutation($input: PortalAccessInput!) { setPortalAccess(input: $input) { partner { id } userErrors { code message path } } }";
pub(super) const INVITE: &str = "mutation($input: InvitePortalUserInput!) { invitePortalUser(input: $input) {
    portalUser { id emailVerifiedAt } oneTimeLink userErrors { code message path } } }";
const ACTIVATE: &str = "mutation($input: ActivatePortalUserInput!) { activatePortalUser(input: $input) {
    session { accessToken } userErrors { code message path } } }";
const PORTAL_LOG_IN: &str = "mutation($input: PortalLogInInput!) { portalLogIn(input: $input) {
    session { accessToken } userErrors { code message path } } }";
const ASK: &str = "mutation($email: EmailAddress!) { requestPortalPasswordReset(email: $email) { ok userErrors { code message path } } }";
const WHERE: &str = "{ portal { accountName } }";

impl TestApp {
    /// A partner whose portal is on.
    async fn portal_of(&self, owner: &Account, name: &str) -> String {
        let create = "mutation($input: CreatePartnerInput!) { createPartner(input: $input) { partner { id } userErrors { code message path } } }";
        let input = json!({ "name": name, "email": "leads@buyer.test", "delivery": { "portal": {} } });
        let partner = text(&self.done(&owner.token, create, input).await["partner"]["id"]);
        self.done(&owner.token, OPEN, json!({ "partnerId": partner, "enabled": true }))
            .await;
        partner
    }

    /// The account into whose portal an address and a password lead.
    async fn portal_entered(&self, password: &str, more: serde_json::Value) -> Option<String> {
        let mut input = json!({ "email": "Pat@buyer.test", "password": password });
        crate::support::make::merge(&mut input, more);
        let answer = self.ask(None, PORTAL_LOG_IN, json!({ "input": input })).await;
        let token = answer["data"]["portalLogIn"]["session"]["accessToken"]
            .as_str()?
            .to_owned();
        let shown = self.data(&token, WHERE, json!({})).await;
        Some(text(&shown["portal"]["accountName"]))
    }
}

proven!(an_address_is_unique_within_a_partner_and_nowhere_else, |app| {
    let (a, b) = (
        app.owns("Alpha", "ann@alpha.test").await,
        app.owns("Beta", "bo@beta.test").await,
    );
    let (one, other) = (app.portal_of(&a, "Roofs").await, app.portal_of(&b, "Windows").await);
    let mut answers = Vec::new();
    for (owner, partner, password) in [(&a, &one, "the password of one"), (&b, &other, "the other password")] {
        let mut invited = app
            .done(
                &owner.token,
                INVITE,
                json!({ "partnerId": partner, "email": "pat@buyer.test" }),
            )
            .await;
        invited["portalUser"]["id"].take();
        answers.push(invited);
        let input = json!({ "token": app.mailed_token("pat@buyer.test").await, "password": password });
        accepted(
            &app.ask(None, ACTIVATE, json!({ "input": input })).await,
            "activatePortalUser",
        );
        let again = json!({ "partnerId": partner, "email": "PAT@buyer.test" });
        assert_eq!(
            app.refused(&owner.token, INVITE, again).await,
            [("TAKEN".to_owned(), "input.email".to_owned())]
        );
        let seen = app
            .data(
                &owner.token,
                "query($id: ID!) { partner(id: $id) { portalAccess { users { emailVerifiedAt } } } }",
                json!({ "id": partner }),
            )
            .await;
        assert!(seen["partner"]["portalAccess"]["users"][0]["emailVerifiedAt"].is_string());
    }
    assert_eq!(answers[0], answers[1], "nothing tells that the address is known");
    assert_eq!(answers[0]["oneTimeLink"], serde_json::Value::Null);
    assert_eq!(
        app.portal_entered("the password of one", json!({})).await.as_deref(),
        Some("Alpha")
    );
    assert_eq!(
        app.portal_entered("the other password", json!({})).await.as_deref(),
        Some("Beta")
    );
    assert_eq!(
        app.portal_entered("the other password", json!({ "partnerId": one }))
            .await,
        None
    );

    // A new password is for one of them, and the mail says which.
    accepted(
        &app.ask(None, ASK, json!({ "email": "pat@buyer.test" })).await,
        "requestPortalPasswordReset",
    );
    let mail = app.mails_to("pat@buyer.test").await.pop().unwrap();
    let (roofs, windows) = (
        mail.find("“Roofs” from “Alpha”").unwrap(),
        mail.find("“Windows” from “Beta”").unwrap(),
    );
    let place = usize::from(windows > roofs);
    let input = json!({ "token": tokens(&mail)[place], "password": "the password of one" });
    accepted(
        &app.ask(None, ACTIVATE, json!({ "input": input })).await,
        "activatePortalUser",
    );
    assert_eq!(app.portal_entered("the other password", json!({})).await, None);
    for (partner, name) in [(&one, "Alpha"), (&other, "Beta")] {
        let entered = app
            .portal_entered("the password of one", json!({ "partnerId": partner }))
            .await;
        assert_eq!(entered.as_deref(), Some(name), "one password for both");
    }
});

crate::support::app::both!(without_mail_the_link_of_a_portal_is_answered_once, |app| {
    let owner = app.account("Alpha").await;
    let partner = app.portal_of(&owner, "Roofs").await;
    let input = json!({ "partnerId": partner, "email": "pat@buyer.test" });
    let link = text(&app.done(&owner.token, INVITE, input).await["oneTimeLink"]);
    assert!(
        link.starts_with("http://leadmesh.test/portal/set-password?token=lmt_"),
        "{link}"
    );
    assert!(link.ends_with(&format!("&partner={partner}")), "{link}");
    let token = tokens(&link)[0].clone();
    assert!(!app.dump().await.contains(&token));
    let input = json!({ "token": token, "password": PASSWORD });
    accepted(
        &app.ask(None, ACTIVATE, json!({ "input": input })).await,
        "activatePortalUser",
    );
    assert_eq!(app.portal_entered(PASSWORD, json!({})).await.as_deref(), Some("Alpha"));
    assert_eq!(
        app.in_portal(&owner, &partner, "pat@buyer.test").await["email"],
        "pat@buyer.test"
    );
});

crate::support::app::both!(
    /// Without mail, whoever invites gets the links and may set any password: that keeps nobody out who was there before.
    who_claims_an_address_later_keeps_nobody_out_of_a_portal,
    |app| {
        let join = async |owner: &Account, name: &str, password: &str| {
            let partner = app.portal_of(owner, name).await;
            let input = json!({ "partnerId": partner, "email": "pat@buyer.test" });
            let link = text(&app.done(&owner.token, INVITE, input).await["oneTimeLink"]);
            let input = json!({ "token": tokens(&link)[0], "password": password });
            accepted(&app.ask(None, ACTIVATE, json!({ "input": input })).await, "activatePortalUser");
            partner
        };
        let (honest, thief) = (app.account("Honest").await, app.account("Thief").await);
        join(&honest, "Roofs", PASSWORD).await;
        let mut last = String::new();
        for number in 0..4 {
            last = join(&thief, &format!("Bait {number}"), &format!("bait number {number}")).await;
        }
        assert_eq!(app.portal_entered(PASSWORD, json!({})).await.as_deref(), Some("Honest"));
        // Who has more portals than passwords are compared with says which.
        assert_eq!(app.portal_entered("bait number 3", json!({})).await, None);
        let entered = app.portal_entered("bait number 3", json!({ "partnerId": last })).await;
        assert_eq!(entered.as_deref(), Some("Thief"));
    }
);
