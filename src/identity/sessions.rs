//! Log-ins: a short access token, and a refresh token that is replaced at each use.
//!
//! A refresh token that was replaced before ends its whole session when it is used again, for then two parties hold tokens
//! of it. One exception: for ten seconds after it was replaced the token before is only refused. Two tabs that refresh at the
//! same moment, or a client whose answer got lost and that tries once more, are no thieves; and a thief who comes that
//! early gets nothing either, while his victim goes on with the newer token.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::SessionId;
use entity::session;
use sea_orm::{ActiveModelTrait, DatabaseTransaction, QuerySelect, Set};
use subtle::ConstantTimeEq;

use super::caller::Caller;
use super::email_address;
use super::passwords;
use super::person::{Person, PersonId, Within};
use super::throttle::Kind;
use super::tokens::{self, Scope, Subject};
use crate::app::App;
use crate::error::{Error, Result, UserErrorCode};

/// How long somebody stays signed in without refreshing.
pub const LIFETIME: TimeDelta = TimeDelta::days(30);
/// How long the refresh token before the current one is refused without ending the session.
pub const GRACE: TimeDelta = TimeDelta::seconds(10);

const WRONG: &str = "email or password is not right";
const ENDED: &str = "the session has ended: sign in again";
const PORTAL_OFF: &str = "the access to this portal is switched off: ask the account that gave it to you";

/// The tokens of a log-in.
#[derive(Clone)]
pub struct Session {
    /// For the `Authorization` header.
    pub access_token: String,
    /// For the next session, once.
    pub refresh_token: String,
    /// When the access token ends.
    pub expires_at: DateTime<Utc>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session(until {})", self.expires_at)
    }
}

/// Somebody who has just shown who they are.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Their tokens.
    pub session: Session,
    /// As who they may act with them.
    pub caller: Caller,
}

/// What is typed in to sign in.
///
/// No `Debug`, so that no log line can show the secret in it.
#[derive(Clone)]
pub struct LogIn {
    /// In any case.
    pub email: String,
    /// As it was chosen.
    pub password: String,
}

/// Signs somebody in. A wrong password and an unknown address answer alike, after the same time.
pub async fn log_in(app: &App, scope: Scope, ip: Option<IpAddr>, input: LogIn) -> Result<SignedIn> {
    log_in_within(app, Within::Scope(scope), ip, input).await
}

/// The same, where an address may be known in several places under one password. Of several people who claim an address the
/// password tells which it is: who has proven the address goes first, then who was there last.
pub async fn log_in_within(app: &App, within: Within, ip: Option<IpAddr>, input: LogIn) -> Result<SignedIn> {
    app.throttle.check_ip(Kind::LogInIp, ip).await?;
    let wrong = || Error::broken(UserErrorCode::Invalid, "input", WRONG);
    let email = email_address::normalise(&input.email).unwrap_or_default();
    check_guesses(app, within.scope(), &email).await?;
    let candidates = Person::candidates(app.db.read(), &email, &within).await?;
    let able = candidates.into_iter().filter_map(|person| {
        let hash = person.password_hash()?.to_owned();
        Some((person.id(), hash))
    });
    let able: Vec<_> = able.collect();
    let hashes = able.iter().map(|(_, hash)| hash.clone()).collect();
    let fitting = passwords::first_of(input.password, hashes).await?;
    let (id, hash) = fitting.and_then(|place| able.get(place)).ok_or_else(wrong)?;

    let tx = app.db.begin().await?;
    // The password or the address may have been changed while it was checked.
    let person = id
        .lock(&tx)
        .await?
        .filter(|now| now.password_hash() == Some(hash.as_str()) && now.email() == email);
    let person = person.ok_or_else(wrong)?;
    let signed_in = open(&tx, app, &person, ip).await?;
    tx.commit().await?;
    person.id().seen(app);
    Ok(signed_in)
}

/// Counts a guess of somebody's password.
pub(super) async fn check_guesses(app: &App, scope: Scope, email: &str) -> Result<()> {
    app.throttle
        .check(Kind::LogInEmail, &format!("{scope:?} {email}"))
        .await
}

/// Begins a session of somebody who has shown who they are.
pub(super) async fn open(tx: &DatabaseTransaction, app: &App, person: &Person, ip: Option<IpAddr>) -> Result<SignedIn> {
    let now = app.clock.now();
    let id: SessionId = app.clock.id();
    let refresh_token = tokens::refresh_token(id);
    let (user_id, portal_user_id) = person.id().columns();
    let row = session::ActiveModel {
        id: Set(id),
        user_id: Set(user_id),
        portal_user_id: Set(portal_user_id),
        token_hash: Set(tokens::hash(&refresh_token)),
        previous_hash: Set(None),
        expires_at: Set(now + LIFETIME),
        ended_at: Set(None),
        created_at: Set(now),
    };
    row.insert(tx).await?;
    signed_in(tx, app, person, (id, refresh_token), ip).await
}

async fn signed_in(
    tx: &DatabaseTransaction,
    app: &App,
    person: &Person,
    (session, refresh_token): (SessionId, String),
    ip: Option<IpAddr>,
) -> Result<SignedIn> {
    let principal = person
        .principal(tx, session)
        .await?
        .ok_or(Error::Forbidden(PORTAL_OFF))?;
    let subject = Subject {
        person: person.id().to_string(),
        account: person.account(),
        scope: person.scope(),
        session,
    };
    let (access_token, expires_at) = app.tokens.issue(subject, app.clock.now())?;
    Ok(SignedIn {
        session: Session {
            access_token,
            refresh_token,
            expires_at,
        },
        caller: Caller {
            principal,
            ip,
            expires_at: Some(expires_at),
        },
    })
}

