//! Credentials to callers. Everything is looked up at each request: an ended session, a revoked key or a changed role holds
//! from the next one on.
//!
//! Submitting leads is the one exception, as it has to be fast: it may take a caller from the last minute's memory
//! ([`cached`]), because it looks again ([`recheck`]) in the transaction that stores the lead.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, ApiKeyId, SessionId, UserId};
use entity::user::Role;
use entity::{account, api_key, session, user};
use sea_orm::{ConnectionTrait, DatabaseTransaction};

use super::caller::{Caller, Principal};
use super::person::PersonId;
use super::tokens::{self, API_KEY, Claims};
use crate::app::App;
use crate::error::{Error, Result};

const BAD_KEY: &str = "the API key is unknown, revoked or past its time: use another";
const BAD_TOKEN: &str = "the access token is not valid, or not any more: refresh the session or sign in again";

/// The caller with that access token or API key.
pub async fn bearer(app: &App, token: &str, ip: Option<IpAddr>) -> Result<Caller> {
    let (principal, expires_at) = if token.starts_with(API_KEY) {
        by_key(app, token).await?
    } else {
        by_access_token(app, token).await?
    };
    let recent = &app.tokens.recent;
    recent
        .remember(tokens::hash(token), principal.clone(), expires_at)
        .await;
    note(app, &principal);
    Ok(Caller {
        principal,
        ip,
        expires_at,
    })
}

/// The caller that these credentials had some time within the last minute. Only for submitting leads, which looks again.
pub async fn cached(app: &App, token: &str, ip: Option<IpAddr>) -> Option<Caller> {
    let (principal, expires_at) = app.tokens.recent.principal(&tokens::hash(token)).await?;
    let is_over = expires_at.is_some_and(|end| end <= app.clock.now());
    (!is_over).then_some(Caller {
        principal,
        ip,
        expires_at,
    })
}

pub(super) type Known = (Principal, Option<DateTime<Utc>>);

async fn by_key(app: &App, token: &str) -> Result<Known> {
    let key = api_key::Entity::by_secret_hash(&tokens::hash(token))
        .one(app.db.read())
        .await?;
    of_key(key, app.clock.now())
}

pub(super) fn of_key(key: Option<api_key::Model>, now: DateTime<Utc>) -> Result<Known> {
    let key = key
        .filter(|key| key.is_live(now))
        .ok_or(Error::Unauthenticated(BAD_KEY))?;
    let principal = Principal::ApiKey {
        id: key.id,
        account: key.account_id,
        name: key.name,
        scopes: key.scopes.0,
    };
    Ok((principal, key.expires_at))
}

async fn by_access_token(app: &App, token: &str) -> Result<Known> {
    let claims = app.tokens.read(token, app.clock.now());
    let claims = claims.ok_or(Error::Unauthenticated(BAD_TOKEN))?;
    let person = subject(&claims).ok_or(Error::Unauthenticated(BAD_TOKEN))?;
    let principal = of_session(app, person, claims.sid).await?;
    if account_of(&principal) != Some(claims.acct) {
        return Err(Error::Unauthenticated(BAD_TOKEN));
    }
    Ok((principal, DateTime::from_timestamp(claims.exp, 0)))
}

fn subject(claims: &Claims) -> Option<PersonId> {
    match claims.scope {
        tokens::Scope::Account => claims.sub.parse().ok().map(PersonId::User),
        tokens::Scope::Portal => claims.sub.parse().ok().map(PersonId::Portal),
    }
}

fn account_of(principal: &Principal) -> Option<AccountId> {
    match principal {
        Principal::Anonymous => None,
        Principal::User { account, .. } | Principal::ApiKey { account, .. } | Principal::PortalUser { account, .. } => {
            Some(*account)
        }
    }
}

async fn of_session(app: &App, person: PersonId, id: SessionId) -> Result<Principal> {
    let bad = || Error::Unauthenticated(BAD_TOKEN);
    let db = app.db.read();
    let session = session::Entity::open(id).one(db).await?.ok_or_else(bad)?;
    if PersonId::of(session.user_id, session.portal_user_id) != Some(person) {
        return Err(bad());
    }
    let person = person.load(db).await?.ok_or_else(bad)?;
    person.principal(db, id).await?.ok_or_else(bad)
}

