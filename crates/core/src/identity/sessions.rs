//! Sessions: a short access token, and a refresh token that is replaced at each use.
//!
//! A second use of a replaced refresh token ends the session, because two parties hold its tokens. One exception: for a minute
//! after the replacement, and while the successor is unused, the old token returns that same successor again. It serves two tabs
//! that refresh together, and clients whose response was lost. If a thief comes in that minute, the second use of the successor
//! still ends the session.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::SessionId;
use entity::session;
use sea_orm::{ActiveModelTrait, DatabaseTransaction, QuerySelect, Set};
use subtle::ConstantTimeEq;

use super::caller::Caller;
use super::email_address;
use super::known_networks;
use super::password_attempts::{self, PasswordAttempt};
use super::passwords;
use super::person::{Person, PersonId, SignInScope};
use super::throttle::Kind;
use super::tokens::{self, Scope, Subject};
use crate::app::App;
use crate::error::{Error, Result, UserErrorCode};

/// How long a session lasts without a refresh.
pub const LIFETIME: TimeDelta = TimeDelta::days(30);
/// How long a replaced refresh token gives its successor again.
pub const GRACE: TimeDelta = TimeDelta::seconds(60);

const WRONG: &str = "the email address or the password is wrong";
const ENDED: &str = "the session has ended: sign in again";
const PORTAL_OFF: &str = "the access to this portal is disabled: ask the account that gave it to you";

#[derive(Clone)]
pub struct Session {
    pub access_token: String,
    pub refresh_token: String,
    pub expires_at: DateTime<Utc>,
    /// When the session ends, however often it is refreshed.
    pub ends_at: DateTime<Utc>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session(until {})", self.expires_at)
    }
}

/// A person who has just authenticated.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub session: Session,
    pub caller: Caller,
}

/// What is typed in to sign in.
// No `Debug`, so that no log line can show the secret in it.
#[derive(Clone)]
pub struct LogIn {
    /// In any case.
    pub email: String,
    /// As it was chosen.
    pub password: String,
}

/// A wrong password and an unknown address answer alike, after the same time.
pub async fn log_in(app: &App, scope: Scope, ip: Option<IpAddr>, input: LogIn) -> Result<SignedIn> {
    log_in_within(app, SignInScope::Scope(scope), ip, input).await
}

/// The same for one account or portal. Of several people with the address and the password, one with a proven address comes
/// first, then the most recently active.
pub async fn log_in_within(app: &App, within: SignInScope, ip: Option<IpAddr>, input: LogIn) -> Result<SignedIn> {
    let wrong = || Error::user(UserErrorCode::Invalid, "input", WRONG);
    let email = email_address::normalise(&input.email).unwrap_or_default();
    let attempt = PasswordAttempt {
        scope: within.scope(),
        email: &email,
        ip,
    };
    password_attempts::check_network(app, attempt).await?;
    let candidates = Person::candidates(app.db.read(), &email, &within).await?;
    let candidates = password_attempts::check(app, attempt, candidates).await?;
    let able = candidates.into_iter().filter_map(|person| {
        let hash = person.password_hash()?.to_owned();
        Some((person.id(), hash))
    });
    let able: Vec<_> = able.collect();
    let hashes = able.iter().map(|(_, hash)| hash.clone()).collect();
    let matching = passwords::first_of(input.password.clone(), hashes).await?;
    let matching = matching.ok_or_else(wrong)?;
    let (id, hash) = able.into_iter().nth(matching.index).ok_or_else(wrong)?;
    let newer = if matching.is_outdated {
        Some(passwords::hash(input.password.clone()).await?)
    } else {
        None
    };
    let verified = VerifiedLogin { id, email, hash, newer };
    if let Some(signed_in) = verified.open(app, ip).await? {
        return Ok(signed_in);
    }
    if !matching.is_outdated {
        return Err(wrong());
    }
    // A concurrent log-in may have replaced the outdated hash.
    let now = id.load(app.db.read()).await?;
    let hash = now.and_then(|person| person.password_hash().map(str::to_owned));
    if !passwords::verify(input.password, hash.clone()).await? {
        return Err(wrong());
    }
    let verified = VerifiedLogin {
        hash: hash.unwrap_or_default(),
        newer: None,
        ..verified
    };
    verified.open(app, ip).await?.ok_or_else(wrong)
}

/// A person whose password was verified.
struct VerifiedLogin {
    id: PersonId,
    email: String,
    /// The hash that matched.
    hash: String,
    /// Replaces an outdated hash.
    newer: Option<String>,
}

impl VerifiedLogin {
    /// Begins a session, unless the password or the address was changed meanwhile.
    async fn open(&self, app: &App, ip: Option<IpAddr>) -> Result<Option<SignedIn>> {
        let tx = app.db.begin().await?;
        let is_same =
            |now: &Person| now.password_hash() == Some(self.hash.as_str()) && now.email() == self.email.as_str();
        let Some(mut person) = self.id.lock(&tx).await?.filter(is_same) else {
            return Ok(None);
        };
        if let Some(newer) = self.newer.clone() {
            person = person.set_password(&tx, newer, None, app.clock.now()).await?;
        }
        let signed_in = open(&tx, app, &person, ip).await?;
        tx.commit().await?;
        person.id().seen(app);
        Ok(Some(signed_in))
    }
}

/// Begins a session of an authenticated person.
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
    let session = row.insert(tx).await?;
    signed_in(
        tx,
        app,
        person,
        IssuedSession {
            session,
            refresh_token,
            ip,
        },
    )
    .await
}

