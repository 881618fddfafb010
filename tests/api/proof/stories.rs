//! How somebody tries to get what is sent to another.

use serde_json::{Value, json};

use super::*;
use crate::relationships::{accept, send};

const CREATE_KEY: &str =
    "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret userErrors { code message path } } }";

proven!(
    /// Somebody signs up with an address that is not theirs, before an invitation goes there and before its owner comes.
    who_only_claims_an_address_gets_nothing_and_keeps_nobody_out,
    |app| {
        let alpha = app.owns("Alpha", "ann@alpha.test").await;
        let thief = app.claims("Thief", "ceo@bigcorp.test", PASSWORD).await;
        let beside = app.claims("Beside", "ceo+x@bigcorp.test", PASSWORD).await;
        let input = json!({ "email": "CEO@BigCorp.test", "relationshipType": "BOTH", "message": "between us" });
        let invitation = app.done(&alpha.token, &send(), input).await["invitation"]["id"].take();
        let sees_nothing = async |account: &Account| {
            assert_eq!(app.invitations(account, json!({})).await, Vec::<Value>::new());
            assert_eq!(app.invitation(account, &invitation).await, Value::Null);
            let me = app.data(&account.token, ME, json!({})).await;
            let nothing = json!({ "contactEmailVerifiedAt": null, "pendingInvitationCount": 0 });
            assert_eq!((&me["account"], &me["viewer"]["user"]["emailVerifiedAt"]), (&nothing, &Value::Null));
            let by_id = json!({ "input": { "id": invitation } });
            assert_eq!(app.codes(&account.token, &accept(), by_id).await, ["NOT_FOUND"]);
        };
        sees_nothing(&thief).await;
        sees_nothing(&beside).await;
        assert_eq!(app.found(&alpha, "ceo@bigcorp.test").await, json!([]));

        // The owner comes later, and nothing is taken.
        let owner = app.claims("Bigcorp", "Ceo@bigcorp.TEST", "a password of my own").await;
        sees_nothing(&owner).await;
        app.prove(&app.mailed_token("ceo@bigcorp.test").await).await;
        let me = app.data(&owner.token, ME, json!({})).await;
        assert_eq!(me["account"]["pendingInvitationCount"], 1);
        assert!(me["viewer"]["user"]["emailVerifiedAt"].is_string() && me["account"]["contactEmailVerifiedAt"].is_string());
        assert_eq!(app.invitation(&owner, &invitation).await["message"], "between us");
        assert_eq!(app.found(&alpha, "CEO@bigcorp.test").await, json!([{ "id": owner.id }]));
        sees_nothing(&thief).await;
        sees_nothing(&beside).await;

        let answer = app.answer(invitation.as_str().unwrap()).await;
        app.done(&owner.token, &accept(), answer.clone()).await;
        assert_eq!(app.codes(&thief.token, &accept(), json!({ "input": answer })).await, ["INVITATION_CLOSED"]);
        assert_eq!(app.invitation(&alpha, &invitation).await["to"]["name"], "Bigcorp");
        // The thief still has an account of its own, and nothing more.
        assert_eq!(app.enters("ceo@bigcorp.test", PASSWORD, json!({})).await, Some(thief.id.clone()));
        assert_eq!(app.enters("ceo@bigcorp.test", "a password of my own", json!({})).await, Some(owner.id.clone()));
    }
);

