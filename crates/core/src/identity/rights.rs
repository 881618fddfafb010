//! What callers of open streams may do now. Each event asks anew, so that a lost right holds from the very next one on; those
//! who ask at once are read for together, two statements for all of a kind.

use std::collections::HashMap;
use std::sync::Arc;

use entity::ids::{ApiKeyId, SessionId};
use entity::portal_user::PortalPermission;
use entity::{api_key, portal_user, session, user};
use sea_orm::{DatabaseTransaction, QuerySelect};
use tokio::try_join;

use super::authenticate::of_key;
use super::caller::{Caller, Principal};
use super::person::Person;
use crate::app::App;
use crate::batch_loader::BatchLoader;
use crate::database::Lane;
use crate::error::{Error, Result};

const GONE: &str = "the session or key has ended: sign in again";

/// By what somebody is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Held {
    /// A session of somebody of an account.
    Session(SessionId),
    /// A session of somebody of a portal.
    PortalSession(SessionId),
    Key(ApiKeyId),
}

/// Those of this process who ask at the moment.
#[derive(Clone, Debug, Default)]
pub struct Rights(Arc<BatchLoader<Held, Principal>>);

/// The caller with the rights that the database gives them now; an error if they have none any more.
pub async fn again(app: &App, caller: &Caller) -> Result<Caller> {
    if caller.expires_at.is_some_and(|end| end <= app.clock.now()) {
        return Err(Error::Unauthenticated(
            "the access token has expired: refresh the session",
        ));
    }
    let held = match &caller.principal {
        Principal::Anonymous => return Ok(caller.clone()),
        Principal::User { session, .. } => Held::Session(*session),
        Principal::PortalUser { session, .. } => Held::PortalSession(*session),
        Principal::ApiKey { id, .. } => Held::Key(*id),
    };
    // Read on behalf of all who ask at the moment: the share of one of them must not hold up the others.
    let reading = app.by_lane(Lane::Requests);
    let read = move |asked| {
        let app = reading.clone();
        async move { read(&app, asked).await }
    };
    let principal = app.rights.0.load(held, read).await?;
    let principal = principal
        .filter(|now| now.is_same(&caller.principal))
        .ok_or(Error::Unauthenticated(GONE))?;
    Ok(Caller {
        principal,
        ..caller.clone()
    })
}

/// Whether a portal user still has a permission, in the transaction of what they do by it; it cannot be taken from them before
/// that ends.
pub async fn in_portal(tx: &DatabaseTransaction, caller: &Caller, permission: PortalPermission) -> Result<bool> {
    let Principal::PortalUser { id, .. } = &caller.principal else {
        return Ok(false);
    };
    let user = portal_user::Entity::by_id(*id).lock_shared().one(tx).await?;
    Ok(user.is_some_and(|user| user.permissions.0.contains(&permission)))
}

async fn read(app: &App, asked: Vec<Held>) -> Result<HashMap<Held, Principal>> {
    let (mut sessions, mut in_portals, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for held in asked {
        match held {
            Held::Session(id) => sessions.push(id),
            Held::PortalSession(id) => in_portals.push(id),
            Held::Key(id) => keys.push(id),
        }
    }
    let (mut found, in_portals, keys) = try_join!(
        by_session(app, sessions),
        by_portal_session(app, in_portals),
        by_key(app, keys)
    )?;
    found.extend(in_portals);
    found.extend(keys);
    Ok(found)
}

async fn by_key(app: &App, ids: Vec<ApiKeyId>) -> Result<Vec<(Held, Principal)>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let (keys, now) = (api_key::Entity::by_ids(ids).all(app.db.read()).await?, app.clock.now());
    let live = keys.into_iter().filter_map(|key| of_key(Some(key), now).ok());
    Ok(live
        .filter_map(|(principal, _)| match &principal {
            Principal::ApiKey { id, .. } => Some((Held::Key(*id), principal)),
            _ => None,
        })
        .collect())
}

async fn by_session(app: &App, ids: Vec<SessionId>) -> Result<HashMap<Held, Principal>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let (db, open) = (app.db.read(), session::Entity::open_among(ids.iter().copied()));
    let people = user::Entity::signed_in(ids);
    let (open, people) = try_join!(open.all(db), people.all(db))?;
    let people: HashMap<_, _> = people.into_iter().map(|row| (row.id, Person::User(row))).collect();
    let known = open.iter().filter_map(|session| {
        let person = people.get(&session.user_id?)?;
        Some((Held::Session(session.id), person.in_session(session.id)))
    });
    Ok(known.collect())
}

async fn by_portal_session(app: &App, ids: Vec<SessionId>) -> Result<HashMap<Held, Principal>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let (db, open) = (app.db.read(), session::Entity::open_among(ids.iter().copied()));
    let people = portal_user::Entity::signed_in(ids);
    let (open, people) = try_join!(open.all(db), people.all(db))?;
    let people: HashMap<_, _> = people.into_iter().map(|row| (row.id, Person::Portal(row))).collect();
    let known = open.iter().filter_map(|session| {
        let person = people.get(&session.portal_user_id?)?;
        Some((Held::PortalSession(session.id), person.in_session(session.id)))
    });
    Ok(known.collect())
}
