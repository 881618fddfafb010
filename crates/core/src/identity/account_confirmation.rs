//! The confirmation of an account by the reader of its address, if another person may have made the account in their name.
//!
//! A sign-up does not show that the address is the user's own. Until its reader sets the password through a mailed link, or proves
//! the address while signed in, the maker of the account may still know the password and may have given access to others.

use entity::user;
use sea_orm::ConnectionTrait;

use super::other_access::OtherAccess;
use crate::app::App;
use crate::error::{Error, Result, UserErrorCode};

/// Whether the holder of an address has confirmed an account that another person may have made in their name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    Ask,
    /// The user has seen what else has access to the account.
    Given,
}

impl From<bool> for Consent {
    fn from(given: bool) -> Self {
        if given { Self::Given } else { Self::Ask }
    }
}

/// Who and what else has access to a user's account, where its holder has to confirm that; none otherwise.
pub(super) async fn other_access(
    db: &impl ConnectionTrait,
    app: &App,
    person: &user::Model,
) -> Result<Option<OtherAccess>> {
    // The invitation named the account, and nobody else can have its password yet.
    if person.confirmed_at.is_some() || person.password_hash.is_none() {
        return Ok(None);
    }
    let found = OtherAccess::besides(db, app, person).await?;
    Ok(Some(found).filter(|found| !found.is_empty()))
}

/// Refuses where the holder has to confirm the account: CONFLICT at `path`, with what else has access.
pub(super) async fn ask(db: &impl ConnectionTrait, app: &App, person: &user::Model, path: &str) -> Result<()> {
    let Some(found) = other_access(db, app, person).await? else {
        return Ok(());
    };
    let message = format!(
        "somebody may have made this account who does not read your mail, and more than you has access to it, or will have: {}. \
         If you know all of it, send confirmAccount: true; if not, sign up with your address yourself",
        found.lines().join("; ")
    );
    Err(Error::user(UserErrorCode::Conflict, path, message))
}
