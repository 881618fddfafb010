//! The operator's setting, by which all processes of an installation go.

use entity::{account, instance, user};
use leadmesh::server::Role;
use sea_orm::{ActiveModelTrait, ConnectionTrait, Set, Unchanged};
use serde_json::json;

use super::*;
use crate::relationships::send;
use crate::support::app::{Mode, both};

/// Writes what a process wrote that asked for no proof.
async fn as_if_none_were_asked_for(app: &TestApp) {
    user::Entity::assume_unproven().exec(app.app.db.write()).await.unwrap();
    let contacts = account::Entity::count_unproven_contacts(true);
    contacts.exec(app.app.db.write()).await.unwrap();
    let thief = user::Entity::claiming("ceo@bigcorp.test").one(app.app.db.read()).await;
    assert!(thief.unwrap().unwrap().holds_email, "the rows say so");
}

proven!(
    /// Rows that a process without proof has written show nothing to anybody where proof is required.
    what_was_written_while_no_proof_was_asked_for_counts_for_nobody_where_it_is,
    |app| {
        let (alpha, beta) = (app.owns("Alpha", "ann@alpha.test").await, app.owns("Beta", "bo@beta.test").await);
        let thief = app.claims("Thief", "ceo@bigcorp.test", PASSWORD).await;
        let key = json!({ "name": "k", "scopes": ["LEADS_READ"] });
        let create_key = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret userErrors { code message path } } }";
        app.done(&thief.token, create_key, key).await;
        let input = json!({ "email": "CEO@BigCorp.test", "relationshipType": "BOTH", "message": "between us" });
        let first = app.done(&alpha.token, &send(), input.clone()).await["invitation"]["id"].take();
        as_if_none_were_asked_for(&app).await;

        let second = app.done(&beta.token, &send(), input).await["invitation"]["id"].take();
        for invitation in [&first, &second] {
            assert_eq!(app.invitation(&thief, invitation).await, Value::Null);
        }
        assert_eq!(app.invitations(&thief, json!({})).await, Vec::<Value>::new());
        let me = app.data(&thief.token, ME, json!({})).await;
        assert_eq!(me["account"]["pendingInvitationCount"], 0);
        assert_eq!(app.found(&alpha, "ceo@bigcorp.test").await, json!([]));
        // By its identifier it is invited, and nothing is mailed to an address that it only claims.
        let by_id = json!({ "accountId": thief.id, "relationshipType": "BOTH" });
        let sent = app.done(&alpha.token, &send(), by_id).await;
        assert_eq!(sent["invitation"]["mail"], Value::Null);
        let mails = app.mails_to("ceo@bigcorp.test").await;
        assert_eq!(mails.len(), 3, "one that asks for proof, two invitations: {mails:#?}");
        let token = tokens(mails.last().unwrap())[0].clone();
        let preview = "query($token: String!) { invitationPreview(token: $token) { hasAccount } }";
        let shown = app.ask(None, preview, json!({ "token": token })).await;
        assert_eq!(shown["data"]["invitationPreview"]["hasAccount"], false);

        // Who reads the address is asked before they take the account, and signs up without hearing TAKEN.
        app.asks_reset("ceo@bigcorp.test").await;
        let mail = app.mails_to("ceo@bigcorp.test").await.pop().unwrap();
        assert!(mail.contains("“Thief”") && mail.contains("1 API key"), "{mail}");
        let input = json!({ "token": tokens(&mail)[0], "password": "a password of my own" });
        let answer = app.ask(None, RESET, json!({ "input": input })).await;
        assert_eq!(broken(&answer), [("CONFLICT".to_owned(), "input.confirmAccount".to_owned())]);
        let owner = app.owns("Bigcorp", "ceo@bigcorp.test").await;
        assert_eq!(app.invitation(&owner, &first).await["message"], "between us");
        assert_eq!(app.found(&alpha, "ceo@bigcorp.test").await, json!([{ "id": owner.id }]));
        assert_eq!(app.invitation(&thief, &first).await, Value::Null);
    }
);

