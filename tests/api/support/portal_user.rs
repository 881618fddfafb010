//! Letting a partner's people into the portal as they come in: by the mailed link.

use entity::mail;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};

use super::app::TestApp;
use super::make::{Account, PASSWORD, accepted, text};

const OPEN: &str = "mutation($input: PortalAccessInput!) { setPortalAccess(input: $input) { partner { id } userErrors { code message path } } }";
const INVITE: &str = "mutation($input: InvitePortalUserInput!) { invitePortalUser(input: $input) { portalUser { id } userErrors { code message path } } }";
const ACTIVATE: &str = "mutation($input: ActivatePortalUserInput!) { activatePortalUser(input: $input) {
    session { accessToken } userErrors { code message path } } }";

const USERS: &str = "query($id: ID!) { partner(id: $id) { portalAccess { users { id email permissions } } } }";
const UPDATE: &str = "mutation($input: UpdatePortalUserInput!) { updatePortalUser(input: $input) {
    portalUser { id permissions } userErrors { code message path } } }";

impl TestApp {
    /// Somebody in a partner's portal, as the account sees them.
    pub(crate) async fn in_portal(&self, owner: &Account, partner: &str, email: &str) -> Value {
        let mut data = self.data(&owner.token, USERS, json!({ "id": partner })).await;
        let users = data["partner"]["portalAccess"]["users"].as_array_mut().unwrap();
        let found = users.iter_mut().find(|user| user["email"] == email);
        found.expect("not in the portal").take()
    }

    /// Sets what somebody in a partner's portal may do.
    pub(crate) async fn permit(&self, owner: &Account, (partner, email): (&str, &str), permissions: Value) {
        let id = self.in_portal(owner, partner, email).await["id"].take();
        let input = json!({ "id": id, "permissions": permissions });
        let changed = self.done(&owner.token, UPDATE, input).await;
        assert_eq!(changed["portalUser"]["permissions"], permissions);
    }

    /// Opens a partner's portal and lets somebody in; their access token. The app needs a mail server, and no working one:
    /// `--smtp-url smtp+plain://127.0.0.1:9 --mail-from leads@leadmesh.test`.
    pub(crate) async fn portal_user(&self, owner: &Account, partner: &str, email: &str) -> String {
        self.done(&owner.token, OPEN, json!({ "partnerId": partner, "enabled": true }))
            .await;
        self.done(&owner.token, INVITE, json!({ "partnerId": partner, "email": email }))
            .await;
        let input = json!({ "token": self.mailed_token(email).await, "password": PASSWORD, "name": "Pat" });
        let answer: Value = self.ask(None, ACTIVATE, json!({ "input": input })).await;
        text(&accepted(&answer, "activatePortalUser")["session"]["accessToken"])
    }

    /// The one-time token in the newest mail to somebody that waits to be sent.
    #[expect(clippy::disallowed_methods, reason = "a test's mails are all its own")]
    pub(crate) async fn mailed_token(&self, email: &str) -> String {
        let keys = self
            .app
            .vault
            .keys(self.app.db.read(), &self.app.clock, None)
            .await
            .unwrap();
        let newest = mail::Entity::find()
            .filter(mail::Column::ToAddress.eq(email))
            .order_by_desc(mail::Column::Id);
        let mail = newest.one(self.app.db.read()).await.unwrap().expect("no mail");
        let body = keys
            .open(
                &format!("{}/body", mail.id),
                mail.sealed_body.as_deref().expect("no body"),
            )
            .unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let (_, token) = body["text"].as_str().unwrap().split_once("?token=").expect("no link");
        token.split([' ', '\r', '\n', '&']).next().unwrap().to_owned()
    }
}
