//! One-time links: for a first password, a new password, or the proof of an address.

use chrono::TimeDelta;
use entity::ids::{AccountId, PortalUserId, UserId};
use entity::one_time_token::{self, TokenPurpose};
use sea_orm::{ActiveModelTrait, ConnectionTrait, DatabaseTransaction, Set};

use super::emails::Email;
use super::mail_quota::{self, QuotaKey};
use super::person::{Person, PersonId};
use super::tokens::{self, ONE_TIME, Scope};
use super::{addresses, mail_queue};
use crate::app::App;
use crate::error::{Error, Result, UserErrorCode};

pub const INVITED: TimeDelta = TimeDelta::days(7);
pub const RESET: TimeDelta = TimeDelta::hours(1);
pub const PROOF: TimeDelta = TimeDelta::days(3);

/// How a link reaches its person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkHandover {
    /// Mailed to the person's address, which its use then proves.
    Mailed,
    /// Shown once to the inviter or operator, who passes it on: its use proves no address.
    Shown,
}

#[derive(Clone, Debug)]
pub(super) struct NewLink {
    pub(super) purpose: TokenPurpose,
    pub(super) user: Option<UserId>,
    pub(super) portal_user: Option<PortalUserId>,
    pub(super) account: Option<AccountId>,
    pub(super) mailed_to: Option<String>,
    pub(super) lifetime: TimeDelta,
}

/// Stores a new link; answers its token, of which only a hash is stored.
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

/// Makes a link by which a person sets a password. Earlier links go on to work until they expire or one is used: anyone can
/// have a link mailed to a person, and must not void another one by that.
pub async fn make(
    tx: &DatabaseTransaction,
    app: &App,
    person: PersonId,
    lifetime: TimeDelta,
    handover: LinkHandover,
) -> Result<String> {
    let person = person.lock(tx).await?.ok_or_else(unknown)?;
    let (purpose, page) = of_scope(person.scope());
    let (user, portal_user) = person.id().columns();
    let link = NewLink {
        purpose,
        user,
        portal_user,
        account: None,
        mailed_to: (handover == LinkHandover::Mailed).then(|| person.email().to_owned()),
        lifetime,
    };
    let token = insert(tx, app, link).await?;
    // An address may belong to several portals, so the link names one.
    let partner = match &person {
        Person::Portal(user) => format!("&partner={}", user.partner_id),
        Person::User(_) => String::new(),
    };
    Ok(format!("{}{page}?token={token}{partner}", app.config.public_url))
}

/// Makes the link of an invited person and emails it; answers the link if it is not mailed, for the inviter to pass on. An
/// address beyond its quota gets no email. `RATE_LIMITED` when the account has used up its quota.
pub(super) async fn invite(
    tx: &DatabaseTransaction,
    app: &App,
    person: &Person,
    email: impl FnOnce(&str) -> Email,
) -> Result<Option<String>> {
    let account = person.account();
    mail_quota::require(tx, app, QuotaKey::InvitationsByTo(account, person.email())).await?;
    let is_mailed = mail_quota::invitation(tx, app, account, person.email()).await?;
    let handover = if is_mailed && app.config.mail.is_some() {
        LinkHandover::Mailed
    } else {
        LinkHandover::Shown
    };
    let link = make(tx, app, person.id(), INVITED, handover).await?;
    if is_mailed {
        mail_queue::queue_mail(tx, app, email(&link)).await?;
    }
    Ok((handover == LinkHandover::Shown).then_some(link))
}

/// The person whose valid link was presented.
#[derive(Clone, Debug)]
pub struct LinkHolder {
    pub person: Person,
    /// Whether the link was mailed to the person's present address, so that its use proves the address.
    pub reads_address: bool,
}

/// Checks a link for a password without using it.
pub async fn check(db: &impl ConnectionTrait, app: &App, scope: Scope, token: &str) -> Result<LinkHolder> {
    let row = usable(db, app, token, "input.token").await?;
    if row.purpose != of_scope(scope).0 {
        return Err(unknown());
    }
    let person = match PersonId::of(row.user_id, row.portal_user_id) {
        Some(id) => id.load(db).await?.ok_or_else(unknown)?,
        None => return Err(unknown()),
    };
    let reads_address = row.mailed_to.as_deref() == Some(person.email());
    Ok(LinkHolder { person, reads_address })
}

/// A link of any kind that was neither used nor is expired.
pub(super) async fn usable(
    db: &impl ConnectionTrait,
    app: &App,
    token: &str,
    path: &str,
) -> Result<one_time_token::Model> {
    let found = one_time_token::Entity::by_hash(&tokens::hash(token)).one(db).await?;
    let row = found.ok_or_else(|| unknown_at(path))?;
    if row.used_at.is_some() || row.expires_at <= app.clock.now() {
        let message = "this link was used already or has expired: ask for a new one";
        return Err(Error::user(UserErrorCode::Expired, path, message));
    }
    Ok(row)
}

/// Uses a link. It and all others of the person that set a password are void then. What its use may change is locked first, so
/// that of several concurrent uses one succeeds.
pub async fn redeem(tx: &DatabaseTransaction, app: &App, scope: Scope, token: &str) -> Result<LinkHolder> {
    let holder = check(tx, app, scope, token).await?;
    if let Person::User(user) = &holder.person {
        addresses::lock(tx, user).await?;
    }
    let id = holder.person.id();
    id.lock(tx).await?.ok_or_else(unknown)?;
    let holder = check(tx, app, scope, token).await?;
    id.void_links(tx, app.clock.now()).await?;
    Ok(holder)
}

fn unknown() -> Error {
    unknown_at("input.token")
}

pub(super) fn unknown_at(path: &str) -> Error {
    let message = "no such link: open the newest one that was mailed to you";
    Error::user(UserErrorCode::Invalid, path, message)
}

fn of_scope(scope: Scope) -> (TokenPurpose, &'static str) {
    match scope {
        Scope::Account => (TokenPurpose::PasswordReset, "/set-password"),
        Scope::Portal => (TokenPurpose::PortalPassword, "/portal/set-password"),
    }
}
