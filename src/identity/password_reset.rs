//! New passwords: by a mailed link, or by knowing the old one.

use std::net::IpAddr;

use entity::user;

use super::caller::{Caller, Principal};
use super::letters;
use super::person::{Person, PersonId};
use super::policy::Action;
use super::sessions::{self, SignedIn};
use super::throttle::Kind;
use super::tokens::Scope;
use super::{email_address, links, mailbox, passwords, texts, tokens};
use crate::app::App;
use crate::error::{Error, Result, UserErrorCode};

/// Mails a link for a new password, and says nothing about whether there is somebody to mail it to. An unknown address
/// costs nearly the same work, rolled back; five tries an hour are too few to measure the rest.
pub async fn request(app: &App, scope: Scope, ip: Option<IpAddr>, email: &str) -> Result<()> {
    app.throttle.check_ip(Kind::TokenIp, ip).await?;
    let email = email_address::parse(email, "email")?;
    app.throttle
        .check(Kind::ResetEmail, &format!("{scope:?} {email}"))
        .await?;
    let tx = app.db.begin().await?;
    if let Some(person) = Person::by_email(&tx, scope, &email).await? {
        let link = links::make(&tx, app, person.id(), links::RESET).await?;
        mailbox::queue_mail(&tx, app, letters::new_password(&email, scope, &link)).await?;
        tx.commit().await?;
    } else {
        let mail = letters::new_password(&email, scope, &tokens::random(tokens::ONE_TIME));
        mailbox::queue_mail(&tx, app, mail).await?;
        tx.rollback().await?;
    }
    Ok(())
}

/// A password by a mailed link.
///
/// No `Debug`, so that no log line can show the secret in it.
#[derive(Clone)]
pub struct NewPassword {
    /// From the link.
    pub token: String,
    /// The new one.
    pub password: String,
    /// As a portal user wants to be called; people of accounts have their name already.
    pub name: Option<String>,
}

/// Sets a password by a mailed link, ends all sessions, and signs in.
pub async fn reset(app: &App, scope: Scope, ip: Option<IpAddr>, input: NewPassword) -> Result<SignedIn> {
    app.throttle.check_ip(Kind::TokenIp, ip).await?;
    let holder = links::look(app.db.read(), app, scope, &input.token).await?;
    passwords::check(&input.password, holder.email(), "input.password")?;
    let name = input.name.map(|name| texts::name(&name, "input.name")).transpose()?;
    let hash = passwords::hash(input.password).await?;

    let now = app.clock.now();
    let tx = app.db.begin().await?;
    let person = links::take(&tx, app, scope, &input.token).await?;
    let person = person.set_password(&tx, hash, name, now).await?;
    person.id().end_sessions(&tx, now, None).await?;
    person.record(&tx, app, &person.who(ip), "password.reset").await?;
    let signed_in = sessions::open(&tx, app, &person, ip).await?;
    tx.commit().await?;
    app.hub.rights_changed(person.account());
    person.id().seen(app);
    Ok(signed_in)
}

/// A password by the old one.
///
/// No `Debug`, so that no log line can show the secret in it.
#[derive(Clone)]
pub struct ChangePassword {
    /// The old one.
    pub current_password: String,
    /// The new one.
    pub new_password: String,
}

/// Changes the caller's own password and ends all of their other sessions.
pub async fn change(app: &App, caller: &Caller, input: ChangePassword) -> Result<user::Model> {
    caller.require(Action::ChangeOwnPassword)?;
    let Principal::User { id, session, .. } = &caller.principal else {
        return Err(Error::Forbidden(Action::ChangeOwnPassword.refusal()));
    };
    let gone = || Error::Unauthenticated("you have been removed from the account");
    let known = PersonId::User(*id).load(app.db.read()).await?.ok_or_else(gone)?;
    sessions::check_guesses(app, Scope::Account, known.email()).await?;
    let old = known.password_hash().map(str::to_owned);
    let wrong = || {
        Error::broken(
            UserErrorCode::Invalid,
            "input.currentPassword",
            "this is not your password",
        )
    };
    if !passwords::verify(input.current_password, old.clone()).await? {
        return Err(wrong());
    }
    passwords::check(&input.new_password, known.email(), "input.newPassword")?;
    let hash = passwords::hash(input.new_password).await?;

    let now = app.clock.now();
    let tx = app.db.begin().await?;
    let person = known.id().lock(&tx).await?.ok_or_else(gone)?;
    if person.password_hash() != old.as_deref() {
        return Err(wrong());
    }
    let person = person.set_password(&tx, hash, None, now).await?;
    person.id().end_sessions(&tx, now, Some(*session)).await?;
    person.id().void_links(&tx, now).await?;
    person.record(&tx, app, &caller.who(), "password.changed").await?;
    tx.commit().await?;
    app.hub.rights_changed(person.account());
    match person {
        Person::User(user) => Ok(user),
        Person::Portal(_) => Err(gone()),
    }
}
