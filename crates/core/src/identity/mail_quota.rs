//! Limits of the instance's emails: for an account, for an account to one recipient, and to one recipient over all accounts. They
//! are counted in the transaction that writes the email, so they hold over all processes.
//!
//! A caller whose own limit is reached gets an error. If only a limit that others used up is reached, the email is left out
//! silently, because an error would reveal the activity of others.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use entity::ids::AccountId;
use entity::{mail_count, user};
use sea_orm::{ColumnTrait, DatabaseTransaction, QueryFilter};

use super::tokens::{self, Scope};
use crate::app::App;
use crate::error::{Error, Result};

const HOUR: TimeDelta = TimeDelta::hours(1);
const DAY: TimeDelta = TimeDelta::days(1);

/// What a quota of emails counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaKey<'a> {
    /// All invitations by email of an account.
    InvitationsBy(AccountId),
    /// Invitations by an account to one address or account.
    InvitationsByTo(AccountId, &'a str),
    /// Invitations to an address, of all accounts with a proven address.
    InvitationsTo(&'a str),
    /// Invitations to an address, of all accounts without a proven address.
    UnprovenInvitationsTo(&'a str),
    /// Proof links that a person or account asks for, or causes by a change.
    ProofsBy(&'a str),
    /// Proof links to an address.
    ProofsTo(&'a str),
    /// Password links to an address, requested from one network.
    ResetsFrom(Scope, &'a str, &'a str),
    /// Password links to an address, requested from networks that its owner has not signed in from.
    ResetsTo(Scope, &'a str),
    /// Test mails of an account.
    TestMailsBy(AccountId),
    /// Test emails to an address, of all accounts.
    TestMailsTo(&'a str),
    /// Notices to an account's owners about what one partner account does.
    NoticesBetween(AccountId, AccountId),
    /// Notices to an account's owners about what all partner accounts do.
    NoticesOfPartners(AccountId),
    /// Notices to an account's owners about the account itself.
    OwnNotices(AccountId),
}

/// Emails in a clock hour, and in a day of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub hour: i32,
    pub day: i32,
}

impl QuotaKey<'_> {
    pub const fn quota(&self) -> Quota {
        let (hour, day) = match self {
            Self::InvitationsBy(_) => (100, 400),
            Self::InvitationsByTo(..) | Self::ResetsFrom(..) => (5, 15),
            Self::InvitationsTo(_) => (20, 60),
            Self::ProofsTo(_) | Self::TestMailsTo(_) => (10, 30),
            Self::UnprovenInvitationsTo(_) => (3, 10),
            Self::ProofsBy(_) => (5, 20),
            // A link works for an hour, so a caller at this limit has a working link. A lower daily limit would break that.
            Self::ResetsTo(..) => (3, 72),
            Self::NoticesBetween(..) | Self::TestMailsBy(_) => (20, 100),
            Self::NoticesOfPartners(_) | Self::OwnNotices(_) => (60, 300),
        };
        Quota { hour, day }
    }

    /// A hash: addresses are not stored here.
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

/// Counts one email, and answers whether the quota allows it.
pub async fn allows(tx: &DatabaseTransaction, app: &App, counted: QuotaKey<'_>) -> Result<bool> {
    Ok(wait(tx, app, counted).await?.is_none())
}

/// Counts one email, and refuses it beyond the quota: `RATE_LIMITED`, with the seconds until the next is allowed.
pub async fn require(tx: &DatabaseTransaction, app: &App, counted: QuotaKey<'_>) -> Result<()> {
    match wait(tx, app, counted).await? {
        None => Ok(()),
        Some(retry_after) => Err(Error::RateLimited { retry_after }),
    }
}

async fn wait(tx: &DatabaseTransaction, app: &App, counted: QuotaKey<'_>) -> Result<Option<u64>> {
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

/// Counts the email of an invitation, and answers whether it may be sent. A recipient beyond the quota gets none, which does
/// not refuse the invitation. `RATE_LIMITED` when the account itself has used up its quota.
pub async fn invitation(tx: &DatabaseTransaction, app: &App, by: AccountId, to: &str) -> Result<bool> {
    if app.config.mail.is_none() {
        // No email is sent without a mail server.
        return Ok(true);
    }
    require(tx, app, QuotaKey::InvitationsBy(by)).await?;
    let proven = user::Entity::in_account(by).filter(user::Column::EmailVerifiedAt.is_not_null());
    let counted = if !app.config.requires_proof() || proven.one(tx).await?.is_some() {
        QuotaKey::InvitationsTo(to)
    } else {
        QuotaKey::UnprovenInvitationsTo(to)
    };
    let allowed = allows(tx, app, counted).await?;
    if !allowed {
        tracing::info!(account = %by, "an invitation is not mailed: its address has reached its quota");
    }
    Ok(allowed)
}

/// Counts a notice to an account's owners about a partner, or about the account itself; answers whether it may be sent.
pub async fn notice(tx: &DatabaseTransaction, app: &App, by: Option<AccountId>, to: AccountId) -> Result<bool> {
    match by {
        None => allows(tx, app, QuotaKey::OwnNotices(to)).await,
        Some(by) => Ok(allows(tx, app, QuotaKey::NoticesBetween(by, to)).await?
            && allows(tx, app, QuotaKey::NoticesOfPartners(to)).await?),
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
            QuotaKey::InvitationsBy(account).key("hour"),
            QuotaKey::InvitationsBy(account).key("day"),
            QuotaKey::InvitationsByTo(account, "a@example.com").key("hour"),
            QuotaKey::InvitationsTo("a@example.com").key("hour"),
            QuotaKey::UnprovenInvitationsTo("a@example.com").key("hour"),
            QuotaKey::ResetsTo(Scope::Account, "a@example.com").key("hour"),
            QuotaKey::ResetsTo(Scope::Portal, "a@example.com").key("hour"),
        ];
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        assert!(keys.iter().all(|key| key.len() == 64));
    }
}
