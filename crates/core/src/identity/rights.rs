//! The present rights of callers with open streams. Every event reads them again, so a lost right holds from the next event
//! on. Concurrent readers share two statements for each kind of credential.

use std::collections::HashMap;
use std::sync::Arc;

use entity::ids::{ApiKeyId, SessionId};
use entity::portal_user::PortalPermission;
use entity::{api_key, portal_user, session, user};
use sea_orm::{DatabaseTransaction, QuerySelect};
use tokio::try_join;

use super::caller::{Caller, Principal};
use crate::batch_loader::BatchLoader;
use crate::clock::Clock;
use crate::database::Db;
use crate::error::{Error, Result};

const GONE: &str = "the session or key has ended: sign in again";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Credential {
    Session(SessionId),
    PortalSession(SessionId),
    Key(ApiKeyId),
}

type Principals = HashMap<Credential, Principal>;

#[derive(Clone, Debug)]
pub struct Rights {
    reader: Reader,
    loads: Arc<BatchLoader<Credential, Principal>>,
}

impl Rights {
    /// `db` must not be within the share of an account: its wait would hold up the other readers.
    pub fn new(db: Db, clock: Clock) -> Self {
        Self {
            reader: Reader { db, clock },
            loads: Arc::default(),
        }
    }

    /// The caller with their present rights.
    pub async fn refresh(&self, caller: &Caller) -> Result<Caller> {
        if caller.expires_at.is_some_and(|end| end <= self.reader.clock.now()) {
            return Err(Error::Unauthenticated(
                "the access token has expired: refresh the session",
            ));
        }
        let credential = match &caller.principal {
            Principal::Anonymous => return Ok(caller.clone()),
            Principal::User { session, .. } => Credential::Session(*session),
            Principal::PortalUser { session, .. } => Credential::PortalSession(*session),
            Principal::ApiKey { id, .. } => Credential::Key(*id),
        };
        let reader = self.reader.clone();
        let read = move |credentials| {
            let reader = reader.clone();
            async move { reader.read(credentials).await }
        };
        let principal = self.loads.load(credential, read).await?;
        let principal = principal
            .filter(|now| now.is_same(&caller.principal))
            .ok_or(Error::Unauthenticated(GONE))?;
        Ok(Caller {
            principal,
            ..caller.clone()
        })
    }
}

/// Whether a portal user still has a permission; it cannot be taken away before the transaction ends.
pub async fn has_portal_permission(
    tx: &DatabaseTransaction,
    caller: &Caller,
    permission: PortalPermission,
) -> Result<bool> {
    let Principal::PortalUser { id, .. } = &caller.principal else {
        return Ok(false);
    };
    let user = portal_user::Entity::by_id(*id).lock_shared().one(tx).await?;
    Ok(user.is_some_and(|user| user.permissions.0.contains(&permission)))
}

#[derive(Clone, Debug)]
struct Reader {
    db: Db,
    clock: Clock,
}

impl Reader {
    async fn read(&self, credentials: Vec<Credential>) -> Result<Principals> {
        let (mut sessions, mut in_portals, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for credential in credentials {
            match credential {
                Credential::Session(id) => sessions.push(id),
                Credential::PortalSession(id) => in_portals.push(id),
                Credential::Key(id) => keys.push(id),
            }
        }
        let (mut found, in_portals, keys) = try_join!(
            self.by_session(sessions),
            self.by_portal_session(in_portals),
            self.by_key(keys)
        )?;
        found.extend(in_portals);
        found.extend(keys);
        Ok(found)
    }

    async fn by_key(&self, ids: Vec<ApiKeyId>) -> Result<Principals> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let now = self.clock.now();
        let keys = api_key::Entity::by_ids(ids).all(self.db.read()).await?;
        let live = keys.into_iter().filter(|key| key.is_live(now));
        Ok(live
            .map(|key| (Credential::Key(key.id), Principal::of_key(key)))
            .collect())
    }

    async fn by_session(&self, ids: Vec<SessionId>) -> Result<Principals> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let (db, open) = (self.db.read(), session::Entity::open_among(ids.iter().copied()));
        let (open, users) = try_join!(open.all(db), user::Entity::signed_in(ids).all(db))?;
        let users: HashMap<_, _> = users.into_iter().map(|user| (user.id, user)).collect();
        let known = open.iter().filter_map(|session| {
            let user = users.get(&session.user_id?)?;
            Some((Credential::Session(session.id), Principal::of_user(user, session.id)))
        });
        Ok(known.collect())
    }

    async fn by_portal_session(&self, ids: Vec<SessionId>) -> Result<Principals> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let (db, open) = (self.db.read(), session::Entity::open_among(ids.iter().copied()));
        let (open, users) = try_join!(open.all(db), portal_user::Entity::signed_in(ids).all(db))?;
        let users: HashMap<_, _> = users.into_iter().map(|user| (user.id, user)).collect();
        let known = open.iter().filter_map(|session| {
            let user = users.get(&session.portal_user_id?)?;
            Some((
                Credential::PortalSession(session.id),
                Principal::of_portal_user(user, session.id),
            ))
        });
        Ok(known.collect())
    }
}
