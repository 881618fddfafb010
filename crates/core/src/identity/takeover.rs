//! What somebody is asked who reads an address, before they take an account with it that another may have made in their name.
//!
//! Nobody who signs up has shown yet that the address is theirs. Until its reader has set the password through a mailed link, or has
//! proven the address while signed in, whoever made the account may still have the password, and may have let others in.

use entity::user;
use sea_orm::ConnectionTrait;

use super::holdings::Holdings;
use crate::app::App;
use crate::error::{Error, Result, UserErrorCode};

/// Whether somebody takes an account as it is that another may have made in their name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Ask before.
    Ask,
    /// They know what is in it.
    Given,
}

impl From<bool> for Consent {
    fn from(given: bool) -> Self {
        if given { Self::Given } else { Self::Ask }
    }
}

/// What else there is in the account of a person which its reader has to know; none if there is nothing to be asked.
pub(super) async fn found_there(
    db: &impl ConnectionTrait,
    app: &App,
    person: &user::Model,
) -> Result<Option<Holdings>> {
    // Who was invited and has set no password yet was told by the mail into which account, and nobody else can have one.
    if person.confirmed_at.is_some() || person.password_hash.is_none() {
        return Ok(None);
    }
    let found = Holdings::besides(db, app, person).await?;
    Ok(Some(found).filter(|found| !found.is_empty()))
}

/// Refuses where there is something to be asked.
///
/// # Errors
///
/// CONFLICT with what there is, at that path.
pub(super) async fn ask(db: &impl ConnectionTrait, app: &App, person: &user::Model, path: &str) -> Result<()> {
    let Some(found) = found_there(db, app, person).await? else {
        return Ok(());
    };
    let message = format!(
        "somebody may have made this account who does not read your mail, and more than you has access to it, or will have: {}. \
         If you know all of it, send confirmAccount: true; if not, sign up with your address yourself",
        found.lines().join("; ")
    );
    Err(Error::broken(UserErrorCode::Conflict, path, message))
}
