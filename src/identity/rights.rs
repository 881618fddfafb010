//! What callers of open streams may do now. Each event asks anew, so that a lost right holds from the very next one on; those
//! who ask at once are read for together, three statements for all of them.

use std::collections::HashMap;
use std::sync::Arc;

use entity::ids::{ApiKeyId, SessionId};
use entity::{api_key, partner, portal_user, session, user};

use super::authenticate::of_key;
use super::caller::{Caller, Principal};
use super::person::{Person, PersonId};
use crate::app::App;
use crate::error::{Error, Result};
use crate::gather::Gather;

const GONE: &str = "the session or key has ended: sign in again";

/// By what somebody is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Held {
    Session(SessionId),
    Key(ApiKeyId),
}

/// Those of this process who ask at the moment.
#[derive(Clone, Debug, Default)]
pub struct Rights(Arc<Gather<Held, Principal>>);

/// The caller with the rights that the database gives them now; an error if they have none any more.
pub async fn again(app: &App, caller: &Caller) -> Result<Caller> {
    if caller.expires_at.is_some_and(|end| end <= app.clock.now()) {
        return Err(Error::Unauthenticated(
            "the access token has expired: refresh the session",
        ));
    }
    let held = match &caller.principal {
        Principal::Anonymous => return Ok(caller.clone()),
        Principal::User { session, .. } | Principal::PortalUser { session, .. } => Held::Session(*session),
        Principal::ApiKey { id, .. } => Held::Key(*id),
    };
    let principal = app.rights.0.load(held, |asked| read(app, asked)).await?;
    let principal = principal
        .filter(|now| now.is_same(&caller.principal))
        .ok_or(Error::Unauthenticated(GONE))?;
    Ok(Caller {
        principal,
        ..caller.clone()
    })
}

async fn read(app: &App, asked: Vec<Held>) -> Result<HashMap<Held, Principal>> {
    let (mut sessions, mut keys) = (Vec::new(), Vec::new());
    for held in asked {
        match held {
            Held::Session(id) => sessions.push(id),
            Held::Key(id) => keys.push(id),
        }
    }
    let mut found = by_session(app, sessions).await?;
    found.extend(by_key(app, keys).await?);
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
    let open = session::Entity::open_among(ids).all(app.db.read()).await?;
    let (mut people, mut in_portals) = (Vec::new(), Vec::new());
    for session in open {
        match PersonId::of(session.user_id, session.portal_user_id) {
            Some(PersonId::User(id)) => people.push((session.id, id)),
            Some(PersonId::Portal(id)) => in_portals.push((session.id, id)),
            None => {}
        }
    }
    let mut found = HashMap::new();
    if !people.is_empty() {
        let rows = user::Entity::by_ids(people.iter().map(|(_, id)| *id))
            .all(app.db.read())
            .await?;
        let rows: HashMap<_, _> = rows.into_iter().map(|row| (row.id, Person::User(row))).collect();
        let known = people
            .into_iter()
            .filter_map(|(session, id)| Some((session, rows.get(&id)?)));
        found.extend(known.map(|(session, person)| (Held::Session(session), person.in_session(session))));
    }
    if !in_portals.is_empty() {
        let rows = portal_user::Entity::by_ids(in_portals.iter().map(|(_, id)| *id))
            .all(app.db.read())
            .await?;
        let partners = partner::Entity::with_portal(rows.iter().map(|row| row.partner_id))
            .all(app.db.read())
            .await?;
        let open = |row: &portal_user::Model| partners.iter().any(|partner| partner.id == row.partner_id);
        let rows: HashMap<_, _> = rows
            .into_iter()
            .filter(open)
            .map(|row| (row.id, Person::Portal(row)))
            .collect();
        let known = in_portals
            .into_iter()
            .filter_map(|(session, id)| Some((session, rows.get(&id)?)));
        found.extend(known.map(|(session, person)| (Held::Session(session), person.in_session(session))));
    }
    Ok(found)
}
