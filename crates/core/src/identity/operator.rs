//! What the operator does for people on the command line: an owner for an account that nobody can get into, and a link for
//! somebody who has lost the password where no mail is sent.

use entity::account;
use entity::ids::AccountId;
use entity::user::{self, Role};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, Set};
use serde_json::json;

use super::links::{self, Way};
use super::person::{Person, PersonId};
use super::{accounts, email_address, texts};
use crate::app::App;
use crate::audit::{self, Entry, Who};
use crate::error::{Error, OrBroken, Result, UserErrorCode};

const TAKEN: &str =
    "somebody with this address is a user of this account already: use `leadmesh account reset-password`";

/// A link to set a password, to be passed on by whoever reads it. It is kept nowhere.
///
/// No `Debug`, so that no log line can show the secret in it.
pub struct Handed {
    /// Whose.
    pub user: user::Model,
    /// Of which account.
    pub account: account::Model,
    /// Works once.
    pub link: String,
}

/// Makes an OWNER without a password for an account. The address counts as any other: not proven by this.
pub async fn create_owner(app: &App, id: AccountId, email: &str, name: Option<&str>) -> Result<Handed> {
    let email = email_address::parse(email, "email")?;
    let name = texts::name(name.unwrap_or(&email), "name")?;
    let tx = app.db.begin().await?;
    let account = lock(&tx, id).await?;
    let row = user::ActiveModel {
        id: Set(app.clock.id()),
        account_id: Set(id),
        name: Set(name),
        email: Set(email),
        email_verified_at: Set(None),
        holds_email: Set(false),
        confirmed_at: Set(None),
        password_hash: Set(None),
        role: Set(Role::Owner),
        last_seen_at: Set(None),
        created_at: Set(app.clock.now()),
        removed_at: Set(None),
    };
    let user = row.insert(&tx).await.or_broken(UserErrorCode::Taken, "email", TAKEN)?;
    let link = links::make(&tx, app, PersonId::User(user.id), links::INVITED, Way::Shown).await?;
    record(&tx, app, &user, "user.created_by_operator").await?;
    tx.commit().await?;
    Ok(Handed { user, account, link })
}

/// Makes a link by which somebody sets a new password; the old one and their sessions go on until then. Several accounts may know
/// the address: then it takes the account, too.
pub async fn reset_password(app: &App, email: &str, within: Option<AccountId>) -> Result<Handed> {
    let email = email_address::parse(email, "email")?;
    let claiming = user::Entity::claiming(&email).all(app.db.read()).await?;
    let mut fitting: Vec<_> = claiming
        .into_iter()
        .filter(|user| within.is_none_or(|account| user.account_id == account))
        .collect();
    let user = match (fitting.pop(), fitting.is_empty()) {
        (Some(only), true) => only,
        (None, _) => {
            let message = "no user has this address there: `leadmesh account create-owner` makes one";
            return Err(Error::broken(UserErrorCode::NotFound, "email", message));
        }
        (Some(last), false) => return Err(several(&last, &fitting)),
    };
    let tx = app.db.begin().await?;
    let account = lock(&tx, user.account_id).await?;
    let person = PersonId::User(user.id).lock(&tx).await?;
    let Some(Person::User(user)) = person.filter(|now| now.email() == email) else {
        let message = "the user was removed or changed at this moment: try again";
        return Err(Error::broken(UserErrorCode::Conflict, "email", message));
    };
    let link = links::make(&tx, app, PersonId::User(user.id), links::RESET, Way::Shown).await?;
    record(&tx, app, &user, "password.link_made_by_operator").await?;
    tx.commit().await?;
    Ok(Handed { user, account, link })
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
    Error::broken(UserErrorCode::Conflict, "account", message)
}

async fn lock(tx: &DatabaseTransaction, id: AccountId) -> Result<account::Model> {
    let unknown = |_| Error::broken(UserErrorCode::NotFound, "id", "no such account");
    accounts::lock(tx, id).await.map_err(unknown)
}

async fn record(tx: &DatabaseTransaction, app: &App, user: &user::Model, action: &'static str) -> Result<()> {
    let entry = Entry {
        action,
        subject_type: "User",
        subject_id: user.id.to_string(),
        label: Some(&user.name),
        changes: Some(json!({"role": user.role})),
    };
    audit::record(tx, &app.clock, user.account_id, &Who::system(), entry).await
}