proven!(
    /// The same, where the address of a proven contact is changed back by such rows.
    a_contact_that_was_never_proven_is_not_found_by_rows_that_say_so,
    |app| {
        let update = "mutation($input: UpdateAccountInput!) { updateAccount(input: $input) { account { id } userErrors { code message path } } }";
        let (alpha, thief) = (app.owns("Alpha", "ann@alpha.test").await, app.owns("Thief", "eve@thief.test").await);
        app.done(&thief.token, update, json!({ "contactEmail": "sales@bigcorp.test" })).await;
        account::Entity::count_unproven_contacts(true).exec(app.app.db.write()).await.unwrap();
        assert_eq!(app.found(&alpha, "sales@bigcorp.test").await, json!([]));
        let sent = app.done(&alpha.token, &send(), json!({ "accountId": thief.id, "relationshipType": "BOTH" })).await;
        assert_eq!(sent["invitation"]["mail"], Value::Null);
        assert_eq!(app.mails_to("sales@bigcorp.test").await.len(), 1, "only the one that asks for proof");
    }
);

both!(
    /// A start with another setting changes nothing for who runs; what is written follows the one that all go by.
    a_process_with_another_setting_is_refused_while_others_run,
    |app| {
        let mut app = app;
        let (a, b) = (app.account("Alpha").await, app.account("Beta").await);
        let invitation = app.invite_address(&a, &b.email, "BOTH").await;
        for role in [Role::Both, Role::Api, Role::Worker] {
            let refused = app.another_with_proof("required", role).await.map(drop).unwrap_err().to_string();
            let why = match app.mode {
                Mode::Embedded => "another server uses",
                Mode::Server => "LEADMESH_PROOF_OF_ADDRESS is required for this process and off for the 1 that run",
            };
            assert!(refused.contains(why), "{refused}");
            assert_eq!(app.found(&a, &b.email).await, json!([{ "id": b.id }]));
            assert_eq!(app.invitations(&b, json!({})).await.len(), 1);
        }
        if app.mode == Mode::Server {
            let (_, same) = app.another_with_proof("off", Role::Api).await.unwrap();
            same.stop().await;
        }

        app.stop().await;
        app.restart_with_proof("required").await;
        let (a, b) = (app.sign_in(&a).await, app.sign_in(&b).await);
        assert_eq!(app.found(&a, &b.email).await, json!([]));
        assert_eq!(app.invitations(&b, json!({})).await.len(), 0);
        let owner = user::Entity::claiming(&b.email).one(app.app.db.read()).await.unwrap().unwrap();
        assert!(!owner.holds_email);
        let refused = app.another_with_proof("off", Role::Api).await.map(drop).unwrap_err().to_string();
        assert!(refused.contains("another server uses") || refused.contains("is off for this process and required"), "{refused}");
        assert_eq!(app.invitations(&b, json!({})).await.len(), 0);

        app.stop().await;
        app.restart_with_proof("off").await;
        assert_eq!(app.found(&a, &b.email).await, json!([{ "id": b.id }]));
        assert_eq!(app.invitation(&b, &json!(invitation)).await["status"], "PENDING");
    }
);

crate::support::app::both!(
    /// One that was taken for dead, and after which the setting was changed.
    a_process_whose_setting_is_not_the_installations_any_more_is_not_ready,
    |app| {
        assert_eq!(app.get("/readyz").await.status(), 200);
        let set = async |value: &str| {
            let fact = instance::ActiveModel {
                name: Unchanged("proof_of_address".to_owned()),
                value: Set(value.to_owned()),
            };
            fact.update(app.app.db.write()).await.unwrap();
        };
        set("required").await;
        let answer = app.get("/readyz").await;
        assert_eq!(answer.status(), 503);
        let text = answer.text().await.unwrap();
        assert!(text.contains("LEADMESH_PROOF_OF_ADDRESS"), "{text}");
        set("off").await;
        assert_eq!(app.get("/readyz").await.status(), 200);
    }
);

/// Of two that start at once with different settings the second sees the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_first_starts_with_different_settings_one_is_refused() {
    let mut app = TestApp::start_with(Mode::Server, &[]).await;
    app.stop().await;
    let forget = "DELETE FROM instance WHERE name = 'proof_of_address'";
    app.app.db.write().execute_unprepared(forget).await.unwrap();
    let (one, other) = tokio::join!(
        app.another_with_proof("off", Role::Api),
        app.another_with_proof("required", Role::Api)
    );
    let running = [one, other].into_iter().filter_map(Result::ok).collect::<Vec<_>>();
    assert_eq!(running.len(), 1);
    for (_, server) in running {
        server.stop().await;
    }
}
