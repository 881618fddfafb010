//! Accounts and people of the use cases of identity.

use std::future::Future;

use chrono::{DateTime, TimeDelta, Utc};
use entity::user::Role;
use leadmesh_core::app::App;
use leadmesh_core::clock::Clock;
use leadmesh_core::error::{Error, UserErrorCode};
use leadmesh_core::identity::caller::{Caller, Principal};
use leadmesh_core::identity::people::{self, InviteUser};
use leadmesh_core::identity::sessions::SignedIn;
use leadmesh_core::identity::sign_up::{SignUp, SignUpOrigin, sign_up};
use leadmesh_core::identity::tokens::Scope;
use leadmesh_core::identity::{mail_queue, password_reset};

use crate::support::app::{Mode, TestApp};
pub(crate) use crate::support::rows::account_of as account;

pub(crate) const PASSWORD: &str = "correct horse";

fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

const MAIL: [&str; 4] = [
    "--smtp-url",
    "smtp+plain://127.0.0.1:25",
    "--mail-from",
    "leadmesh@leads.example",
];

/// One that mails links.
pub(crate) async fn with_mail(mode: Mode) -> TestApp {
    open_with(mode, &MAIL).await
}

/// One that mails links and lets only proven addresses count.
pub(crate) async fn proven(mode: Mode) -> TestApp {
    let proof = ["--proof-of-address", "required"];
    open_with(mode, &[&MAIL[..], &proof[..]].concat()).await
}

const PUBLIC_URL: [&str; 2] = ["--public-url", "https://leads.example"];

/// One with further settings.
pub(crate) async fn open_with(mode: Mode, more: &[&str]) -> TestApp {
    TestApp::without_server(Clock::standing_at(start()), mode, &[&PUBLIC_URL[..], more].concat()).await
}

/// One that mails links and serves the API; the mails are the test's to send.
pub(crate) async fn api_with_mail(mode: Mode) -> TestApp {
    TestApp::start_api(
        Clock::standing_at(start()),
        mode,
        &[&PUBLIC_URL[..], &MAIL[..]].concat(),
    )
    .await
}

pub(crate) fn company(email: &str) -> SignUp {
    SignUp {
        account_name: "Acme Solar".into(),
        name: "Ann Long".into(),
        email: email.into(),
        password: PASSWORD.into(),
        website: None,
        timezone: None,
        invitation_token: None,
    }
}

/// Signs a company up.
pub(crate) async fn signed_up(app: &App, email: &str) -> SignedIn {
    sign_up(app, None, SignUpOrigin::Public, company(email)).await.unwrap()
}

/// Another person of an account, who has set the password.
pub(crate) async fn joined(app: &App, by: &Caller, email: &str, role: Role) -> SignedIn {
    let input = InviteUser {
        email: email.into(),
        name: email.into(),
        role,
    };
    people::invite(app, by, input).await.unwrap();
    set_password(app, Scope::Account, &mailed_token(app, email).await, PASSWORD)
        .await
        .unwrap()
}

pub(crate) async fn set_password(app: &App, scope: Scope, token: &str, password: &str) -> Result<SignedIn, Error> {
    let input = password_reset::NewPassword {
        token: token.into(),
        password: password.into(),
        name: None,
    };
    password_reset::reset(app, scope, None, input).await
}

/// The token of the link in the newest mail to somebody; mails that are due are sent by this.
pub(crate) async fn mailed_token(app: &App, to: &str) -> String {
    let mut token = None;
    for (mail, body) in mail_queue::claim_due(app).await.unwrap() {
        if mail.to_address == to {
            let link = body
                .text
                .lines()
                .find(|line| line.starts_with("https://leads.example/"))
                .unwrap();
            assert!(body.html.contains(&link.replace('&', "&amp;")), "{}", body.html);
            token = link
                .split_once("?token=")
                .map(|(_, token)| token.split('&').next().unwrap().to_owned());
        }
        mail_queue::finish(app, &mail, Ok(())).await.unwrap();
    }
    token.unwrap()
}

/// The one broken rule, as its code and path.
pub(crate) fn broken<T: std::fmt::Debug>(result: Result<T, Error>) -> (UserErrorCode, String) {
    match result {
        Err(Error::User(rules)) => (rules[0].code, rules[0].path.join(".")),
        other => panic!("not a broken rule: {other:?}"),
    }
}

pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.unwrap_err().code()
}

pub(crate) fn user(caller: &Caller) -> entity::ids::UserId {
    match &caller.principal {
        Principal::User { id, .. } => *id,
        other => panic!("not a user: {other:?}"),
    }
}

/// Eight callers at once; their answers.
pub(crate) async fn at_once<T, F>(callers: impl IntoIterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = callers.into_iter().map(tokio::spawn).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}
