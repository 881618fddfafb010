//! Guesses of passwords, counted so that nobody locks out somebody else.
//!
//! Each network has tries of its own for an address, so what one uses up is gone for itself only. Many networks together have a
//! number of tries for an address too, which bounds what they can guess; people who have signed in from a network before are not
//! part of that, nor are they hindered by it.

use std::net::IpAddr;

use entity::ids::SessionId;

use super::known_networks;
use super::person::Person;
use super::throttle::{self, Kind};
use super::tokens::Scope;
use crate::app::App;
use crate::error::Result;

/// Whose password is guessed, and from where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guess<'a> {
    pub(super) scope: Scope,
    /// In lower case.
    pub(super) email: &'a str,
    pub(super) ip: Option<IpAddr>,
}

/// Counts a guess, and answers whose password it may be compared with. While strangers guess too much, that is only who has signed in
/// from there before; whether there is anybody else makes no difference.
pub(super) async fn check(app: &App, guess: Guess<'_>, candidates: Vec<Person>) -> Result<Vec<Person>> {
    let known = known_networks::known_there(app.db.read(), app, &candidates, guess.ip).await?;
    let is_known = |person: &Person| known.contains(&person.id().uuid());
    if !candidates.is_empty() && candidates.iter().all(is_known) {
        return Ok(candidates);
    }
    let whose = format!("{:?} {}", guess.scope, guess.email);
    match app.throttle.check(Kind::LogInOfStrangers, &whose).await {
        Ok(()) => Ok(candidates),
        Err(limited) if known.is_empty() => Err(limited),
        Err(_) => Ok(candidates.into_iter().filter(is_known).collect()),
    }
}

/// Counts a guess for its network, before anything is read for it.
pub(super) async fn check_network(app: &App, guess: Guess<'_>) -> Result<()> {
    app.throttle.check_ip(Kind::LogInIp, guess.ip).await?;
    let network = guess.ip.map_or_else(|| "none".to_owned(), throttle::network);
    let whose = format!("{:?} {} {network}", guess.scope, guess.email);
    app.throttle.check(Kind::LogInEmail, &whose).await
}

/// Counts a guess of the own password of somebody who is signed in: by their session, which nobody else has.
pub(super) async fn check_own(app: &App, session: SessionId) -> Result<()> {
    app.throttle.check(Kind::OwnPassword, &session.to_string()).await
}
