//! How many mails the instance writes: for an account, for an account to one recipient, and to a recipient over all accounts. Counted in
//! the database, in the transaction that writes the mail, so that it holds over all processes and counts nothing that was not done.
//!
//! Who causes a mail is told when they have used up what is theirs. What others have used up is told to nobody: the mail is left out.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use entity::ids::AccountId;
use entity::{mail_count, user};
use sea_orm::{ColumnTrait, DatabaseTransaction, QueryFilter};

use super::tokens::{self, Scope};
use crate::app::App;
use crate::error::{Error, Result};

const HOUR: TimeDelta = TimeDelta::hours(1);
const DAY: TimeDelta = TimeDelta::days(1);

/// What has a number of mails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted<'a> {
    /// Invitations of all kinds that an account sends by mail.
    InvitationsBy(AccountId),
    /// Those to one address or account.
    InvitationsByTo(AccountId, &'a str),
    /// Those to one address, of all accounts with a proven address.
    InvitationsTo(&'a str),
    /// Those to one address, of all accounts in which nobody has proven an address.
    UnprovenInvitationsTo(&'a str),
    /// Links that prove an address, asked for again or after a change by one person or account.
    ProofsBy(&'a str),
    /// Links that prove an address, to one address.
    ProofsTo(&'a str),
    /// Links for a new password, to one address, asked for from one network.
    ResetsFrom(Scope, &'a str, &'a str),
    /// Those to one address, asked for from networks that its owner has not signed in from.
    ResetsTo(Scope, &'a str),
    /// Test mails of an account.
    TestMailsBy(AccountId),
    /// Those to one address, of all accounts.
    TestMailsTo(&'a str),
    /// Notices to the owners of an account of what one partner account does.
    NoticesBetween(AccountId, AccountId),
    /// Those of what all partner accounts do.
    NoticesOfPartners(AccountId),
    /// Notices to the owners of an account of what concerns themselves.
    OwnNotices(AccountId),
}

/// Mails in a clock hour, and in a day of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// In an hour.
    pub hour: i32,
    /// In a day.
    pub day: i32,
}

impl Counted<'_> {
    /// How many there may be.
    pub const fn quota(&self) -> Quota {
        let (hour, day) = match self {
            Self::InvitationsBy(_) => (100, 400),
            Self::InvitationsByTo(..) | Self::ResetsFrom(..) => (5, 15),
            Self::InvitationsTo(_) => (20, 60),
            Self::ProofsTo(_) | Self::TestMailsTo(_) => (10, 30),
            Self::UnprovenInvitationsTo(_) => (3, 10),
            Self::ProofsBy(_) => (5, 20),
            // A link works for an hour: when there may be no more, one that was mailed works. A lower number for the day would end that.
            Self::ResetsTo(..) => (3, 72),
            Self::NoticesBetween(..) | Self::TestMailsBy(_) => (20, 100),
            Self::NoticesOfPartners(_) | Self::OwnNotices(_) => (60, 300),
        };
        Quota { hour, day }
    }

    /// A hash: addresses are not kept here.
    fn key(&self, window: &str) -> String {
        let counted = match self {
            Self::InvitationsBy(account) => format!("invitations by {account}"),
            Self::InvitationsByTo(account, to) => format!("invitations by {account} to {to}"),
            Self::InvitationsTo(to) => format!("invitations to {to}"),
            Self::UnprovenInvitationsTo(to) => format!("unproven invitations to {to}"),
            Self::ProofsBy(who) => format!("proofs by {who}"),
            Self::ProofsTo(to) => format!("proofs to {to}"),
            Self::ResetsFrom(scope, to, network) => format!("resets {scope:?} from {network} to {to}"),
            Self::ResetsTo(scope, to) => format!("resets {scope:?} to {to}"),
            Self::TestMailsBy(account) => format!("test mails by {account}"),
            Self::TestMailsTo(to) => format!("test mails to {to}"),
            Self::NoticesBetween(by, to) => format!("notices by {by} to {to}"),
            Self::NoticesOfPartners(to) => format!("notices of partners to {to}"),
            Self::OwnNotices(to) => format!("own notices to {to}"),
        };
        tokens::hash(&format!("{window} {counted}"))
    }
}

/// Counts one mail, and answers whether there are not too many with it.
pub async fn allows(tx: &DatabaseTransaction, app: &App, counted: Counted<'_>) -> Result<bool> {
    Ok(wait(tx, app, counted).await?.is_none())
}

/// Counts one mail, and refuses it when there are too many with it.
///
/// # Errors
///
/// `RATE_LIMITED`, with the seconds until the next may be written.
pub async fn require(tx: &DatabaseTransaction, app: &App, counted: Counted<'_>) -> Result<()> {
    match wait(tx, app, counted).await? {
        None => Ok(()),
        Some(retry_after) => Err(Error::RateLimited { retry_after }),
    }
}

async fn wait(tx: &DatabaseTransaction, app: &App, counted: Counted<'_>) -> Result<Option<u64>> {
    let Quota { hour, day } = counted.quota();
    for (window, length, most) in [("hour", HOUR, hour), ("day", DAY, day)] {
        let now = app.clock.now();
        let start = begin_of(now, length);
        if mail_count::Entity::add(tx, &counted.key(window), start).await? > most {
            let left = (start + length - now).num_seconds().max(1);
            return Ok(Some(u64::try_from(left).unwrap_or(1)));
        }
    }
    Ok(None)
}

fn begin_of(now: DateTime<Utc>, length: TimeDelta) -> DateTime<Utc> {
    now.duration_trunc(length).unwrap_or(now)
}

/// Counts the mail of an invitation, and answers whether one may go there. A recipient who gets too many is left alone, which hinders
/// no invitation.
///
/// # Errors
///
/// `RATE_LIMITED` when the account itself has sent too many, or too many to that address.
pub async fn invitation(tx: &DatabaseTransaction, app: &App, by: AccountId, to: &str) -> Result<bool> {
    if app.config.mail.is_none() {
        // None is sent anyway.
        return Ok(true);
    }
    require(tx, app, Counted::InvitationsBy(by)).await?;
    let proven = user::Entity::in_account(by).filter(user::Column::EmailVerifiedAt.is_not_null());
    let counted = if !app.config.requires_proof() || proven.one(tx).await?.is_some() {
        Counted::InvitationsTo(to)
    } else {
        Counted::UnprovenInvitationsTo(to)
    };
    let allowed = allows(tx, app, counted).await?;
    if !allowed {
        tracing::info!(account = %by, "an invitation is not mailed: its address has got too many");
    }
    Ok(allowed)
}

/// Counts a notice to the owners of an account of what a partner does, or of what concerns themselves; whether it may be mailed.
pub async fn notice(tx: &DatabaseTransaction, app: &App, by: Option<AccountId>, to: AccountId) -> Result<bool> {
    match by {
        None => allows(tx, app, Counted::OwnNotices(to)).await,
        Some(by) => Ok(allows(tx, app, Counted::NoticesBetween(by, to)).await?
            && allows(tx, app, Counted::NoticesOfPartners(to)).await?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_begin_with_hours_and_days() {
        let now = DateTime::from_timestamp(1_796_565_599, 999_000_000).unwrap_or_default();
        assert_eq!(begin_of(now, HOUR).to_rfc3339(), "2026-12-06T13:00:00+00:00");
        assert_eq!(begin_of(now, DAY).to_rfc3339(), "2026-12-06T00:00:00+00:00");
    }

    #[test]
    fn everything_has_a_count_of_its_own_without_its_address() {
        let account = AccountId(uuid::Uuid::from_u128(1));
        let keys = [
            Counted::InvitationsBy(account).key("hour"),
            Counted::InvitationsBy(account).key("day"),
            Counted::InvitationsByTo(account, "a@example.com").key("hour"),
            Counted::InvitationsTo("a@example.com").key("hour"),
            Counted::UnprovenInvitationsTo("a@example.com").key("hour"),
            Counted::ResetsTo(Scope::Account, "a@example.com").key("hour"),
            Counted::ResetsTo(Scope::Portal, "a@example.com").key("hour"),
        ];
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        assert!(keys.iter().all(|key| key.len() == 64));
    }
}
