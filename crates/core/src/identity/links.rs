//! Links that work once: for the first password of somebody invited, for a new one, or to prove an address.

use chrono::TimeDelta;
use entity::ids::{AccountId, PortalUserId, UserId};
use entity::one_time_token::{self, TokenPurpose};
use sea_orm::{ActiveModelTrait, ConnectionTrait, DatabaseTransaction, Set};

use super::addresses;
use super::person::{Person, PersonId};
use super::tokens::{self, ONE_TIME, Scope};
use crate::app::App;
use crate::error::{Error, Result, UserErrorCode};

/// How long an invited person has to set a password.
pub const INVITED: TimeDelta = TimeDelta::days(7);
/// How long a link for a new password works.
pub const RESET: TimeDelta = TimeDelta::hours(1);
/// How long a link that proves an address works.
pub const PROOF: TimeDelta = TimeDelta::days(3);

/// How a link comes to its person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a mail to their address, which its use then proves.
    Mailed,
    /// Shown once to somebody else, who passes it on: its use proves no address.
    Shown,
}

impl Way {
    /// By mail wherever this server sends any, and the address has not got too many.
    pub fn of_invitations(app: &App, is_mailed: bool) -> Self {
        if is_mailed && app.config.mail.is_some() {
            Self::Mailed
        } else {
            Self::Shown
        }
    }
}

/// What is kept of a link besides its token.
#[derive(Clone, Debug)]
pub(super) struct NewLink {
    pub(super) purpose: TokenPurpose,
    pub(super) user: Option<UserId>,
    pub(super) portal_user: Option<PortalUserId>,
    pub(super) account: Option<AccountId>,
    pub(super) mailed_to: Option<String>,
    pub(super) lifetime: TimeDelta,
}

/// Keeps a new link; its token, of which only a hash is kept.
pub(super) async fn insert(tx: &DatabaseTransaction, app: &App, link: NewLink) -> Result<String> {
    let now = app.clock.now();
    let token = tokens::random(ONE_TIME);
    let row = one_time_token::ActiveModel {
        token_hash: Set(tokens::hash(&token)),
        purpose: Set(link.purpose),
        user_id: Set(link.user),
        portal_user_id: Set(link.portal_user),
        account_id: Set(link.account),
        mailed_to: Set(link.mailed_to),
        expires_at: Set(now + link.lifetime),
        used_at: Set(None),
        created_at: Set(now),
    };
    row.insert(tx).await?;
    Ok(token)
}

/// Makes a link by which somebody sets a password. Such links that they had before go on to work until their time or until one is
/// used: anybody can have a link mailed to somebody, and must not make another one void by that.
pub async fn make(
    tx: &DatabaseTransaction,
    app: &App,
    person: PersonId,
    lifetime: TimeDelta,
    way: Way,
) -> Result<String> {
    let person = person.lock(tx).await?.ok_or_else(unknown)?;
    let (purpose, page) = of_scope(person.scope());
    let (user, portal_user) = person.id().columns();
    let link = NewLink {
        purpose,
        user,
        portal_user,
        account: None,
        mailed_to: (way == Way::Mailed).then(|| person.email().to_owned()),
        lifetime,
    };
    let token = insert(tx, app, link).await?;
    // An address may be known to several portals: the page then knows which one is meant.
    let partner = match &person {
        Person::Portal(user) => format!("&partner={}", user.partner_id),
        Person::User(_) => String::new(),
    };
    Ok(format!("{}{page}?token={token}{partner}", app.config.public_url))
}

/// Somebody with a link that may be used.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Who.
    pub person: Person,
    /// Whether the link was mailed to the address that they have now, so that its use proves it.
    pub reads_address: bool,
}

/// Whose link for a password this is, if it may still be used; without using it.
pub async fn look(db: &impl ConnectionTrait, app: &App, scope: Scope, token: &str) -> Result<Holder> {
    let row = usable(db, app, token, "input.token").await?;
    if row.purpose != of_scope(scope).0 {
        return Err(unknown());
    }
    let person = match PersonId::of(row.user_id, row.portal_user_id) {
        Some(id) => id.load(db).await?.ok_or_else(unknown)?,
        None => return Err(unknown()),
    };
    let reads_address = row.mailed_to.as_deref() == Some(person.email());
    Ok(Holder { person, reads_address })
}

/// A link that was neither used nor is too old, of whichever kind.
pub(super) async fn usable(
    db: &impl ConnectionTrait,
    app: &App,
    token: &str,
    path: &str,
) -> Result<one_time_token::Model> {
    let found = one_time_token::Entity::by_hash(&tokens::hash(token)).one(db).await?;
    let row = found.ok_or_else(|| unknown_at(path))?;
    if row.used_at.is_some() || row.expires_at <= app.clock.now() {
        let message = "this link was used already, or its time has passed: ask for a new one";
        return Err(Error::broken(UserErrorCode::Expired, path, message));
    }
    Ok(row)
}

/// Whose link this is. It and all others of the same person that set a password are used up by that. What its use may change is
/// locked first, so of several uses at once one gets through.
pub async fn take(tx: &DatabaseTransaction, app: &App, scope: Scope, token: &str) -> Result<Holder> {
    let holder = look(tx, app, scope, token).await?;
    if let Person::User(user) = &holder.person {
        addresses::lock(tx, user).await?;
    }
    let id = holder.person.id();
    id.lock(tx).await?.ok_or_else(unknown)?;
    let holder = look(tx, app, scope, token).await?;
    id.void_links(tx, app.clock.now()).await?;
    Ok(holder)
}

fn unknown() -> Error {
    unknown_at("input.token")
}

/// No link of this kind.
pub(super) fn unknown_at(path: &str) -> Error {
    let message = "no such link: open the newest one that was mailed to you";
    Error::broken(UserErrorCode::Invalid, path, message)
}

fn of_scope(scope: Scope) -> (TokenPurpose, &'static str) {
    match scope {
        Scope::Account => (TokenPurpose::PasswordReset, "/set-password"),
        Scope::Portal => (TokenPurpose::PortalPassword, "/portal/set-password"),
    }
}
