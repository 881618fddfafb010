//! Keys for programs.

use async_graphql::InputObject;
use chrono::{DateTime, SubsecRound, Utc};
use entity::api_key::{self, ApiKeyScope, Scopes};
use entity::ids::ApiKeyId;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Set,
};
use serde_json::json;

use super::caller::Caller;
use super::policy::Action;
use super::{accounts, texts, tokens};
use crate::app::App;
use crate::audit::{self, Entry};
use crate::error::{Error, Result, UserErrorCode};

/// Keys of one account that may be used at once.
pub const MOST: u64 = 50;
/// Characters of the secret that stay visible.
const HINT: usize = 4;

/// The keys of the caller's account in the order in which they were made, ended ones included.
pub async fn list(app: &App, caller: &Caller) -> Result<Vec<api_key::Model>> {
    let account = caller.require(Action::ReadAccount)?;
    let keys = api_key::Entity::in_account(account).order_by_asc(api_key::Column::Id);
    Ok(keys.all(app.db.read()).await?)
}

/// One key of the caller's account, if there is such a one; it may have ended.
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
    let tx = app.db.begin().await?;
    accounts::lock(&tx, account).await?;
    if api_key::Entity::live_in_account(account, now).count(&tx).await? >= MOST {
        let message = format!("an account has at most {MOST} keys: revoke one that is not used");
        return Err(Error::broken(UserErrorCode::LimitReached, "input", message));
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
    let key = row.insert(&tx).await?;
    record(&tx, app, caller, &key, "api_key.created").await?;
    tx.commit().await?;
    Ok((key, secret))
}

/// Ends a key at once, on every node. Ending it again changes nothing.
pub async fn revoke(app: &App, caller: &Caller, id: ApiKeyId) -> Result<api_key::Model> {
    let account = caller.require(Action::ManagePeople)?;
    let tx = app.db.begin().await?;
    let mine = api_key::Entity::in_account(account).filter(api_key::Column::Id.eq(id));
    let found = mine.lock_exclusive().one(&tx).await?;
    let key = found.ok_or_else(|| Error::broken(UserErrorCode::NotFound, "id", "no such API key"))?;
    if key.revoked_at.is_some() {
        return Ok(key);
    }
    let mut row: api_key::ActiveModel = key.into();
    row.revoked_at = Set(Some(app.clock.now()));
    let key = row.update(&tx).await?;
    accounts::touch_config(&tx, account).await?;
    record(&tx, app, caller, &key, "api_key.revoked").await?;
    tx.commit().await?;
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
        return Err(Error::broken(UserErrorCode::Required, "input.scopes", message));
    }
    Ok(distinct)
}

fn check_end(end: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<()> {
    if end.is_none_or(|end| now < end) {
        return Ok(());
    }
    let message = "this time has passed: choose a later one, or none";
    Err(Error::broken(UserErrorCode::Invalid, "input.expiresAt", message))
}

fn hint(secret: &str) -> String {
    let hidden = secret.chars().count().saturating_sub(HINT);
    secret.chars().skip(hidden).collect()
}

async fn record(
    tx: &DatabaseTransaction,
    app: &App,
    caller: &Caller,
    key: &api_key::Model,
    action: &'static str,
) -> Result<()> {
    let entry = Entry {
        action,
        subject_type: "ApiKey",
        subject_id: key.id.to_string(),
        label: Some(&key.name),
        changes: Some(json!({"scopes": key.scopes, "expiresAt": key.expires_at})),
    };
    audit::record(tx, &app.clock, key.account_id, &caller.who(), entry).await
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
