//! A schema of the nouns under test, on a database of its own.

use std::sync::Arc;

use async_graphql::{EmptySubscription, MergedObject, Request, Response, Schema, Variables};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;
use entity::ids::AccountId;
use leadmesh_core::app::App;
use leadmesh_core::clock::Clock;
use leadmesh_core::config::{Config, Settings};
use leadmesh_core::identity::caller::{Caller, Principal};
use leadmesh_core::identity::sign_up::{SignUp, Through, sign_up};
use leadmesh_graphql::assignment::AssignmentMutation;
use leadmesh_graphql::context::RequestAuth;
use leadmesh_graphql::delivery_preview::DeliveryPreviewQuery;
use leadmesh_graphql::loaders;
use leadmesh_graphql::partner::{PartnerMutation, PartnerQuery};
use leadmesh_graphql::profile::{ProfileMutation, ProfileQuery};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::database::TestDatabase;

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    settings: Settings,
}

#[derive(Default, MergedObject)]
pub(super) struct Query(PartnerQuery, ProfileQuery, DeliveryPreviewQuery);

#[derive(Default, MergedObject)]
pub(super) struct Mutation(PartnerMutation, ProfileMutation, AssignmentMutation);

type Nouns = Schema<Query, Mutation, EmptySubscription>;

pub(super) struct Room {
    pub(super) app: App,
    schema: Nouns,
    _dir: TempDir,
    _database: Option<TestDatabase>,
}

/// Somebody who is signed in.
pub(super) struct Person {
    pub(super) token: String,
    pub(super) caller: Caller,
    pub(super) account: AccountId,
}

/// One for every kind of database.
pub(super) async fn rooms() -> Vec<Room> {
    vec![
        Room::open(None).await,
        Room::open(Some(TestDatabase::migrated().await)).await,
    ]
}

pub(super) fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn builder() -> async_graphql::SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query::default(), Mutation::default(), EmptySubscription)
}

impl Room {
    async fn open(database: Option<TestDatabase>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let mut arguments: Vec<String> = ["leadmesh", "--master-key", key, "--token-secret", key]
            .map(String::from)
            .to_vec();
        arguments.push(format!("--data-dir={}", dir.path().display()));
        if let Some(TestDatabase { url, .. }) = &database {
            arguments.push(format!("--database-url={url}"));
        }
        let config = Config::new(CommandLine::parse_from(arguments).settings).unwrap();
        let app = App::open(config, Clock::standing_at(start())).await.unwrap();
        Self {
            schema: builder().data(app.clone()).finish(),
            app,
            _dir: dir,
            _database: database,
        }
    }

    pub(super) async fn owner(&self, email: &str) -> Person {
        let company = SignUp {
            account_name: "Acme Solar".into(),
            name: "Olga".into(),
            email: email.into(),
            password: "correct horse".into(),
            website: None,
            timezone: None,
            invitation_token: None,
        };
        let signed_in = sign_up(&self.app, None, Through::Public, company).await.unwrap();
        let Principal::User { account, .. } = signed_in.caller.principal else {
            panic!("a person was expected")
        };
        Person {
            token: signed_in.session.access_token,
            caller: signed_in.caller,
            account,
        }
    }

    pub(super) async fn run(&self, token: Option<&str>, document: &str, variables: Value) -> Response {
        let request = Request::new(document)
            .variables(Variables::from_json(variables))
            .data(Arc::new(RequestAuth::new(token.map(str::to_owned), None, None)))
            .data(loaders::loader(&self.app));
        self.schema.execute(request).await
    }

    /// The data of an operation without errors.
    pub(super) async fn ask(&self, person: &Person, document: &str, variables: Value) -> Value {
        let response = self.run(Some(&person.token), document, variables).await;
        assert!(response.errors.is_empty(), "{:?}", response.errors);
        response.data.into_json().unwrap()
    }

    /// The codes of the errors of an operation.
    pub(super) async fn codes(&self, token: Option<&str>, document: &str, variables: Value) -> Vec<&'static str> {
        let response = self.run(token, document, variables).await;
        let code = |error: &async_graphql::ServerError| {
            let source = error.source::<leadmesh_core::error::Error>();
            source.map_or("(not ours)", leadmesh_core::error::Error::code)
        };
        response.errors.iter().map(code).collect()
    }

    /// Makes a partner; answers its identifier.
    pub(super) async fn partner(&self, person: &Person, input: Value) -> String {
        let document = "mutation ($input: CreatePartnerInput!) {
            createPartner(input: $input) { partner { id } userErrors { code message path } }
        }";
        let made = self.ask(person, document, json!({ "input": input })).await;
        text(&made["createPartner"]["partner"]["id"])
    }

    /// Makes a profile; answers its identifier.
    pub(super) async fn profile(&self, person: &Person, input: Value) -> String {
        let document = "mutation ($input: CreateProfileInput!) {
            createDistributionProfile(input: $input) { profile { id } userErrors { code message path } }
        }";
        let made = self.ask(person, document, json!({ "input": input })).await;
        text(&made["createDistributionProfile"]["profile"]["id"])
    }
}

#[track_caller]
pub(super) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not a text: {value}"))
        .to_owned()
}
