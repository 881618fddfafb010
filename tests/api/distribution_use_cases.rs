//! The management of partners, profiles and assignments, on both databases.

mod assignments;
mod partners;
mod profiles;
mod settings;

use chrono::{DateTime, Utc};
use clap::Parser;
use entity::account::Plan;
use entity::audit_event;
use entity::field::{FieldDef, FieldType};
use entity::flow::{FieldDefs, Names};
use entity::ids::{AccountId, FlowId, PartnerId};
use entity::partner;
use entity::user::Role;
use leadmesh_core::app::App;
use leadmesh_core::clock::Clock;
use leadmesh_core::config::{Config, Settings};
use leadmesh_core::error::{Error, UserErrorCode};
use leadmesh_core::identity::caller::{Caller, Principal};
use leadmesh_distribution::partners::NewPartner;
use sea_orm::{ActiveModelTrait, QueryOrder, Set};
use tempfile::TempDir;

use crate::support::database::TestDatabase;

/// A change of an input, the rule that it breaks, and where.
type Case<T> = (fn(&mut T), UserErrorCode, &'static str);

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    settings: Settings,
}

/// An account on a database of its own.
struct Room {
    app: App,
    account: AccountId,
    caller: Caller,
    _dir: TempDir,
    _database: Option<TestDatabase>,
}

impl Room {
    /// Rooms on both databases.
    async fn everywhere(plan: Plan) -> Vec<Self> {
        vec![
            Self::on(None, plan).await,
            Self::on(Some(TestDatabase::migrated().await), plan).await,
        ]
    }

    async fn on(database: Option<TestDatabase>, plan: Plan) -> Self {
        let dir = TempDir::new().unwrap();
        let mut settings = CommandLine::parse_from(["test"]).settings;
        settings.data_dir = dir.path().to_owned();
        settings.redis_url = None;
        settings.allow_destinations = Vec::new();
        settings.database_url = None;
        // Keys come from the data directory, as they do with SQLite.
        let mut config = Config::new(settings).unwrap();
        if let Some(database) = &database {
            config.database_url.clone_from(&database.url);
        }
        let app = App::open(config, Clock::standing_at(time("2024-05-15T12:00:00Z")))
            .await
            .unwrap();
        let account = insert_account(&app, plan).await;
        let caller = user(&app, account, Role::Member);
        Self {
            app,
            account,
            caller,
            _dir: dir,
            _database: database,
        }
    }

    /// Another account on the same database.
    async fn stranger(&self) -> Caller {
        let account = insert_account(&self.app, Plan::Paid).await;
        user(&self.app, account, Role::Owner)
    }

    async fn flow(&self, fields: &[(&str, FieldType)]) -> FlowId {
        let fields = fields.iter().map(|(name, field_type)| FieldDef {
            name: (*name).into(),
            label: (*name).into(),
            field_type: *field_type,
            required: false,
            encrypted: false,
            choices: None,
            example: None,
            description: None,
        });
        let row = entity::flow::ActiveModel {
            id: Set(self.app.clock.id()),
            account_id: Set(self.account),
            name: Set("Solar".into()),
            description: Set(None),
            enabled: Set(true),
            is_inbox: Set(false),
            version: Set(1),
            fields: Set(FieldDefs(fields.collect())),
            acceptance_rule: Set(None),
            duplicate_keys: Set(Names::default()),
            duplicate_window_days: Set(None),
            caps: Set(entity::cap_usage::Caps::default()),
            price_e4: Set(None),
            price_currency: Set(None),
            created_at: Set(self.app.clock.now()),
            updated_at: Set(self.app.clock.now()),
            deleted_at: Set(None),
        };
        row.insert(self.app.db.write()).await.unwrap().id
    }

    async fn partner(&self, name: &str) -> partner::Model {
        let made = leadmesh_distribution::partners::create(&self.app, &self.caller, new_partner(name)).await;
        made.unwrap().partner
    }

    /// The partner as it is in the database.
    async fn stored(&self, id: PartnerId) -> partner::Model {
        let found = leadmesh_distribution::partners::find(&self.app, &self.caller, id).await;
        found.unwrap().unwrap()
    }

    async fn config_version(&self) -> i64 {
        let account = entity::account::Entity::by_id(self.account);
        account.one(self.app.db.read()).await.unwrap().unwrap().config_version
    }

    /// The actions in the trail, oldest first.
    async fn trail(&self) -> Vec<audit_event::Model> {
        let trail = audit_event::Entity::in_account(self.account).order_by_asc(audit_event::Column::Id);
        trail.all(self.app.db.read()).await.unwrap()
    }

    async fn actions(&self) -> Vec<String> {
        self.trail().await.into_iter().map(|entry| entry.action).collect()
    }
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

async fn insert_account(app: &App, plan: Plan) -> AccountId {
    let row = entity::account::ActiveModel {
        id: Set(app.clock.id()),
        name: Set("A".into()),
        plan: Set(plan),
        website: Set(None),
        timezone: Set("Europe/Berlin".into()),
        contact_email: Set(None),
        contact_verified_at: Set(None),
        contact_counts: Set(false),
        listed: Set(false),
        notify_by_mail: Set(true),
        config_version: Set(1),
        created_at: Set(app.clock.now()),
        updated_at: Set(app.clock.now()),
    };
    row.insert(app.db.write()).await.unwrap().id
}

fn user(app: &App, account: AccountId, role: Role) -> Caller {
    let principal = Principal::User {
        id: app.clock.id(),
        account,
        role,
        name: "Ann".into(),
        session: app.clock.id(),
    };
    Caller {
        principal,
        ..Caller::anonymous(None)
    }
}

fn new_partner(name: &str) -> NewPartner {
    NewPartner {
        name: name.into(),
        email: "Buyer@Example.com".into(),
        phone: None,
        notes: None,
        tags: None,
        timezone: None,
        delivery: None,
        caps: None,
    }
}

/// Which rules were broken, and where.
#[track_caller]
fn broken<T: std::fmt::Debug>(result: Result<T, Error>) -> Vec<(UserErrorCode, String)> {
    match result {
        Err(Error::Broken(broken)) => broken.iter().map(|rule| (rule.code, rule.path.join("."))).collect(),
        other => panic!("no rule was broken: {other:?}"),
    }
}

/// The one rule that was broken, and where.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, code: UserErrorCode, path: &str) {
    assert_eq!(broken(result), [(code, path.to_owned())]);
}
