//! Accounts that somebody has made ready in another's name, and their owner then gets.

use serde_json::{Value, json};

use super::*;
use crate::relationships::send;
use crate::support::app::{Mode, both, client};

const CREATE_KEY: &str =
    "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret userErrors { code message path } } }";
const UPDATE: &str = "mutation($input: UpdateAccountInput!) { updateAccount(input: $input) { account { id } userErrors { code message path } } }";
const OWN: &str = "a password of my own";

impl TestApp {
    /// What the reader of an address is told before they take an account: by the mail, the refusal and the page; none if nothing.
    async fn told_at_reset(&self, email: &str) -> Option<String> {
        self.asks_reset(email).await;
        let mail = self.mails_to(email).await.pop().unwrap();
        let token = tokens(&mail)[0].clone();
        let input = json!({ "token": token, "password": OWN });
        let page = self
            .get(&format!("/set-password?token={token}"))
            .await
            .text()
            .await
            .unwrap();
        let answer = self.ask(None, RESET, json!({ "input": input })).await;
        let refused = answer["data"]["resetPassword"]["userErrors"][0]["message"]
            .as_str()
            .map(str::to_owned);
        assert_eq!(refused.is_some(), page.contains("name=\"confirm\""), "{page}");
        assert_eq!(refused.is_some(), mail.contains("Besides you it has"), "{mail}");
        if refused.is_some() {
            assert_eq!(
                broken(&answer),
                [("CONFLICT".to_owned(), "input.confirmAccount".to_owned())]
            );
        }
        refused
    }

    async fn proves(&self, token: &str, bearer: Option<&str>, confirmed: bool) -> Value {
        let verify =
            "mutation($token: String!, $confirmed: Boolean!) { verifyEmail(token: $token, confirmAccount: $confirmed) {
            ok userErrors { code message path } } }";
        let variables = json!({ "token": token, "confirmed": confirmed });
        self.ask(bearer, verify, variables).await["data"]["verifyEmail"].take()
    }
}

proven!(
    /// Each by itself, and nothing of it before.
    whatever_gives_others_access_is_told_before_an_account_is_taken,
    |app| {
        let second = app.owns("Second", "eve@thief.test").await;
        let step = json!({ "buyer": { "sharedFields": { "mode": "ALL" }, "invite": { "accountId": second.id, "relationshipType": "BOTH" } } });
        let add_step = "mutation($input: AddStepInput!) { addStep(input: $input) { flow { id } userErrors { code message path } } }";
        let contact = json!({ "contactEmail": "eve9@evil.test" });
        let by_id = |id: &str| json!({ "accountId": id, "relationshipType": "BOTH" });
        for (place, what) in ["flow besides the inbox", "step that sends leads", "invitation that waits", "received invitation", "contact address eve9@evil.test", "portal user", "API key"]
            .into_iter()
            .enumerate()
        {
            let email = format!("boss{place}@bigcorp.test");
            let thief = app.claims("Thief", &email, PASSWORD).await;
            match place {
                0 => drop(app.flow(&thief, json!({})).await),
                1 => {
                    let flow = app.flow(&thief, json!({})).await;
                    app.done(&thief.token, add_step, json!({ "flowId": flow.id, "name": "Out", "enabled": true, "step": step })).await;
                }
                2 => drop(app.done(&thief.token, &send(), by_id(&second.id)).await),
                3 => drop(app.done(&second.token, &send(), by_id(&thief.id)).await),
                4 => {
                    app.done(&thief.token, UPDATE, contact.clone()).await;
                    app.prove(&app.mailed_token("eve9@evil.test").await).await;
                }
                5 => {
                    let partner = app.partner(&thief, "Roofs", json!({ "portal": {} }), json!({})).await.0;
                    app.done(&thief.token, super::portals::OPEN, json!({ "partnerId": partner, "enabled": true })).await;
                    app.done(&thief.token, super::portals::INVITE, json!({ "partnerId": partner, "email": "pat@evil.test" })).await;
                }
                _ => drop(app.done(&thief.token, CREATE_KEY, json!({ "name": "k", "scopes": ["LEADS_READ"] })).await),
            }
            let told = app.told_at_reset(&email).await.unwrap_or_else(|| panic!("{what}: not asked"));
            assert!(told.contains(what), "{what}: {told}");
        }
        app.claims("Honest", "ann@honest.test", PASSWORD).await;
        assert_eq!(app.told_at_reset("ann@honest.test").await, None);
    }
);

