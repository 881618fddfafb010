//! Links that work once: for the first password of somebody invited, or a new one.

use chrono::TimeDelta;
use entity::one_time_token::{self, TokenPurpose};
use sea_orm::{ActiveModelTrait, ConnectionTrait, DatabaseTransaction, Set};

use super::person::{Person, PersonId};
use super::tokens::{self, ONE_TIME, Scope};
use crate::app::App;
use crate::error::{Error, Result, UserErrorCode};

/// How long an invited person has to set a password.
pub const INVITED: TimeDelta = TimeDelta::days(7);
/// How long a link for a new password works.
pub const RESET: TimeDelta = TimeDelta::hours(1);

/// Makes a link for somebody; links that they had before are void. Only a hash of the token is kept.
pub async fn make(tx: &DatabaseTransaction, app: &App, person: PersonId, lifetime: TimeDelta) -> Result<String> {
    let now = app.clock.now();
    let person = person.lock(tx).await?.ok_or_else(unknown)?;
    person.id().void_links(tx, now).await?;
    let (purpose, page) = of_scope(person.scope());
    let token = tokens::random(ONE_TIME);
    let (user_id, portal_user_id) = person.id().columns();
    let row = one_time_token::ActiveModel {
        token_hash: Set(tokens::hash(&token)),
        purpose: Set(purpose),
        user_id: Set(user_id),
        portal_user_id: Set(portal_user_id),
        expires_at: Set(now + lifetime),
        used_at: Set(None),
        created_at: Set(now),
    };
    row.insert(tx).await?;
    Ok(format!("{}{page}?token={token}", app.config.public_url))
}

/// Whose link this is, if it may still be used; without using it.
pub async fn look(db: &impl ConnectionTrait, app: &App, scope: Scope, token: &str) -> Result<Person> {
    let found = one_time_token::Entity::by_hash(&tokens::hash(token)).one(db).await?;
    let row = found
        .filter(|row| row.purpose == of_scope(scope).0)
        .ok_or_else(unknown)?;
    if row.used_at.is_some() || row.expires_at <= app.clock.now() {
        let message = "this link was used already, or its time has passed: ask for a new one";
        return Err(Error::broken(UserErrorCode::Expired, "input.token", message));
    }
    match PersonId::of(row.user_id, row.portal_user_id) {
        Some(id) => id.load(db).await?.ok_or_else(unknown),
        None => Err(unknown()),
    }
}

/// Whose link this is. It and all others of the same person are used up by that. The person's row is locked first, as
/// everywhere, so of several uses at once one gets through.
pub async fn take(tx: &DatabaseTransaction, app: &App, scope: Scope, token: &str) -> Result<Person> {
    let id = look(tx, app, scope, token).await?.id();
    let person = id.lock(tx).await?.ok_or_else(unknown)?;
    look(tx, app, scope, token).await?;
    id.void_links(tx, app.clock.now()).await?;
    Ok(person)
}

fn unknown() -> Error {
    let message = "no such link: open the newest one that was mailed to you";
    Error::broken(UserErrorCode::Invalid, "input.token", message)
}

fn of_scope(scope: Scope) -> (TokenPurpose, &'static str) {
    match scope {
        Scope::Account => (TokenPurpose::PasswordReset, "/set-password"),
        Scope::Portal => (TokenPurpose::PortalPassword, "/portal/set-password"),
    }
}
