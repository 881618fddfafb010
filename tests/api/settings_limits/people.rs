//! How many people, portal users and open invitations there may be. What is there already is written as rows: by mutations it would
//! take as long as a thousand passwords.

use chrono::TimeDelta;
use entity::invitation::InvitationStatus;
use entity::portal_user::Permissions;
use entity::user::Role;
use entity::{invitation, portal_user, user};
use leadmesh_forms::limits::{MAX_OPEN_INVITATIONS, MAX_PEOPLE, MAX_PORTAL_PEOPLE};
use sea_orm::{EntityTrait, Set};
use serde_json::{Value, json};

use crate::support::app::{TestApp, both};
use crate::support::make::{Account, text};

const INVITE: &str =
    "mutation($input: InviteUserInput!) { inviteUser(input: $input) { user { id } userErrors { code message path } } }";
const REMOVE: &str = "mutation($id: ID!) { removeUser(id: $id) { deletedId userErrors { code message path } } }";
const INVITE_TO_PORTAL: &str = "mutation($input: InvitePortalUserInput!) { invitePortalUser(input: $input) { portalUser { id } userErrors { code message path } } }";
const REMOVE_FROM_PORTAL: &str =
    "mutation($id: ID!) { removePortalUser(id: $id) { deletedId userErrors { code message path } } }";
const OPEN_PORTAL: &str = "mutation($input: PortalAccessInput!) { setPortalAccess(input: $input) { partner { id } userErrors { code message path } } }";
const SEND: &str = "mutation($input: SendInvitationInput!) { sendInvitation(input: $input) { invitation { id } userErrors { code message path } } }";
const CANCEL: &str =
    "mutation($id: ID!) { cancelInvitation(id: $id) { invitation { id } userErrors { code message path } } }";

impl TestApp {
    /// The limit is reached: what is told of it.
    async fn is_full(&self, owner: &Account, mutation: &str, input: Value, path: &str) -> String {
        let answer = self.ask(Some(&owner.token), mutation, json!({ "input": input })).await;
        let payload = answer["data"].as_object().unwrap().values().next().unwrap();
        let error = &payload["userErrors"][0];
        assert_eq!(
            (&error["code"], error["path"].as_array().unwrap().last()),
            (&json!("LIMIT_REACHED"), Some(&json!(path))),
            "{answer:#}"
        );
        text(&error["message"])
    }

    async fn gone(&self, owner: &Account, mutation: &str, id: &Value) {
        let answer = self.data(&owner.token, mutation, json!({ "id": id })).await;
        let payload = answer.as_object().unwrap().values().next().unwrap();
        assert_eq!(payload["userErrors"], json!([]), "{answer:#}");
    }
}

both!(an_account_has_no_more_people_than_it_may, |app| {
    let (owner, other) = (app.account("Acme").await, app.account("Other").await);
    let person = |number| user::ActiveModel {
        id: Set(app.clock.id()),
        account_id: Set(owner.id.parse().unwrap()),
        name: Set(format!("P{number}")),
        email: Set(format!("p{number}@acme.test")),
        email_verified_at: Set(None),
        holds_email: Set(false),
        confirmed_at: Set(None),
        password_hash: Set(None),
        role: Set(Role::Viewer),
        last_seen_at: Set(None),
        created_at: Set(app.clock.now()),
        removed_at: Set(None),
    };
    // The owner is one of them, and the last one comes by the API.
    let rows = (0..MAX_PEOPLE - 2).map(person);
    user::Entity::insert_many(rows).exec(app.app.db.write()).await.unwrap();
    let input = |name: &str| json!({ "name": name, "email": format!("{name}@more.test"), "role": "MEMBER" });
    let last = app.done(&owner.token, INVITE, input("last")).await["user"]["id"].take();
    let message = app.is_full(&owner, INVITE, input("more"), "input").await;
    assert!(
        message.contains("at most 1000 users") && message.contains("remove"),
        "{message}"
    );
    app.done(&other.token, INVITE, input("more")).await;
    app.gone(&owner, REMOVE, &last).await;
    app.done(&owner.token, INVITE, input("more")).await;
    app.is_full(&owner, INVITE, input("again"), "input").await;
});