/// Notes that credentials were used, at most once a minute and without holding anybody up.
fn note(app: &App, principal: &Principal) {
    match principal {
        Principal::Anonymous => {}
        Principal::User { id, .. } => PersonId::User(*id).seen(app),
        Principal::PortalUser { id, .. } => PersonId::Portal(*id).seen(app),
        Principal::ApiKey { id, .. } => {
            let (app, id) = (app.clone(), *id);
            tokio::spawn(async move {
                if !app.tokens.recent.is_first(id.0).await {
                    return;
                }
                let noted = api_key::Entity::used(id, app.clock.now()).exec(app.db.write()).await;
                if let Err(error) = noted {
                    tracing::debug!(%error, "cannot note when an API key was last used");
                }
            });
        }
    }
}

/// Which credentials of an account still hold.
#[derive(Clone, Debug, Default)]
pub struct StillValid {
    keys: HashSet<ApiKeyId>,
    sessions: HashSet<SessionId>,
    roles: HashMap<UserId, Role>,
}

impl StillValid {
    /// Whether it holds with the same rights as when it was looked at first. A key's scopes never change.
    pub fn includes(&self, principal: &Principal) -> bool {
        match principal {
            Principal::Anonymous | Principal::PortalUser { .. } => false,
            Principal::ApiKey { id, .. } => self.keys.contains(id),
            Principal::User { id, role, session, .. } => {
                self.sessions.contains(session) && self.roles.get(id) == Some(role)
            }
        }
    }
}

/// Looks again at the credentials of many submissions at once, in the transaction that stores them, and with them at the
/// configuration versions of the accounts that the submissions rest on: one statement, and two more for people.
pub async fn recheck<'a>(
    tx: &DatabaseTransaction,
    now: DateTime<Utc>,
    principals: impl IntoIterator<Item = &'a Principal>,
    accounts: impl IntoIterator<Item = AccountId>,
) -> Result<Rechecked> {
    recheck_with(tx, now, principals, accounts, None).await
}

/// The same, and in the same statement whether a worker's lease has not run out.
pub async fn recheck_with<'a>(
    tx: &DatabaseTransaction,
    now: DateTime<Utc>,
    principals: impl IntoIterator<Item = &'a Principal>,
    accounts: impl IntoIterator<Item = AccountId>,
    lease: Option<uuid::Uuid>,
) -> Result<Rechecked> {
    let (mut keys, mut people) = (HashSet::new(), HashMap::new());
    for principal in principals {
        match principal {
            Principal::ApiKey { id, .. } => drop(keys.insert(*id)),
            Principal::User { id, session, .. } => drop(people.insert(*session, *id)),
            Principal::Anonymous | Principal::PortalUser { .. } => {}
        }
    }
    let standing = account::Entity::standing(tx, accounts.into_iter().collect(), keys, lease, now).await?;
    let mut valid = StillValid {
        keys: standing.live_keys.into_iter().collect(),
        ..StillValid::default()
    };
    if !people.is_empty() {
        valid.sessions = open_sessions(tx, people.keys().copied()).await?;
        valid.roles = roles(tx, people.into_values()).await?;
    }
    Ok(Rechecked {
        valid,
        versions: standing.versions.into_iter().collect(),
        closed: standing.closed.into_iter().collect(),
        lease: standing.lease,
    })
}

/// How things stand in the transaction that stores leads.
#[derive(Debug)]
pub struct Rechecked {
    /// Credentials that may still be used.
    pub valid: StillValid,
    /// The configuration versions of accounts.
    pub versions: HashMap<AccountId, i64>,
    /// Endpoints of the accounts to which nothing is sent now.
    pub closed: HashSet<uuid::Uuid>,
    /// The worker's lease that was asked for, if it has not run out.
    pub lease: Option<uuid::Uuid>,
}

async fn open_sessions(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = SessionId>,
) -> Result<HashSet<SessionId>> {
    let open = session::Entity::open_among(ids).all(db).await?;
    Ok(open.into_iter().map(|session| session.id).collect())
}

async fn roles(db: &impl ConnectionTrait, ids: impl IntoIterator<Item = UserId>) -> Result<HashMap<UserId, Role>> {
    let present = user::Entity::by_ids(ids).all(db).await?;
    Ok(present.into_iter().map(|user| (user.id, user.role)).collect())
}
