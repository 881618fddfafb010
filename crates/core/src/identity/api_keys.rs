//! API keys.

use async_graphql::InputObject;
use chrono::{DateTime, SubsecRound, Utc};
use entity::api_key::{self, ApiKeyScope, Scopes};
use entity::ids::ApiKeyId;
use sea_orm::{ActiveModelTrait, ColumnTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use serde_json::json;

use super::caller::Caller;
use super::change::Change;
use super::policy::Action;
use super::{texts, tokens};
use crate::app::App;
use crate::audit::Entry;
use crate::error::{Error, Result, UserErrorCode};

pub const MOST: u64 = 50;
/// Characters of the secret that stay visible.
const HINT: usize = 4;

/// Revoked and expired keys included.
pub async fn list(app: &App, caller: &Caller) -> Result<Vec<api_key::Model>> {
    let account = caller.require(Action::ReadAccount)?;
    let keys = api_key::Entity::in_account(account).order_by_asc(api_key::Column::Id);
    Ok(keys.all(app.db.read()).await?)
}

pub async fn find(app: &App, caller: &Caller, id: ApiKeyId) -> Result<Option<api_key::Model>> {
    let account = caller.require(Action::ReadAccount)?;
    let mine = api_key::Entity::in_account(account).filter(api_key::Column::Id.eq(id));
    Ok(mine.one(app.db.read()).await?)
}

/// An API key to create.
#[derive(Clone, Debug, InputObject)]
#[graphql(name = "CreateApiKeyInput")]
pub struct CreateApiKey {
    /// Display name, 1 to 120 characters.
    pub name: String,
    /// Scopes of the key, at least one.
    pub scopes: Vec<ApiKeyScope>,
    /// When the key expires, in the future. If omitted, it is valid until revoked.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Makes a key. Its secret, the second part of the answer, is never shown again.
pub async fn create(app: &App, caller: &Caller, input: CreateApiKey) -> Result<(api_key::Model, String)> {
    let account = caller.require(Action::ManagePeople)?;
    let now = app.clock.now();
    let name = texts::name(&input.name, "input.name")?;
    let scopes = distinct(input.scopes)?;
    let end = input.expires_at.map(|end| end.trunc_subsecs(6));
    check_end(end, now)?;
    let change = Change::begin(app, caller, account).await?;
    if api_key::Entity::live_in_account(account, now).count(&change.tx).await? >= MOST {
        let message = format!("an account has at most {MOST} keys: revoke one that is not used");
        return Err(Error::user(UserErrorCode::LimitReached, "input", message));
    }
    let secret = tokens::random(tokens::API_KEY);
    let row = api_key::ActiveModel {
        id: Set(app.clock.id()),
        account_id: Set(account),
        name: Set(name),
        hint: Set(hint(&secret)),
        secret_hash: Set(tokens::hash(&secret)),
        scopes: Set(Scopes(scopes)),
        created_at: Set(now),
        last_used_at: Set(None),
        expires_at: Set(end),
        revoked_at: Set(None),
    };
    let key = row.insert(&change.tx).await?;
    change.record(entry("api_key.created", &key)).await?;
    change.commit_uncompiled().await?;
    Ok((key, secret))
}

/// Revokes a key on every node immediately. Revoking it again changes nothing.
pub async fn revoke(app: &App, caller: &Caller, id: ApiKeyId) -> Result<api_key::Model> {
    let account = caller.require(Action::ManagePeople)?;
    let change = Change::begin(app, caller, account).await?;
    let mine = api_key::Entity::in_account(account).filter(api_key::Column::Id.eq(id));
    let found = mine.lock_exclusive().one(&change.tx).await?;
    let key = found.ok_or_else(|| Error::user(UserErrorCode::NotFound, "id", "no such API key"))?;
    if key.revoked_at.is_some() {
        return Ok(key);
    }
    let mut row: api_key::ActiveModel = key.into();
    row.revoked_at = Set(Some(app.clock.now()));
    let key = row.update(&change.tx).await?;
    change.commit_with(entry("api_key.revoked", &key)).await?;
    app.hub.rights_changed(account);
    Ok(key)
}

fn distinct(scopes: Vec<ApiKeyScope>) -> Result<Vec<ApiKeyScope>> {
    let mut distinct = Vec::new();
    for scope in scopes {
        if !distinct.contains(&scope) {
            distinct.push(scope);
        }
    }
    if distinct.is_empty() {
        let message = "choose at least one scope: without one the key could do nothing";
        return Err(Error::user(UserErrorCode::Required, "input.scopes", message));
    }
    Ok(distinct)
}

fn check_end(end: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<()> {
    if end.is_none_or(|end| now < end) {
        return Ok(());
    }
    let message = "this time has passed: choose a later one, or none";
    Err(Error::user(UserErrorCode::Invalid, "input.expiresAt", message))
}

fn hint(secret: &str) -> String {
    let hidden = secret.chars().count().saturating_sub(HINT);
    secret.chars().skip(hidden).collect()
}

fn entry<'a>(action: &'static str, key: &'a api_key::Model) -> Entry<'a> {
    let changes = json!({"scopes": key.scopes, "expiresAt": key.expires_at});
    Entry::new(action, "ApiKey", key.id, &key.name).with(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_scopes_each_once_and_shows_four_characters() {
        use ApiKeyScope::{LeadsRead, LeadsSubmit};
        assert_eq!(
            distinct(vec![LeadsRead, LeadsSubmit, LeadsRead]).unwrap(),
            [LeadsRead, LeadsSubmit]
        );
        assert!(distinct(Vec::new()).is_err());
        assert_eq!(hint("lmk_abcdef"), "cdef");
    }

    #[test]
    fn a_key_ends_in_the_future_or_never() {
        let now = DateTime::UNIX_EPOCH;
        assert!(check_end(None, now).is_ok());
        assert!(check_end(Some(now), now).is_err());
    }
}
