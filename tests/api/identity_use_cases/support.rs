//! An App with a database of its own.

use std::future::Future;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;
use entity::user::Role;
use leadmesh_core::app::App;
use leadmesh_core::clock::Clock;
use leadmesh_core::config::{Config, Settings};
use leadmesh_core::error::{Error, UserErrorCode};
use leadmesh_core::identity::caller::{Caller, Principal};
use leadmesh_core::identity::people::{self, InviteUser};
use leadmesh_core::identity::sessions::SignedIn;
use leadmesh_core::identity::sign_up::{SignUp, Through, sign_up};
use leadmesh_core::identity::tokens::Scope;
use leadmesh_core::identity::{mailbox, password_reset};
use sea_orm::QueryOrder;

use crate::support::database::TestDatabase;

/// Settings of an instance that mails links and lets only proven addresses count.
pub(super) const PROVEN: [&str; 6] = [
    "--smtp-url",
    "smtp+plain://127.0.0.1:25",
    "--mail-from",
    "leadmesh@leads.example",
    "--proof-of-address",
    "required",
];

pub(crate) const PASSWORD: &str = "correct horse";

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    settings: Settings,
}

pub(crate) struct TestApp {
    pub(crate) app: App,
    _data_dir: tempfile::TempDir,
    _database: Option<TestDatabase>,
}

impl std::ops::Deref for TestApp {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}

fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn settings(data_dir: &tempfile::TempDir, more: &[&str]) -> Settings {
    let data_dir = data_dir.path().to_str().unwrap();
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let known = [
        "leadmesh",
        "--data-dir",
        data_dir,
        "--public-url",
        "https://leads.example",
        "--master-key",
        key,
        "--token-secret",
        key,
    ];
    // Most tests have people whose mails nobody reads. Those of proof say so.
    let proof: &[&str] = if more.contains(&"--proof-of-address") {
        &[]
    } else {
        &["--proof-of-address", "off"]
    };
    CommandLine::parse_from(known.iter().chain(more).chain(proof)).settings
}

const MAIL: [&str; 4] = [
    "--smtp-url",
    "smtp+plain://127.0.0.1:25",
    "--mail-from",
    "leadmesh@leads.example",
];

/// Runs a test on every database there is, with a mail server set.
pub(crate) async fn everywhere<F: Future<Output = ()>>(test: impl Fn(TestApp) -> F) {
    everywhere_with(&MAIL, test).await;
}

/// Runs a test on every database there is, with these settings.
pub(crate) async fn everywhere_with<F: Future<Output = ()>>(more: &[&str], test: impl Fn(TestApp) -> F) {
    test(on_sqlite(more).await).await;
    test(on_postgres(more).await).await;
}

async fn on_sqlite(more: &[&str]) -> TestApp {
    let data_dir = tempfile::tempdir().unwrap();
    let config = Config::new(settings(&data_dir, more)).unwrap();
    TestApp {
        app: App::open(config, Clock::standing_at(start())).await.unwrap(),
        _data_dir: data_dir,
        _database: None,
    }
}

async fn on_postgres(more: &[&str]) -> TestApp {
    let database = TestDatabase::migrated().await;
    let data_dir = tempfile::tempdir().unwrap();
    let arguments: Vec<&str> = more.iter().copied().chain(["--database-url", &database.url]).collect();
    let config = Config::new(settings(&data_dir, &arguments)).unwrap();
    TestApp {
        app: App::open(config, Clock::standing_at(start())).await.unwrap(),
        _data_dir: data_dir,
        _database: Some(database),
    }
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
    sign_up(app, None, Through::Public, company(email)).await.unwrap()
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
    for (mail, body) in mailbox::claim_due(app).await.unwrap() {
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
        mailbox::finish(app, &mail, Ok(())).await.unwrap();
    }
    token.unwrap()
}

/// The one broken rule, as its code and path.
pub(crate) fn broken<T: std::fmt::Debug>(result: Result<T, Error>) -> (UserErrorCode, String) {
    match result {
        Err(Error::Broken(rules)) => (rules[0].code, rules[0].path.join(".")),
        other => panic!("not a broken rule: {other:?}"),
    }
}

pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.unwrap_err().code()
}

pub(crate) fn account(caller: &Caller) -> entity::ids::AccountId {
    match &caller.principal {
        Principal::User { account, .. } | Principal::ApiKey { account, .. } | Principal::PortalUser { account, .. } => {
            *account
        }
        Principal::Anonymous => panic!("nobody has no account"),
    }
}

pub(crate) fn user(caller: &Caller) -> entity::ids::UserId {
    match &caller.principal {
        Principal::User { id, .. } => *id,
        other => panic!("not a user: {other:?}"),
    }
}

/// The actions in an account's trail, oldest first.
pub(crate) async fn trail(app: &App, caller: &Caller) -> Vec<String> {
    let rows = entity::audit_event::Entity::in_account(account(caller))
        .order_by_asc(entity::audit_event::Column::Id)
        .all(app.db.read())
        .await
        .unwrap();
    rows.into_iter().map(|row| row.action).collect()
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
