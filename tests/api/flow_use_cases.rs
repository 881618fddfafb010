//! The use cases of the flows room, on both databases.

mod flows;
mod revisions;
mod sources;
mod steps;

use chrono::{DateTime, Duration, Utc};
use clap::Parser;
use entity::account::{self, Plan};
use entity::field::FieldType;
use entity::flow_revision;
use entity::ids::{AccountId, FlowId, PartnerId, ProfileId, SettingsId};
use entity::profile::{self, OnFailure, Strategy};
use entity::user::Role;
use entity::{assignment, audit_event, delivery_settings, flow, partner, source, step};
use leadmesh_core::app::App;
use leadmesh_core::clock::Clock;
use leadmesh_core::config::{Config, Settings};
use leadmesh_core::error::{Error, UserErrorCode};
use leadmesh_core::identity::caller::{Caller, Principal};
use leadmesh_flows::manage::{self, CreateFlow, FieldInput};
use leadmesh_flows::{SavedFlow, revisions as history_of};
use leadmesh_forms::rules::Rule;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};
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

/// An app with a database of its own.
struct Room {
    app: App,
    _dir: TempDir,
    _database: Option<TestDatabase>,
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
        Self {
            app: App::open(config, clock).await.unwrap(),
            _dir: dir,
            _database: database,
        }
    }

    /// An account, and its owner.
    async fn account(&self, plan: Plan) -> Caller {
        let now = self.app.clock.now();
        let row = account::Model {
            id: self.app.clock.id(),
            name: "Acme".into(),
            plan,
            website: None,
            timezone: "Europe/Berlin".into(),
            contact_email: None,
            contact_verified_at: None,
            contact_counts: false,
            listed: false,
            notify_by_mail: true,
            config_version: 1,
            created_at: now,
            updated_at: now,
        };
        let row = row.into_active_model().insert(self.app.db.write()).await.unwrap();
        self.person(row.id, Role::Owner)
    }

    fn person(&self, account: AccountId, role: Role) -> Caller {
        let principal = Principal::User {
            id: self.app.clock.id(),
            account,
            role,
            name: "Olga".into(),
            session: self.app.clock.id(),
        };
        Caller {
            principal,
            ip: None,
            expires_at: None,
        }
    }

    async fn set_plan(&self, account: AccountId, plan: Plan) {
        let row = account::Entity::by_id(account).one(self.app.db.read()).await.unwrap();
        let mut row = row.unwrap().into_active_model();
        row.plan = sea_orm::Set(plan);
        row.update(self.app.db.write()).await.unwrap();
    }

    async fn config_version(&self, account: AccountId) -> i64 {
        let row = account::Entity::by_id(account).one(self.app.db.read()).await.unwrap();
        row.unwrap().config_version
    }

    async fn create(&self, caller: &Caller, input: CreateFlow) -> flow::Model {
        manage::create(&self.app, caller, input).await.unwrap().flow
    }

    async fn sources(&self, flow: FlowId) -> Vec<source::Model> {
        source::Entity::of_flow(flow).all(self.app.db.read()).await.unwrap()
    }

    async fn steps(&self, flow: FlowId) -> Vec<step::Model> {
        step::Entity::of_flow(flow).all(self.app.db.read()).await.unwrap()
    }

    async fn history(&self, caller: &Caller, flow: FlowId) -> Vec<flow_revision::Model> {
        let history = history_of::history(caller, flow).unwrap();
        let history = history.order_by_asc(flow_revision::Column::Version);
        history.all(self.app.db.read()).await.unwrap()
    }

    async fn audit(&self, account: AccountId) -> Vec<String> {
        let trail = audit_event::Entity::in_account(account).order_by_asc(audit_event::Column::Id);
        let trail = trail.all(self.app.db.read()).await.unwrap();
        trail.into_iter().map(|event| event.action).collect()
    }

    async fn profile(&self, account: AccountId, name: &str) -> ProfileId {
        let now = self.app.clock.now();
        let row = profile::Model {
            id: self.app.clock.id(),
            account_id: account,
            name: name.into(),
            description: None,
            enabled: true,
            strategy: Strategy::FirstMatch,
            on_failure: OnFailure::Stay,
            max_recipients: None,
            rule: Some(json!({"condition": {"field": "age", "operator": "GREATER_THAN", "value": 17}})),
            base_price_e4: None,
            base_price_currency: None,
            created_at: now,
            updated_at: now,
            deleted_at: None,
        };
        row.into_active_model().insert(self.app.db.write()).await.unwrap().id
    }

    async fn delete_profile(&self, account: AccountId, id: ProfileId) {
        let row = profile::Entity::in_account(account).filter(profile::Column::Id.eq(id));
        let mut row = row.one(self.app.db.read()).await.unwrap().unwrap().into_active_model();
        row.deleted_at = sea_orm::Set(Some(self.app.clock.now()));
        row.update(self.app.db.write()).await.unwrap();
    }

    /// A partner with a mail template that names the age, in a profile.
    async fn partner(&self, account: AccountId, profile: ProfileId, name: &str) {
        let now = self.app.clock.now();
        let (id, settings): (PartnerId, SettingsId) = (self.app.clock.id(), self.app.clock.id());
        let row = partner::Model {
            id,
            account_id: account,
            name: name.into(),
            email: "p@example.com".into(),
            phone: None,
            notes: None,
            tags: flow::Names::default(),
            active: true,
            timezone: "UTC".into(),
            caps: entity::cap_usage::Caps::default(),
            settings_id: settings,
            portal_enabled: false,
            portal_permissions: entity::portal_user::Permissions(Vec::new()),
            sealed_secret: None,
            secret_hint: None,
            secret_rotated_at: None,
            sealed_previous_secret: None,
            previous_secret_until: None,
            created_at: now,
            updated_at: now,
        };
        row.into_active_model().insert(self.app.db.write()).await.unwrap();
        let config = json!({
            "channel": "EMAIL", "recipients": [], "subject": "Lead of {{ lead.age }}", "body": "", "format": "TEXT",
            "fields": {"mode": "ALL"}, "mapping": []
        });
        let row = delivery_settings::Model {
            id: settings,
            account_id: account,
            partner_id: Some(id),
            config: serde_json::from_value(config).unwrap(),
            created_at: now,
        };
        row.into_active_model().insert(self.app.db.write()).await.unwrap();
        let row = assignment::Model {
            id: self.app.clock.id(),
            account_id: account,
            profile_id: profile,
            partner_id: id,
            enabled: true,
            rank: 1,
            weight: 1,
            rule: None,
            price_e4: None,
            price_currency: None,
            caps: entity::cap_usage::Caps::default(),
            schedule: None,
            settings_id: None,
            created_at: now,
            deleted_at: None,
        };
        row.into_active_model().insert(self.app.db.write()).await.unwrap();
    }
}

fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::days(20_500)
}

fn account_of(caller: &Caller) -> AccountId {
    match caller.principal {
        Principal::User { account, .. } => account,
        _ => panic!("a person was expected"),
    }
}

fn field(name: &str, field_type: FieldType) -> FieldInput {
    FieldInput {
        name: name.into(),
        label: None,
        field_type,
        required: Some(false),
        encrypted: Some(false),
        choices: None,
        example: None,
        description: None,
    }
}

/// A flow that knows email, age, state and ssn (encrypted).
fn solar() -> CreateFlow {
    let ssn = FieldInput {
        encrypted: Some(true),
        ..field("ssn", FieldType::Text)
    };
    CreateFlow {
        name: "Solar".into(),
        description: None,
        fields: vec![
            field("email", FieldType::Email),
            field("age", FieldType::Integer),
            field("state", FieldType::State),
            ssn,
        ],
        acceptance_rule: None,
        duplicate_keys: None,
        duplicate_window_days: None,
        caps: None,
        price: None,
        enabled: Some(true),
    }
}

fn rule(tree: Value) -> Rule {
    serde_json::from_value(tree).unwrap()
}

fn condition(field: &str, operator: &str, value: &Value) -> Rule {
    rule(json!({"condition": {"field": field, "operator": operator, "value": value}}))
}

/// What was refused: codes and paths.
fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> Vec<(UserErrorCode, String)> {
    match result {
        Err(Error::User(broken)) => broken
            .into_iter()
            .map(|rule| (rule.code, rule.path.join(".")))
            .collect(),
        other => panic!("a broken rule was expected, not {other:?}"),
    }
}

fn one(code: UserErrorCode, path: &str) -> Vec<(UserErrorCode, String)> {
    vec![(code, path.to_owned())]
}

fn done(result: Result<SavedFlow, Error>) -> flow::Model {
    result.unwrap().flow
}
