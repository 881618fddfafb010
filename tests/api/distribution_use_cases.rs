//! The management of partners, profiles and assignments, called directly.

mod assignments;
mod partners;
mod profiles;
mod settings;

use chrono::{DateTime, Utc};
use entity::account::Plan;
use entity::field::{FieldDef, FieldType};
use entity::flow::{FieldDefs, Names};
use entity::ids::{AccountId, FlowId, PartnerId};
use entity::partner;
use entity::user::Role;
use leadmesh_core::clock::Clock;
use leadmesh_core::error::{Error, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_distribution::partners::NewPartner;
use sea_orm::{ActiveModelTrait, Set};

use crate::support::app::{Mode, TestApp};

/// A change of an input, the rule that it breaks, and where.
type Case<T> = (fn(&mut T), UserErrorCode, &'static str);

/// A member of an account.
struct Company {
    test: TestApp,
    account: AccountId,
    caller: Caller,
}

impl std::ops::Deref for Company {
    type Target = TestApp;

    fn deref(&self) -> &TestApp {
        &self.test
    }
}

async fn paid(mode: Mode) -> Company {
    Company::of(mode, Plan::Paid).await
}

async fn free(mode: Mode) -> Company {
    Company::of(mode, Plan::Free).await
}

impl Company {
    async fn of(mode: Mode, plan: Plan) -> Self {
        let test = TestApp::without_server(Clock::standing_at(time("2024-05-15T12:00:00Z")), mode, &[]).await;
        let account = test.insert_account(plan).await;
        Self {
            account,
            caller: test.person(account, Role::Member),
            test,
        }
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
            id: Set(self.clock.id()),
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
            created_at: Set(self.clock.now()),
            updated_at: Set(self.clock.now()),
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
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
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
        Err(Error::User(broken)) => broken.iter().map(|rule| (rule.code, rule.path.join("."))).collect(),
        other => panic!("no rule was broken: {other:?}"),
    }
}

/// The one rule that was broken, and where.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, code: UserErrorCode, path: &str) {
    assert_eq!(broken(result), [(code, path.to_owned())]);
}