/// Takes a refresh token for new tokens, in either scope.
pub async fn refresh(app: &App, ip: Option<IpAddr>, token: &str) -> Result<SignedIn> {
    app.throttle.check_ip(Kind::TokenIp, ip).await?;
    let ended = || Error::Unauthenticated(ENDED);
    let id = tokens::session_of(token).ok_or_else(ended)?;
    let tx = app.db.begin().await?;
    let session = session::Entity::by_id(id)
        .lock_exclusive()
        .one(&tx)
        .await?
        .ok_or_else(ended)?;
    let person = match PersonId::of(session.user_id, session.portal_user_id) {
        Some(person) => person.load(&tx).await?.ok_or_else(ended)?,
        None => return Err(ended()),
    };
    match judge(&session, &tokens::hash(token), app.clock.now()) {
        Verdict::Current => {
            let next = rotate(&tx, app, session).await?;
            let signed_in = signed_in(&tx, app, &person, (id, next), ip).await?;
            tx.commit().await?;
            person.id().seen(app);
            Ok(signed_in)
        }
        Verdict::Reused => {
            end(&tx, app, session).await?;
            person.record(&tx, app, &person.who(ip), "session.token_reused").await?;
            tx.commit().await?;
            app.hub.rights_changed(person.account());
            Err(ended())
        }
        Verdict::Over | Verdict::Replaced => Err(ended()),
    }
}

/// What a refresh token is to its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The one that is valid now.
    Current,
    /// Replaced within the grace.
    Replaced,
    /// Replaced before that, or never given out.
    Reused,
    /// Whatever it is, the session has ended.
    Over,
}

fn judge(session: &session::Model, hash: &str, now: DateTime<Utc>) -> Verdict {
    let is = |kept: &str| bool::from(kept.as_bytes().ct_eq(hash.as_bytes()));
    if session.ended_at.is_some() || session.expires_at <= now {
        return Verdict::Over;
    }
    if is(&session.token_hash) {
        return Verdict::Current;
    }
    let replaced_at = session.expires_at - LIFETIME;
    let is_previous = session.previous_hash.as_deref().is_some_and(is);
    if is_previous && now < replaced_at + GRACE {
        Verdict::Replaced
    } else {
        Verdict::Reused
    }
}

async fn rotate(tx: &DatabaseTransaction, app: &App, session: session::Model) -> Result<String> {
    let next = tokens::refresh_token(session.id);
    let previous = session.token_hash.clone();
    let mut row: session::ActiveModel = session.into();
    row.token_hash = Set(tokens::hash(&next));
    row.previous_hash = Set(Some(previous));
    row.expires_at = Set(app.clock.now() + LIFETIME);
    row.update(tx).await?;
    Ok(next)
}

async fn end(tx: &DatabaseTransaction, app: &App, session: session::Model) -> Result<()> {
    let mut row: session::ActiveModel = session.into();
    row.ended_at = Set(Some(app.clock.now()));
    row.update(tx).await?;
    Ok(())
}

/// Ends the session of a refresh token. A token that is not known is as good as ended.
pub async fn log_out(app: &App, ip: Option<IpAddr>, token: &str) -> Result<()> {
    app.throttle.check_ip(Kind::TokenIp, ip).await?;
    let Some(id) = tokens::session_of(token) else {
        return Ok(());
    };
    let tx = app.db.begin().await?;
    let Some(session) = session::Entity::open(id).lock_exclusive().one(&tx).await? else {
        return Ok(());
    };
    let person = PersonId::of(session.user_id, session.portal_user_id);
    end(&tx, app, session).await?;
    tx.commit().await?;
    if let Some(person) = person
        && let Some(person) = person.load(app.db.read()).await?
    {
        app.hub.rights_changed(person.account());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    /// Rotated once, at second 100.
    fn session() -> session::Model {
        session::Model {
            id: SessionId(Uuid::from_u128(1)),
            user_id: None,
            portal_user_id: None,
            token_hash: "current".into(),
            previous_hash: Some("previous".into()),
            expires_at: at(100) + LIFETIME,
            ended_at: None,
            created_at: at(0),
        }
    }

    #[test]
    fn the_token_before_is_only_refused_for_ten_seconds_and_then_ends_the_session() {
        assert_eq!(judge(&session(), "current", at(10_000)), Verdict::Current);
        assert_eq!(judge(&session(), "previous", at(100)), Verdict::Replaced);
        assert_eq!(judge(&session(), "previous", at(109)), Verdict::Replaced);
        assert_eq!(judge(&session(), "previous", at(110)), Verdict::Reused);
        assert_eq!(judge(&session(), "older", at(101)), Verdict::Reused);
    }

    #[test]
    fn an_ended_session_ends_no_more() {
        let ended = session::Model {
            ended_at: Some(at(101)),
            ..session()
        };
        for hash in ["current", "previous", "older"] {
            assert_eq!(judge(&ended, hash, at(102)), Verdict::Over);
            assert_eq!(judge(&session(), hash, at(100) + LIFETIME), Verdict::Over);
        }
    }
}