proven!(
    /// The reset of a password leads into an account that another has made ready: not without a word.
    a_reset_never_hands_over_an_account_that_another_has_made_without_asking,
    |app| {
        let thief = app.claims("Thief", "ceo@bigcorp.test", PASSWORD).await;
        let input = json!({ "email": "eve@thief.test", "name": "Eve", "role": "OWNER" });
        app.done(&thief.token, INVITE_USER, input).await;
        app.done(&thief.token, CREATE_KEY, json!({ "name": "k", "scopes": ["LEADS_READ"] })).await;

        app.asks_reset("CEO@bigcorp.test").await;
        let mail = app.mails_to("ceo@bigcorp.test").await.pop().unwrap();
        for part in ["“Thief”", "under the name of Thief Owner", "Eve <eve@thief.test>, OWNER; 1 API key"] {
            assert!(mail.contains(part), "{mail}");
        }
        let token = tokens(&mail)[0].clone();
        let input = json!({ "token": token, "password": "a password of my own" });
        let answer = app.ask(None, RESET, json!({ "input": input })).await;
        assert_eq!(broken(&answer), [("CONFLICT".to_owned(), "input.confirmAccount".to_owned())]);
        let message = text(&answer["data"]["resetPassword"]["userErrors"][0]["message"]);
        assert!(message.contains("Eve <eve@thief.test>, OWNER; 1 API key"), "{message}");
        app.data(&thief.token, ME, json!({})).await;
        let page = app.get(&format!("/set-password?token={token}")).await.text().await.unwrap();
        assert!(page.contains("<li>Eve &lt;eve@thief.test&gt;, OWNER</li>") && page.contains("name=\"confirm\""), "{page}");

        // Signing up anew is what the owner does instead, and the link is worth nothing any more once that is proven.
        let owner = app.owns("Bigcorp", "ceo@bigcorp.test").await;
        assert_eq!(app.found(&owner, "ceo@bigcorp.test").await, json!([{ "id": owner.id }]));
        app.asks_reset("ceo@bigcorp.test").await;
        let mail = app.mails_to("ceo@bigcorp.test").await.pop().unwrap();
        assert!(!mail.contains("Thief") && tokens(&mail).len() == 1, "{mail}");
        let input = json!({ "token": tokens(&mail)[0], "password": "yet another password" });
        let answer = app.ask(None, RESET, json!({ "input": input })).await;
        assert_eq!(accepted(&answer, "resetPassword")["viewer"]["account"]["id"], json!(owner.id));
    }
);

proven!(
    /// Who has made the account themselves, and only forgot to open the link, gets in; whoever was signed in before is out.
    a_reset_proves_the_address_and_ends_what_was_before, |app| {
        let before = app.claims("Acme", "ann@acme.test", PASSWORD).await;
        app.asks_reset("ann@acme.test").await;
        let token = app.mailed_token("ann@acme.test").await;
        let input = json!({ "token": token, "password": "a password of my own" });
        let answer = app.ask(None, RESET, json!({ "input": input })).await;
        let payload = accepted(&answer, "resetPassword");
        assert_eq!(payload["viewer"]["account"]["id"], json!(before.id));
        let me = app.data(&text(&payload["session"]["accessToken"]), ME, json!({})).await;
        assert!(me["viewer"]["user"]["emailVerifiedAt"].is_string());
        assert_eq!(app.error_code(Some(&before.token), ME, json!({})).await, "UNAUTHENTICATED");

        // With the consent of who knows what is in it.
        let grown = app.claims("LogGrowth", "bo@grown.test", PASSWORD).await;
        app.done(&grown.token, CREATE_KEY, json!({ "name": "k", "scopes": ["LEADS_READ"] })).await;
        app.asks_reset("bo@grown.test").await;
        let token = app.mailed_token("bo@grown.test").await;
        let input = json!({ "token": token, "password": "a password of my own", "confirmAccount": true });
        let answer = app.ask(None, RESET, json!({ "input": input })).await;
        assert_eq!(accepted(&answer, "resetPassword")["viewer"]["account"]["id"], json!(grown.id));
    }
);

