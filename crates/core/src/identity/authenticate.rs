//! From credentials to callers. Every request reads them anew, so an ended session, a revoked key or a changed role holds from
//! the next request on.
//!
//! Submission is the exception, for speed: it may use a caller from the last minute's cache ([`cached`]), because the transaction
//! that stores the lead checks again ([`recheck`]).

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

const BAD_KEY: &str = "the API key is unknown, revoked or expired: use another";
const BAD_TOKEN: &str = "the access token is invalid or expired: refresh the session or sign in again";

/// The caller with an access token or API key.
pub async fn bearer(app: &App, token: &str, ip: Option<IpAddr>) -> Result<Caller> {
    let (principal, expires_at) = if token.starts_with(API_KEY) {
        by_key(app, token).await?
    } else {
        by_access_token(app, token).await?
    };
    let credentials = &app.tokens.credentials;
    credentials
        .remember(tokens::hash(token), principal.clone(), expires_at)
        .await;
    note(app, &principal);
    Ok(Caller {
        principal,
        ip,
        expires_at,
    })
}

/// The caller of these credentials within the last minute. Only for submitting leads, which checks again.
pub async fn cached(app: &App, token: &str, ip: Option<IpAddr>) -> Option<Caller> {
    let (principal, expires_at) = app.tokens.credentials.principal(&tokens::hash(token)).await?;
    let is_over = expires_at.is_some_and(|end| end <= app.clock.now());
    (!is_over).then_some(Caller {
        principal,
        ip,
        expires_at,
    })
}

type Authenticated = (Principal, Option<DateTime<Utc>>);

async fn by_key(app: &App, token: &str) -> Result<Authenticated> {
    let key = api_key::Entity::by_secret_hash(&tokens::hash(token))
        .one(app.db.read())
        .await?;
    let key = key
        .filter(|key| key.is_live(app.clock.now()))
        .ok_or(Error::Unauthenticated(BAD_KEY))?;
    let expires_at = key.expires_at;
    Ok((Principal::of_key(key), expires_at))
}

async fn by_access_token(app: &App, token: &str) -> Result<Authenticated> {
    let claims = app.tokens.read(token, app.clock.now());
    let claims = claims.ok_or(Error::Unauthenticated(BAD_TOKEN))?;
    let person = subject(&claims).ok_or(Error::Unauthenticated(BAD_TOKEN))?;
    let principal = of_session(app, person, claims.sid).await?;
    if principal.rights_account() != Some(claims.acct) {
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

/// Notes that credentials were used, at most once a minute and without delaying the request.
fn note(app: &App, principal: &Principal) {
    match principal {
        Principal::Anonymous => {}
        Principal::User { id, .. } => PersonId::User(*id).seen(app),
        Principal::PortalUser { id, .. } => PersonId::Portal(*id).seen(app),
        Principal::ApiKey { id, .. } => {
            let (app, id) = (app.clone(), *id);
            tokio::spawn(async move {
                if !app.tokens.credentials.is_first(id.0).await {
                    return;
                }
                let noted = api_key::Entity::used(id, app.clock.now()).exec(app.db.write()).await;
                if let Err(error) = noted {
                    tracing::debug!(%error, "cannot store when an API key was last used");
                }
            });
        }
    }
}

/// Credentials that are still valid.
#[derive(Clone, Debug, Default)]
pub struct ValidCredentials {
    keys: HashSet<ApiKeyId>,
    sessions: HashSet<SessionId>,
    roles: HashMap<UserId, Role>,
}

impl ValidCredentials {
    /// Whether the principal is valid with the same rights as before. A key's scopes never change.
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

/// Checks the credentials of many submissions again, in the transaction that stores them, together with the configuration
/// versions of the accounts concerned and a worker's lease: one statement, and two more for users.
pub async fn recheck<'a>(
    tx: &DatabaseTransaction,
    now: DateTime<Utc>,
    principals: impl IntoIterator<Item = &'a Principal>,
    accounts: impl IntoIterator<Item = AccountId>,
    lease: Option<uuid::Uuid>,
) -> Result<Recheck> {
    let (mut keys, mut people) = (HashSet::new(), HashMap::new());
    for principal in principals {
        match principal {
            Principal::ApiKey { id, .. } => drop(keys.insert(*id)),
            Principal::User { id, session, .. } => drop(people.insert(*session, *id)),
            Principal::Anonymous | Principal::PortalUser { .. } => {}
        }
    }
    let standing = account::Entity::standing(tx, accounts.into_iter().collect(), keys, lease, now).await?;
    let mut valid = ValidCredentials {
        keys: standing.live_keys.into_iter().collect(),
        ..ValidCredentials::default()
    };
    if !people.is_empty() {
        valid.sessions = open_sessions(tx, people.keys().copied()).await?;
        valid.roles = roles(tx, people.into_values()).await?;
    }
    Ok(Recheck {
        valid,
        versions: standing.versions.into_iter().collect(),
        closed: standing.closed.into_iter().collect(),
        lease: standing.lease,
    })
}

/// Facts of the transaction that stores leads.
#[derive(Debug)]
pub struct Recheck {
    pub valid: ValidCredentials,
    pub versions: HashMap<AccountId, i64>,
    /// Endpoints with an open circuit.
    pub closed: HashSet<uuid::Uuid>,
    /// The worker's lease, if it has not run out.
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