proven!(
    /// The button of the mail shows who reads the address, and not who has the password.
    the_button_of_a_mail_does_not_answer_for_what_is_in_the_account, |app| {
        let thief = app.claims("Thief", "cfo@bigcorp.test", PASSWORD).await;
        let token = app.mailed_token("cfo@bigcorp.test").await;
        app.prove(&token).await;
        // Made after the button was pressed, by whoever still has the password.
        let input = json!({ "email": "eve@thief.test", "name": "Eve", "role": "OWNER" });
        app.done(&thief.token, INVITE_USER, input).await;
        app.done(&thief.token, CREATE_KEY, json!({ "name": "k", "scopes": ["MANAGE"] })).await;
        let change = "mutation($input: ChangePasswordInput!) { changePassword(input: $input) { user { id } userErrors { code message path } } }";
        let input = json!({ "currentPassword": PASSWORD, "newPassword": "the thief's next one" });
        app.done(&thief.token, change, input).await;
        let told = app.told_at_reset("cfo@bigcorp.test").await.unwrap();
        assert!(told.contains("Eve <eve@thief.test>, OWNER; 1 API key"), "{told}");

        // Made before it: the button asks as well.
        let thief = app.claims("Thief", "coo@bigcorp.test", PASSWORD).await;
        app.done(&thief.token, CREATE_KEY, json!({ "name": "k", "scopes": ["MANAGE"] })).await;
        let token = app.mailed_token("coo@bigcorp.test").await;
        let page = app.get(&format!("/verify-email?token={token}")).await.text().await.unwrap();
        assert!(page.contains("<li>1 API key</li>") && page.contains("name=\"confirm\""), "{page}");
        let refused = app.proves(&token, None, false).await;
        assert_eq!(refused["userErrors"][0]["code"], "CONFLICT", "{refused}");
        assert_eq!(refused["userErrors"][0]["path"], json!(["confirmAccount"]), "{refused}");
        let other = app.owns("Other", "ann@other.test").await;
        assert_eq!(app.proves(&token, Some(&other.token), false).await["userErrors"][0]["code"], "CONFLICT");
        assert_eq!(app.proves(&token, None, true).await["ok"], true);
        assert!(app.told_at_reset("coo@bigcorp.test").await.is_some(), "who has the password may have done more");
    }
);

proven!(
    /// Who is signed in as the person, or has set the password by a mailed link, is not asked again.
    who_has_shown_both_is_not_asked, |app| {
        let ann = app.claims("Acme", "ann@acme.test", PASSWORD).await;
        app.done(&ann.token, CREATE_KEY, json!({ "name": "k", "scopes": ["MANAGE"] })).await;
        let token = app.mailed_token("ann@acme.test").await;
        assert_eq!(app.proves(&token, Some(&ann.token), false).await["ok"], true);
        assert_eq!(app.told_at_reset("ann@acme.test").await, None);
        // Set by a mailed link now.
        assert_eq!(app.told_at_reset("ann@acme.test").await, None);

        // Another address is another question.
        let bo = app.claims("Beta", "bo@beta.test", PASSWORD).await;
        app.proves(&app.mailed_token("bo@beta.test").await, Some(&bo.token), false).await;
        app.done(&bo.token, CREATE_KEY, json!({ "name": "k", "scopes": ["MANAGE"] })).await;
        let change = "mutation($input: ChangeEmailInput!) { changeEmail(input: $input) { user { id } userErrors { code message path } } }";
        app.done(&bo.token, change, json!({ "email": "ceo@bigcorp.test", "currentPassword": PASSWORD })).await;
        assert!(app.told_at_reset("ceo@bigcorp.test").await.is_some());
    }
);

proven!(
    /// Whoever was invited into an account and never came has no password to forget.
    a_reset_leads_into_no_account_that_the_reader_was_only_invited_to, |app| {
        let thief = app.owns("Thief", "eve@thief.test").await;
        let input = json!({ "email": "coo@bigcorp.test", "name": "X", "role": "OWNER" });
        app.done(&thief.token, INVITE_USER, input).await;
        app.asks_reset("coo@bigcorp.test").await;
        let mail = app.mails_to("coo@bigcorp.test").await.pop().unwrap();
        assert!(mail.contains("You were invited to the account “Thief”"), "{mail}");

        let owner = app.claims("Bigcorp", "coo@bigcorp.test", OWN).await;
        app.asks_reset("coo@bigcorp.test").await;
        let mail = app.mails_to("coo@bigcorp.test").await.pop().unwrap();
        assert!(!mail.contains("Thief") && tokens(&mail).len() == 1, "{mail}");
        let input = json!({ "token": tokens(&mail)[0], "password": OWN });
        let answer = app.ask(None, RESET, json!({ "input": input })).await;
        assert_eq!(accepted(&answer, "resetPassword")["viewer"]["account"]["id"], json!(owner.id));
    }
);

both!(
    /// Nothing that is done for a known address is waited for: here it cannot even begin.
    a_request_for_a_new_password_is_answered_before_anybody_is_looked_for,
    ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
    |app| {
        use sea_orm::ConnectionTrait;
        app.claims("Acme", "ann@acme.test", PASSWORD).await;
        let before = app.mails_to("ann@acme.test").await.len();
        // The one writer of SQLite, and the tables of PostgreSQL.
        let held = app.app.db.begin().await.unwrap();
        if app.mode == Mode::Server {
            held.execute_unprepared("LOCK TABLE \"user\", portal_user, mail, mail_count, one_time_token IN ACCESS EXCLUSIVE MODE").await.unwrap();
        }
        let client = client();
        let portal = "mutation($email: EmailAddress!) { requestPortalPasswordReset(email: $email) { ok } }";
        for (query, email) in [(ASK_RESET, "ann@acme.test"), (ASK_RESET, "nobody@acme.test"), (portal, "ann@acme.test")] {
            let answer = crate::support::app::ask(&client, app.address, None, query, json!({ "email": email })).await;
            let done = answer["data"].as_object().unwrap_or_else(|| panic!("{answer}")).values().next().unwrap()["ok"].clone();
            assert_eq!(done, true, "{answer}");
        }
        held.rollback().await.unwrap();
        app.app.writes.finish().await;
        assert_eq!(app.mails_to("ann@acme.test").await.len(), before + 1);
        assert!(app.mails_to("nobody@acme.test").await.is_empty());
    }
);
