//! Whose an email address is: what somebody gets who only claims one, and how it is proven.

mod carried_over;
mod links;
mod namesakes;
mod portals;
mod setting;
mod stories;
mod takeovers;

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::make::{Account, PASSWORD, accepted, broken, text};

/// A test where addresses are to be proven and mails wait to be sent, in both modes.
macro_rules! proven {
    ($(#[$doc:meta])* $name:ident, |$app:ident| $body:block) => {
        $crate::support::app::both!(
            $(#[$doc])*
            $name,
            ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test", "--proof-of-address", "required"],
            |$app| $body
        );
    };
}
use proven;

const SIGN_UP: &str = "mutation($input: SignUpInput!) { signUp(input: $input) {
    session { accessToken refreshToken } viewer { account { id } } userErrors { code message path } } }";
const VERIFY: &str = "mutation($token: String!) { verifyEmail(token: $token) { ok userErrors { code message path } } }";
const LOG_IN: &str = "mutation($input: LogInInput!) { logIn(input: $input) {
    session { accessToken } viewer { account { id } } userErrors { code message path } } }";
const RESET: &str = "mutation($input: ResetPasswordInput!) { resetPassword(input: $input) {
    session { accessToken } viewer { account { id } } userErrors { code message path } } }";
const ASK_RESET: &str =
    "mutation($email: EmailAddress!) { requestPasswordReset(email: $email) { ok userErrors { code message path } } }";
const INVITE_USER: &str = "mutation($input: InviteUserInput!) { inviteUser(input: $input) {
    user { id emailVerifiedAt } oneTimeLink userErrors { code message path } } }";
const FIND: &str = "query($email: EmailAddress) { findAccount(email: $email) { id } }";
const ME: &str = "{ viewer { user { emailVerifiedAt } } account { contactEmailVerifiedAt pendingInvitationCount } }";

impl TestApp {
    /// Signs a company up with that address.
    async fn claims(&self, name: &str, email: &str, password: &str) -> Account {
        let input =
            json!({ "accountName": name, "name": format!("{name} Owner"), "email": email, "password": password });
        let answer = self.ask(None, SIGN_UP, json!({ "input": input })).await;
        let payload = accepted(&answer, "signUp");
        Account {
            id: text(&payload["viewer"]["account"]["id"]),
            token: text(&payload["session"]["accessToken"]),
            refresh_token: text(&payload["session"]["refreshToken"]),
            email: email.to_lowercase(),
            key: String::new(),
        }
    }

    /// Signs a company up, whose owner opens the mailed link.
    async fn owns(&self, name: &str, email: &str) -> Account {
        let account = self.claims(name, email, PASSWORD).await;
        self.prove(&self.mailed_token(&account.email).await).await;
        account
    }

    async fn prove(&self, token: &str) {
        accepted(&self.ask(None, VERIFY, json!({ "token": token })).await, "verifyEmail");
    }

    /// The code of the refusal of a link.
    async fn not_proven(&self, token: &str) -> String {
        let answer = self.ask(None, VERIFY, json!({ "token": token })).await;
        assert_eq!(answer["data"]["verifyEmail"]["ok"], false);
        broken(&answer)[0].0.clone()
    }

    /// The account into which an address and a password lead.
    async fn enters(&self, email: &str, password: &str, more: Value) -> Option<String> {
        let mut input = json!({ "email": email, "password": password });
        crate::support::make::merge(&mut input, more);
        let answer = self.ask(None, LOG_IN, json!({ "input": input })).await;
        answer["data"]["logIn"]["viewer"]["account"]["id"]
            .as_str()
            .map(str::to_owned)
    }

    async fn asks_reset(&self, email: &str) {
        accepted(
            &self.ask(None, ASK_RESET, json!({ "email": email })).await,
            "requestPasswordReset",
        );
    }

    async fn found(&self, by: &Account, email: &str) -> Value {
        self.data(&by.token, FIND, json!({ "email": email })).await["findAccount"].take()
    }

    /// Everything that was mailed to an address and waits, oldest first, as one text.
    #[expect(clippy::disallowed_methods, reason = "a test's mails are all its own")]
    async fn mails_to(&self, email: &str) -> Vec<String> {
        use entity::mail;
        use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
        let keys = self
            .app
            .vault
            .keys(self.app.db.read(), &self.app.clock, None)
            .await
            .unwrap();
        let all = mail::Entity::find()
            .filter(mail::Column::ToAddress.eq(email))
            .order_by_asc(mail::Column::Id);
        let all = all.all(self.app.db.read()).await.unwrap();
        let open = |mail: mail::Model| {
            let body = keys
                .open(&format!("{}/body", mail.id), mail.sealed_body.as_deref()?)
                .ok()?;
            let body: Value = serde_json::from_slice(&body).ok()?;
            Some(text(&body["text"]))
        };
        all.into_iter().filter_map(open).collect()
    }
}

/// The token of each link in a mail.
fn tokens(mail: &str) -> Vec<String> {
    let after = mail.split("?token=").skip(1);
    after
        .map(|rest| rest.split([' ', '\n', '&']).next().unwrap().to_owned())
        .collect()
}