/// When a session ends, however often it is refreshed.
fn end_of(app: &App, session: &session::Model) -> DateTime<Utc> {
    session.created_at + TimeDelta::days(app.config.settings.session_days.into())
}

/// A session with its refresh token.
struct IssuedSession {
    session: session::Model,
    refresh_token: String,
    ip: Option<IpAddr>,
}

async fn signed_in(tx: &DatabaseTransaction, app: &App, person: &Person, issued: IssuedSession) -> Result<SignedIn> {
    let IssuedSession {
        session,
        refresh_token,
        ip,
    } = issued;
    known_networks::note(tx, app, person.id(), ip).await?;
    let ends_at = end_of(app, &session);
    let session = session.id;
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
    let (access_token, expires_at) = app.tokens.issue(subject, app.clock.now(), ends_at)?;
    Ok(SignedIn {
        session: Session {
            access_token,
            refresh_token,
            expires_at,
            ends_at,
        },
        caller: Caller {
            principal,
            ip,
            expires_at: Some(expires_at),
        },
    })
}

/// Exchanges a refresh token, in either scope. A repetition within [`GRACE`] gives the same refresh token again.
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
    let refresh_token = app.tokens.successor(id, token);
    let hashes = TokenHashes {
        hash: tokens::hash(token),
        successor: tokens::hash(&refresh_token),
    };
    let now = app.clock.now();
    let verdict = if now < end_of(app, &session) {
        judge(&session, &hashes, now)
    } else {
        Verdict::Over
    };
    match verdict {
        Verdict::Current | Verdict::Repeated => {
            let session = if verdict == Verdict::Current {
                rotate(&tx, app, session, hashes).await?
            } else {
                session
            };
            let issued = IssuedSession {
                session,
                refresh_token,
                ip,
            };
            let signed_in = signed_in(&tx, app, &person, issued).await?;
            tx.commit().await?;
            person.id().seen(app);
            Ok(signed_in)
        }
        Verdict::Reused => {
            end(&tx, app, session).await?;
            person
                .record(&tx, app, &person.actor(ip), "session.token_reused")
                .await?;
            tx.commit().await?;
            app.hub.rights_changed(person.account());
            Err(ended())
        }
        Verdict::Over | Verdict::Replaced => Err(ended()),
    }
}

/// The SHA-256 of a refresh token and of its successor.
struct TokenHashes {
    hash: String,
    successor: String,
}

/// What a refresh token is to its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The one that is valid now.
    Current,
    /// Replaced within the grace period, by the current token.
    Repeated,
    /// Replaced within the grace period, but its successor cannot be computed: the operator has changed the secret since.
    Replaced,
    /// Replaced before the grace period, or never issued.
    Reused,
    /// The session has ended.
    Over,
}

fn judge(session: &session::Model, hashes: &TokenHashes, now: DateTime<Utc>) -> Verdict {
    let same = |kept: &str, given: &str| bool::from(kept.as_bytes().ct_eq(given.as_bytes()));
    let is = |kept: &str| same(kept, &hashes.hash);
    if session.ended_at.is_some() || session.expires_at <= now {
        return Verdict::Over;
    }
    if is(&session.token_hash) {
        return Verdict::Current;
    }
    let replaced_at = session.expires_at - LIFETIME;
    let is_previous = session.previous_hash.as_deref().is_some_and(is);
    if !is_previous || now >= replaced_at + GRACE {
        Verdict::Reused
    } else if same(&session.token_hash, &hashes.successor) {
        Verdict::Repeated
    } else {
        Verdict::Replaced
    }
}

async fn rotate(
    tx: &DatabaseTransaction,
    app: &App,
    session: session::Model,
    hashes: TokenHashes,
) -> Result<session::Model> {
    let mut row: session::ActiveModel = session.into();
    row.token_hash = Set(hashes.successor);
    row.previous_hash = Set(Some(hashes.hash));
    row.expires_at = Set(app.clock.now() + LIFETIME);
    Ok(row.update(tx).await?)
}

async fn end(tx: &DatabaseTransaction, app: &App, session: session::Model) -> Result<()> {
    let mut row: session::ActiveModel = session.into();
    row.ended_at = Set(Some(app.clock.now()));
    row.update(tx).await?;
    Ok(())
}

/// Ends the session of a refresh token. An unknown token counts as ended.
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

    fn verdict(session: &session::Model, hash: &str, successor: &str, now: DateTime<Utc>) -> Verdict {
        let hashes = TokenHashes {
            hash: hash.into(),
            successor: successor.into(),
        };
        judge(session, &hashes, now)
    }

    #[test]
    fn the_token_before_gives_its_successor_again_for_a_minute_and_then_ends_the_session() {
        let of = |hash, successor, seconds| verdict(&session(), hash, successor, at(seconds));
        assert_eq!(of("current", "next", 10_000), Verdict::Current);
        assert_eq!(of("previous", "current", 100), Verdict::Repeated);
        assert_eq!(of("previous", "current", 159), Verdict::Repeated);
        assert_eq!(of("previous", "current", 160), Verdict::Reused);
        assert_eq!(of("older", "previous", 101), Verdict::Reused);
        assert_eq!(of("previous", "by another secret", 159), Verdict::Replaced);
        assert_eq!(of("previous", "by another secret", 160), Verdict::Reused);
    }

    #[test]
    fn an_ended_session_ends_no_more() {
        let ended = session::Model {
            ended_at: Some(at(101)),
            ..session()
        };
        for hash in ["current", "previous", "older"] {
            assert_eq!(verdict(&ended, hash, "current", at(102)), Verdict::Over);
            assert_eq!(verdict(&session(), hash, "current", at(100) + LIFETIME), Verdict::Over);
        }
    }
}
