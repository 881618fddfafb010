//! Accounts: companies on this server.

mod inbox;

use entity::account::{self, Plan};
use entity::account_key::KeyPurpose;
use entity::ids::AccountId;
use sea_orm::sea_query::LockType;
use sea_orm::{ActiveModelTrait, ConnectionTrait, DatabaseTransaction, QueryOrder, QuerySelect, Set};
use serde_json::json;

use super::caller::Caller;
use super::policy::Action;
use crate::app::App;
use crate::audit::{self, Actor, Entry};
use crate::error::{Error, Result, UserErrorCode};

/// Checked values of a new account.
#[derive(Clone, Debug)]
pub struct NewAccount {
    pub name: String,
    pub website: Option<String>,
    pub timezone: String,
    /// For look-up by partners.
    pub contact_email: String,
    pub plan: Plan,
}

/// Makes an account with its keys and its Inbox.
pub(super) async fn make(tx: &DatabaseTransaction, app: &App, new: NewAccount) -> Result<account::Model> {
    let now = app.clock.now();
    let row = account::ActiveModel {
        id: Set(app.clock.id()),
        name: Set(new.name),
        plan: Set(new.plan),
        website: Set(new.website),
        timezone: Set(new.timezone),
        contact_email: Set(Some(new.contact_email)),
        contact_verified_at: Set(None),
        contact_counts: Set(!app.config.requires_proof()),
        listed: Set(false),
        notify_by_mail: Set(true),
        config_version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
    };
    let account = row.insert(tx).await?;
    // Not through the vault's cache, which would keep keys that a rollback removes.
    for purpose in [KeyPurpose::Index, KeyPurpose::Seal] {
        app.vault
            .new_key(tx, &app.clock, Some(account.id), purpose)
            .await?
            .insert(tx)
            .await?;
    }
    inbox::make(tx, app, account.id).await?;
    Ok(account)
}

pub async fn get(app: &App, caller: &Caller) -> Result<account::Model> {
    load(app.db.read(), caller.require(Action::ReadAccount)?).await
}

/// The calling use case decides whether the caller may see it.
pub async fn load(db: &impl ConnectionTrait, id: AccountId) -> Result<account::Model> {
    let found = account::Entity::by_id(id).one(db).await?;
    found.ok_or(Error::NotFound("account"))
}

/// What a partner may see of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub id: AccountId,
    pub name: String,
    pub website: Option<String>,
}

impl From<account::Model> for Profile {
    fn from(account: account::Model) -> Self {
        Self {
            id: account.id,
            name: account.name,
            website: account.website,
        }
    }
}

/// The calling use case decides whether the caller may see them.
pub async fn profiles(db: &impl ConnectionTrait, ids: Vec<AccountId>) -> Result<Vec<Profile>> {
    let found = account::Entity::by_ids(ids).all(db).await?;
    Ok(found.into_iter().map(Profile::from).collect())
}

pub(super) fn entry<'a>(action: &'static str, account: &'a account::Model) -> Entry<'a> {
    Entry::new(action, "Account", account.id, &account.name)
}

/// Locks an account's own row, so that changes of its users and keys follow one another. Rows that refer to it can still be
/// written: no lead waits.
pub async fn lock(tx: &DatabaseTransaction, id: AccountId) -> Result<account::Model> {
    let found = account::Entity::by_id(id).lock(LockType::NoKeyUpdate).one(tx).await?;
    found.ok_or(Error::NotFound("account"))
}

/// Makes every node compile the account's flows and read its credentials anew.
pub async fn touch_config(tx: &DatabaseTransaction, account: AccountId) -> Result<()> {
    account::Entity::raise_config_version(account).exec(tx).await?;
    Ok(())
}

/// All accounts in the order of sign-up, for the operator.
pub async fn list(app: &App) -> Result<Vec<account::Model>> {
    let all = account::Entity::for_operator().order_by_asc(account::Column::Id);
    Ok(all.all(app.db.read()).await?)
}

/// For the operator.
pub async fn set_plan(app: &App, id: AccountId, plan: Plan) -> Result<account::Model> {
    let tx = app.db.begin().await?;
    let unknown = |_| Error::user(UserErrorCode::NotFound, "id", "no such account");
    let before = lock(&tx, id).await.map_err(unknown)?;
    let mut row: account::ActiveModel = before.clone().into();
    row.plan = Set(plan);
    row.updated_at = Set(app.clock.now());
    let account = row.update(&tx).await?;
    touch_config(&tx, id).await?;
    let changes = json!({"before": before.plan, "after": plan});
    let entry = entry("account.plan_changed", &account).with(changes);
    audit::record(&tx, &app.clock, id, &Actor::system(), entry).await?;
    tx.commit().await?;
    Ok(account)
}