proven!(
    /// A contact address is as good as its proof.
    nobody_is_found_by_a_contact_address_that_is_not_theirs, |app| {
        let update = "mutation($input: UpdateAccountInput!) { updateAccount(input: $input) {
            account { contactEmail contactEmailVerifiedAt } userErrors { code message path } } }";
        let (alpha, thief) = (app.owns("Alpha", "ann@alpha.test").await, app.owns("Thief", "eve@thief.test").await);
        let claimed = app.done(&thief.token, update, json!({ "contactEmail": "Sales@BigCorp.test" })).await;
        let unproven = json!({ "contactEmail": "sales@bigcorp.test", "contactEmailVerifiedAt": null });
        assert_eq!(claimed["account"], unproven);
        assert_eq!(app.found(&alpha, "sales@bigcorp.test").await, json!([]));
        assert_eq!(app.found(&alpha, "eve@thief.test").await, json!([]), "it is not its contact any more");
        let link = app.mailed_token("sales@bigcorp.test").await;

        // A link proves the address that it was mailed to, and no later one.
        app.done(&thief.token, update, json!({ "contactEmail": "ceo@bigcorp.test" })).await;
        assert_eq!(app.not_proven(&link).await, "INVALID");
        app.prove(&app.mailed_token("ceo@bigcorp.test").await).await;
        assert_eq!(app.found(&alpha, "ceo@bigcorp.test").await, json!([{ "id": thief.id }]));

        // Their own is proven already.
        let own = app.done(&thief.token, update, json!({ "contactEmail": "eve@thief.test" })).await;
        assert!(own["account"]["contactEmailVerifiedAt"].is_string());
        assert_eq!(app.found(&alpha, "eve@thief.test").await, json!([{ "id": thief.id }]));
        // By its identifier it is invited as before; the letter goes only where it is proven.
        app.done(&thief.token, update, json!({ "contactEmail": "cfo@bigcorp.test" })).await;
        let sent = app.done(&alpha.token, &send(), json!({ "accountId": thief.id, "relationshipType": "BOTH" })).await;
        assert_eq!(sent["invitation"]["mail"], Value::Null);
        assert_eq!(app.mails_to("cfo@bigcorp.test").await.len(), 1, "only the one that asks for proof");
    }
);

proven!(
    /// Neither signing up nor inviting tells whether an address is known; its owner reads it.
    a_known_address_and_an_unknown_one_answer_alike, |app| {
        let owner = app.owns("Bigcorp", "ceo@bigcorp.test").await;
        let shape = |answer: &Value| {
            let payload = &answer["data"]["signUp"];
            (payload["session"]["accessToken"].is_string(), payload["userErrors"].clone(), payload["viewer"]["account"]["id"].is_string())
        };
        let mut answers = Vec::new();
        for email in ["ceo@bigcorp.test", "new@bigcorp.test"] {
            let input = json!({ "accountName": "X", "name": "X", "email": email, "password": PASSWORD });
            answers.push(app.ask(None, SIGN_UP, json!({ "input": input })).await);
        }
        assert_eq!(shape(&answers[0]), shape(&answers[1]));
        assert_eq!(shape(&answers[0]), (true, json!([]), true));
        let told = app.mails_to("ceo@bigcorp.test").await.pop().unwrap();
        assert!(told.contains("which is yours already") && tokens(&told).is_empty(), "{told}");

        let stranger = app.owns("Stranger", "eve@stranger.test").await;
        let mut invited = Vec::new();
        for email in ["ceo@bigcorp.test", "nobody@bigcorp.test"] {
            let input = json!({ "email": email, "name": "X", "role": "VIEWER" });
            let mut payload = app.done(&stranger.token, INVITE_USER, input).await;
            payload["user"]["id"].take();
            invited.push(payload);
        }
        assert_eq!(invited[0], invited[1]);
        let again = json!({ "email": "CEO@bigcorp.test", "name": "X", "role": "VIEWER" });
        assert_eq!(app.refused(&stranger.token, INVITE_USER, again).await, [("TAKEN".to_owned(), "input.email".to_owned())]);
        // Who is invited there may join with a password of their own, and the address stays what it was.
        let token = tokens(&app.mails_to("ceo@bigcorp.test").await.pop().unwrap())[0].clone();
        let input = json!({ "token": token, "password": "another password" });
        let answer = app.ask(None, RESET, json!({ "input": input })).await;
        assert_eq!(accepted(&answer, "resetPassword")["viewer"]["account"]["id"], json!(stranger.id));
        assert_eq!(app.found(&stranger, "ceo@bigcorp.test").await, json!([{ "id": owner.id }]));
        assert_eq!(app.enters("ceo@bigcorp.test", PASSWORD, json!({})).await, Some(owner.id.clone()));
        assert_eq!(app.enters("ceo@bigcorp.test", "another password", json!({})).await, Some(stranger.id.clone()));
    }
);
