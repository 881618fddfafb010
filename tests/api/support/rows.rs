//! Accounts and people put straight into the database, for use cases that are called directly.

use entity::account::{self, Plan};
use entity::audit_event;
use entity::ids::AccountId;
use entity::user::Role;
use leadmesh_core::identity::caller::{Caller, Principal};
use sea_orm::{ActiveModelTrait, IntoActiveModel, QueryOrder};

use super::app::TestApp;

impl TestApp {
    /// An account of nobody.
    pub(crate) async fn insert_account(&self, plan: Plan) -> AccountId {
        let now = self.clock.now();
        let row = account::Model {
            id: self.clock.id(),
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
        row.into_active_model().insert(self.app.db.write()).await.unwrap().id
    }

    /// Somebody of an account, who has no row.
    pub(crate) fn person(&self, account: AccountId, role: Role) -> Caller {
        let principal = Principal::User {
            id: self.clock.id(),
            account,
            role,
            name: "Olga".into(),
            session: self.clock.id(),
        };
        Caller {
            principal,
            ..Caller::anonymous(None)
        }
    }

    /// The owner of a new account.
    pub(crate) async fn owner_of(&self, plan: Plan) -> Caller {
        let account = self.insert_account(plan).await;
        self.person(account, Role::Owner)
    }

    pub(crate) async fn config_version(&self, account: AccountId) -> i64 {
        let row = account::Entity::by_id(account).one(self.app.db.read()).await.unwrap();
        row.unwrap().config_version
    }

    /// An account's audit log, oldest entry first.
    pub(crate) async fn audit_entries(&self, account: AccountId) -> Vec<audit_event::Model> {
        let entries = audit_event::Entity::in_account(account).order_by_asc(audit_event::Column::Id);
        entries.all(self.app.db.read()).await.unwrap()
    }

    /// The actions in it.
    pub(crate) async fn audit_log(&self, account: AccountId) -> Vec<String> {
        let entries = self.audit_entries(account).await;
        entries.into_iter().map(|entry| entry.action).collect()
    }
}

/// The account of somebody.
pub(crate) fn account_of(caller: &Caller) -> AccountId {
    match caller.principal {
        Principal::User { account, .. } | Principal::ApiKey { account, .. } | Principal::PortalUser { account, .. } => {
            account
        }
        Principal::Anonymous => panic!("nobody has no account"),
    }
}
