//! Limits of password attempts by which nobody can lock out another person.
//!
//! Each network has its own limit for an address. All networks together have a limit for an address too, which bounds distributed
//! attacks; networks from which the person has signed in before are exempt from it.

use std::net::IpAddr;

use entity::ids::SessionId;

use super::person::Person;
use super::throttle::{self, Kind};
use super::tokens::Scope;
use super::{known_networks, passwords};
use crate::app::App;
use crate::error::{Error, Result, UserErrorCode};

/// An attempt to guess a password.
#[derive(Clone, Copy, Debug)]
pub(super) struct PasswordAttempt<'a> {
    pub(super) scope: Scope,
    /// In lower case.
    pub(super) email: &'a str,
    pub(super) ip: Option<IpAddr>,
}

/// Counts an attempt, and answers whose password may be compared. While strangers try too often, that is only people who have
/// signed in from there before; the answer does not reveal whether there are any.
pub(super) async fn check(app: &App, attempt: PasswordAttempt<'_>, candidates: Vec<Person>) -> Result<Vec<Person>> {
    let known = known_networks::known_there(app.db.read(), app, &candidates, attempt.ip).await?;
    let is_known = |person: &Person| known.contains(&person.id().uuid());
    if !candidates.is_empty() && candidates.iter().all(is_known) {
        return Ok(candidates);
    }
    let whose = format!("{:?} {}", attempt.scope, attempt.email);
    match app.throttle.check(Kind::LogInOfStrangers, &whose).await {
        Ok(()) => Ok(candidates),
        Err(limited) if known.is_empty() => Err(limited),
        Err(_) => Ok(candidates.into_iter().filter(is_known).collect()),
    }
}

/// Counts an attempt for its network, before anything is read.
pub(super) async fn check_network(app: &App, attempt: PasswordAttempt<'_>) -> Result<()> {
    app.throttle.check_ip(Kind::LogInIp, attempt.ip).await?;
    let network = attempt.ip.map_or_else(|| "none".to_owned(), throttle::network);
    let whose = format!("{:?} {} {network}", attempt.scope, attempt.email);
    app.throttle.check(Kind::LogInEmail, &whose).await
}

/// Checks the signed-in user's own password, given at `input.currentPassword`. Attempts are counted by session.
pub(super) async fn check_own(app: &App, session: SessionId, given: String, hash: Option<String>) -> Result<()> {
    app.throttle.check(Kind::OwnPassword, &session.to_string()).await?;
    if passwords::verify(given, hash).await? {
        return Ok(());
    }
    Err(wrong_password())
}

pub(super) fn wrong_password() -> Error {
    let message = "this is not your password";
    Error::user(UserErrorCode::Invalid, "input.currentPassword", message)
}
