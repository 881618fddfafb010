//! Help by the operator on the command line: a new owner for an account, and a password link for a user where no email is sent.

use entity::account;
use entity::ids::AccountId;
use entity::user::{self, Role};
use sea_orm::{ActiveModelTrait, DatabaseTransaction};
use serde_json::json;

use super::links::{self, LinkHandover};
use super::person::{Person, PersonId, new_user};
use super::{accounts, email_address, texts};
use crate::app::App;
use crate::audit::{self, Actor, Entry};
use crate::error::{Error, OnUniqueViolation, Result, UserErrorCode};

const TAKEN: &str = "a user of this account has this address already: use `leadmesh account reset-password`";

/// A link to set a password, shown once and not stored. No `Debug`, so that no log line can show the secret in it.
pub struct PasswordLink {
    pub user: user::Model,
    pub account: account::Model,
    pub link: String,
}

/// Makes an OWNER without a password. The address is not proven by this.
pub async fn create_owner(app: &App, id: AccountId, email: &str, name: Option<&str>) -> Result<PasswordLink> {
    let email = email_address::parse(email, "email")?;
    let name = texts::name(name.unwrap_or(&email), "name")?;
    let tx = app.db.begin().await?;
    let account = lock(&tx, id).await?;
    let user = new_user(app, id, name, email, Role::Owner)
        .insert(&tx)
        .await
        .on_unique_violation(UserErrorCode::Taken, "email", TAKEN)?;
    let link = links::make(&tx, app, PersonId::User(user.id), links::INVITED, LinkHandover::Shown).await?;
    record(&tx, app, &user, "user.created_by_operator").await?;
    tx.commit().await?;
    Ok(PasswordLink { user, account, link })
}

/// Makes a link by which a user sets a new password; the old one and the sessions stay until then. An address that several
/// accounts know needs `within`.
pub async fn reset_password(app: &App, email: &str, within: Option<AccountId>) -> Result<PasswordLink> {
    let email = email_address::parse(email, "email")?;
    let claiming = user::Entity::claiming(&email).all(app.db.read()).await?;
    let mut matching: Vec<_> = claiming
        .into_iter()
        .filter(|user| within.is_none_or(|account| user.account_id == account))
        .collect();
    let user = match (matching.pop(), matching.is_empty()) {
        (Some(only), true) => only,
        (None, _) => {
            let message = "no user has this address: `leadmesh account create-owner` creates one";
            return Err(Error::user(UserErrorCode::NotFound, "email", message));
        }
        (Some(last), false) => return Err(several(&last, &matching)),
    };
    let tx = app.db.begin().await?;
    let account = lock(&tx, user.account_id).await?;
    let person = PersonId::User(user.id).lock(&tx).await?;
    let Some(Person::User(user)) = person.filter(|now| now.email() == email) else {
        let message = "the user was removed or changed concurrently: try again";
        return Err(Error::user(UserErrorCode::Conflict, "email", message));
    };
    let link = links::make(&tx, app, PersonId::User(user.id), links::RESET, LinkHandover::Shown).await?;
    record(&tx, app, &user, "password.link_made_by_operator").await?;
    tx.commit().await?;
    Ok(PasswordLink { user, account, link })
}

fn several(last: &user::Model, others: &[user::Model]) -> Error {
    let accounts: Vec<_> = others
        .iter()
        .chain([last])
        .map(|user| user.account_id.to_string())
        .collect();
    let message = format!(
        "several accounts have a user with this address: name one of them by --account, of {}",
        accounts.join(", ")
    );
    Error::user(UserErrorCode::Conflict, "account", message)
}

async fn lock(tx: &DatabaseTransaction, id: AccountId) -> Result<account::Model> {
    let unknown = |_| Error::user(UserErrorCode::NotFound, "id", "no such account");
    accounts::lock(tx, id).await.map_err(unknown)
}

async fn record(tx: &DatabaseTransaction, app: &App, user: &user::Model, action: &'static str) -> Result<()> {
    let entry = Entry::new(action, "User", user.id, &user.name).with(json!({"role": user.role}));
    audit::record(tx, &app.clock, user.account_id, &Actor::system(), entry).await
}