both!(a_portal_has_no_more_people_than_it_may, |app| {
    let owner = app.account("Acme").await;
    let (partner, _) = app.partner(&owner, "P", json!({ "portal": {} }), json!({})).await;
    let (beside, _) = app.partner(&owner, "Q", json!({ "portal": {} }), json!({})).await;
    for id in [&partner, &beside] {
        app.done(&owner.token, OPEN_PORTAL, json!({ "partnerId": id, "enabled": true }))
            .await;
    }
    let person = |number| portal_user::ActiveModel {
        id: Set(app.clock.id()),
        account_id: Set(owner.id.parse().unwrap()),
        partner_id: Set(partner.parse().unwrap()),
        email: Set(format!("p{number}@acme.test")),
        email_verified_at: Set(None),
        name: Set(None),
        phone: Set(None),
        permissions: Set(Permissions(Vec::new())),
        password_hash: Set(None),
        invited_at: Set(Some(app.clock.now())),
        activated_at: Set(None),
        last_seen_at: Set(None),
        removed_at: Set(None),
    };
    let rows = (0..MAX_PORTAL_PEOPLE - 1).map(person);
    portal_user::Entity::insert_many(rows)
        .exec(app.app.db.write())
        .await
        .unwrap();
    let input = |partner: &str, name: &str| json!({ "partnerId": partner, "email": format!("{name}@more.test") });
    let last = app.done(&owner.token, INVITE_TO_PORTAL, input(&partner, "last")).await["portalUser"]["id"].take();
    let message = app
        .is_full(&owner, INVITE_TO_PORTAL, input(&partner, "more"), "partnerId")
        .await;
    assert!(
        message.contains("at most 200 users") && message.contains("remove"),
        "{message}"
    );
    app.done(&owner.token, INVITE_TO_PORTAL, input(&beside, "more")).await;
    app.gone(&owner, REMOVE_FROM_PORTAL, &last).await;
    app.done(&owner.token, INVITE_TO_PORTAL, input(&partner, "more")).await;
    app.is_full(&owner, INVITE_TO_PORTAL, input(&partner, "again"), "partnerId")
        .await;
});

both!(no_more_invitations_wait_than_may, |app| {
    let (owner, other) = (app.account("Acme").await, app.account("Other").await);
    let ends = app.clock.now() + TimeDelta::minutes(5);
    let sent = |number| invitation::ActiveModel {
        id: Set(app.clock.id()),
        from_account_id: Set(owner.id.parse().unwrap()),
        to_account_id: Set(None),
        to_email: Set(Some(format!("p{number}@waiting.test"))),
        inviter_sends: Set(true),
        invitee_sends: Set(false),
        message: Set(None),
        token_hash: Set(None),
        mail_id: Set(None),
        status: Set(InvitationStatus::Pending),
        expires_at: Set(ends),
        created_at: Set(app.clock.now()),
        answered_at: Set(None),
        connection_id: Set(None),
    };
    let rows = (0..MAX_OPEN_INVITATIONS - 1).map(sent);
    invitation::Entity::insert_many(rows)
        .exec(app.app.db.write())
        .await
        .unwrap();
    let input = |name: &str| json!({ "email": format!("{name}@more.test"), "relationshipType": "BOTH" });
    let last = app.done(&owner.token, SEND, input("last")).await["invitation"]["id"].take();
    let message = app.is_full(&owner, SEND, input("more"), "input").await;
    assert!(
        message.contains("at most 1000 invitations") && message.contains("cancel"),
        "{message}"
    );
    app.done(&other.token, SEND, input("more")).await;
    app.gone(&owner, CANCEL, &last).await;
    app.done(&owner.token, SEND, input("more")).await;
    app.is_full(&owner, SEND, input("again"), "input").await;
    // Those that nobody has answered in time wait no longer, from that moment on.
    app.clock.advance(TimeDelta::minutes(5));
    app.done(&owner.token, SEND, input("again")).await;
});
