//! The use cases of the flows room, on both databases.

mod flows;
mod revisions;
mod sources;
mod steps;

use chrono::{DateTime, Duration, Utc};
use entity::account::{self, Plan};
use entity::field::FieldType;
use entity::flow_revision;
use entity::ids::{AccountId, FlowId, PartnerId, ProfileId, SettingsId};
use entity::profile::{self, OnFailure, Strategy};
use entity::user::Role;
use entity::{assignment, delivery_settings, flow, partner, source, step};
use leadmesh_core::clock::Clock;
use leadmesh_core::error::{Error, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_flows::manage::{self, CreateFlow, FieldInput};
use leadmesh_flows::{SavedFlow, revisions as history_of};
use leadmesh_forms::rules::Rule;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};
use serde_json::{Value, json};

use crate::support::app::{Mode, TestApp, both};
use crate::support::rows::account_of;

async fn open(mode: Mode) -> TestApp {
    TestApp::without_server(Clock::standing_at(start()), mode, &[]).await
}

impl TestApp {
    async fn set_plan(&self, account: AccountId, plan: Plan) {
        let row = account::Entity::by_id(account).one(self.app.db.read()).await.unwrap();
        let mut row = row.unwrap().into_active_model();
        row.plan = sea_orm::Set(plan);
        row.update(self.app.db.write()).await.unwrap();
    }

    async fn create(&self, caller: &Caller, input: CreateFlow) -> flow::Model {
        manage::create(&self.app, caller, input).await.unwrap().flow
    }

    async fn source_rows(&self, flow: FlowId) -> Vec<source::Model> {
        source::Entity::of_flow(flow).all(self.app.db.read()).await.unwrap()
    }

    async fn step_rows(&self, flow: FlowId) -> Vec<step::Model> {
        step::Entity::of_flow(flow).all(self.app.db.read()).await.unwrap()
    }

    async fn history(&self, caller: &Caller, flow: FlowId) -> Vec<flow_revision::Model> {
        let history = history_of::history(caller, flow).unwrap();
        let history = history.order_by_asc(flow_revision::Column::Version);
        history.all(self.app.db.read()).await.unwrap()
    }

    async fn insert_profile(&self, account: AccountId, name: &str) -> ProfileId {
        let now = self.clock.now();
        let row = profile::Model {
            id: self.clock.id(),
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
        row.deleted_at = sea_orm::Set(Some(self.clock.now()));
        row.update(self.app.db.write()).await.unwrap();
    }

    /// A partner with a mail template that names the age, in a profile.
    async fn insert_partner(&self, account: AccountId, profile: ProfileId, name: &str) {
        let now = self.clock.now();
        let (id, settings): (PartnerId, SettingsId) = (self.clock.id(), self.clock.id());
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
            id: self.clock.id(),
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
