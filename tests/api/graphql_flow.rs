//! Flows, sources and steps over GraphQL, on both databases.

mod noun;
mod simulation;

use std::sync::Arc;

use async_graphql::{EmptySubscription, MergedObject, Request, Schema, Variables};
use chrono::{DateTime, Duration, Utc};
use clap::Parser;
use entity::ids::AccountId;
use leadmesh_core::app::App;
use leadmesh_core::clock::Clock;
use leadmesh_core::config::{Config, Settings};
use leadmesh_core::identity::caller::{Caller, Principal};
use leadmesh_core::identity::sign_up::{SignUp, Through, sign_up};
use leadmesh_graphql::context::RequestAuth;
use leadmesh_graphql::flow::{FlowMutation, FlowQuery};
use leadmesh_graphql::loaders;
use leadmesh_graphql::simulation::SimulationQuery;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::database::TestDatabase;

/// 32 bytes in base64.
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
}

#[derive(Default, MergedObject)]
struct Query(FlowQuery, SimulationQuery);

/// An app with a database of its own.
struct Room {
    app: App,
    schema: Schema<Query, FlowMutation, EmptySubscription>,
    _dir: TempDir,
    _database: Option<TestDatabase>,
}

/// Somebody who is signed in.
struct Person {
    token: String,
    caller: Caller,
    account: AccountId,
}

/// One for every database that there is.
async fn rooms() -> Vec<Room> {
    vec![
        Room::open(None).await,
        Room::open(Some(TestDatabase::migrated().await)).await,
    ]
}

impl Room {
    async fn open(database: Option<TestDatabase>) -> Self {
        let clock = Clock::standing_at(start());
        let dir = tempfile::tempdir().unwrap();
        let mut arguments = vec!["leadmesh".to_owned(), format!("--data-dir={}", dir.path().display())];
        if let Some(TestDatabase { url, .. }) = &database {
            arguments.extend([format!("--database-url={url}"), format!("--master-key={KEY}")]);
            arguments.push(format!("--token-secret={KEY}"));
        }
        let config = Config::new(Cli::parse_from(arguments).settings).unwrap();
        let app = App::open(config, clock).await.unwrap();
        let schema = Schema::build(Query::default(), FlowMutation, EmptySubscription);
        Self {
            schema: schema.data(app.clone()).finish(),
            app,
            _dir: dir,
            _database: database,
        }
    }

    async fn owner(&self, email: &str) -> Person {
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

    async fn run(&self, person: Option<&Person>, document: &str, variables: Value) -> async_graphql::Response {
        let token = person.map(|person| person.token.clone());
        let request = Request::new(document)
            .variables(Variables::from_json(variables))
            .data(Arc::new(RequestAuth::new(token, None, None)))
            .data(loaders::loader(&self.app));
        self.schema.execute(request).await
    }

    /// The data of an operation without errors.
    async fn ask(&self, person: &Person, document: &str, variables: Value) -> Value {
        let response = self.run(Some(person), document, variables).await;
        assert!(response.errors.is_empty(), "{:?}", response.errors);
        response.data.into_json().unwrap()
    }

    /// The messages of an operation that is refused.
    async fn refused(&self, person: Option<&Person>, document: &str, variables: Value) -> Vec<String> {
        let response = self.run(person, document, variables).await;
        response.errors.into_iter().map(|error| error.message).collect()
    }
}

fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::days(20_500)
}

/// A flow that knows email (required), age, state and ssn (encrypted), and takes leads of adults.
fn solar() -> Value {
    json!({
        "name": "Solar",
        "fields": [
            {"name": "email", "type": "EMAIL", "required": true},
            {"name": "age", "type": "INTEGER", "example": "44"},
            {"name": "state", "type": "STATE"},
            {"name": "ssn", "type": "TEXT", "encrypted": true},
        ],
        "acceptanceRule": {"condition": {"field": "age", "operator": "GREATER_OR_EQUAL", "value": "18"}},
    })
}

fn with(mut input: Value, more: Value) -> Value {
    let (Some(input_fields), Value::Object(more)) = (input.as_object_mut(), more) else {
        panic!("two objects were expected")
    };
    input_fields.extend(more);
    input
}

const CREATE: &str = "mutation ($input: CreateFlowInput!) {
    createFlow(input: $input) { flow { id sources { id } } warnings userErrors { code path } }
}";

impl Room {
    /// Makes a flow; answers its ID and that of its source.
    async fn flow(&self, person: &Person, input: Value) -> (String, String) {
        let made = self.ask(person, CREATE, json!({ "input": input })).await;
        let flow = &made["createFlow"]["flow"];
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        (text(&flow["id"]), text(&flow["sources"][0]["id"]))
    }
}
