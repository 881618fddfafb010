//! A link that works once: password reset, invitation of a person, activation of a portal user.

use crate::ids::{AccountId, PortalUserId, UserId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{DeleteMany, UpdateMany};
use serde::{Deserialize, Serialize};

/// What a one-time link opens.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TokenPurpose {
    /// Setting a new password, or the first one of an invited person.
    PasswordReset,
    /// Activating a portal user, or setting a new portal password.
    PortalPassword,
    /// Proving the address of a person of an account.
    ProveAddress,
    /// Proving the contact address of an account.
    ProveContact,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "one_time_token")]
pub struct Model {
    /// SHA-256 of the token.
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_hash: String,
    /// What it opens.
    pub purpose: TokenPurpose,
    /// For whom, in the account scope.
    pub user_id: Option<UserId>,
    /// For whom, in the portal scope.
    pub portal_user_id: Option<PortalUserId>,
    /// Which account's contact address it proves.
    pub account_id: Option<AccountId>,
    /// The address to which it was mailed; none of a link that was shown instead, which proves no address.
    pub mailed_to: Option<String>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// Set by its one use, or when a newer one or a removal made it void.
    pub used_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

crate::no_relations!();

impl Entity {
    /// The token with that hash.
    pub fn by_hash(hash: &str) -> Select<Self> {
        Self::find_by_id(hash)
    }

    /// Makes the unused links of a person void by which a password is set.
    pub fn void_of_user(user: UserId, now: DateTime<Utc>) -> UpdateMany<Self> {
        Self::void(now)
            .filter(Column::UserId.eq(user))
            .filter(Column::Purpose.ne(TokenPurpose::ProveAddress))
    }

    /// Makes the unused links void that prove the address of a person.
    pub fn void_proofs_of_user(user: UserId, now: DateTime<Utc>) -> UpdateMany<Self> {
        Self::void(now)
            .filter(Column::UserId.eq(user))
            .filter(Column::Purpose.eq(TokenPurpose::ProveAddress))
    }

    /// Makes the unused links void that prove the contact address of an account.
    pub fn void_proofs_of_account(account: AccountId, now: DateTime<Utc>) -> UpdateMany<Self> {
        Self::void(now).filter(Column::AccountId.eq(account))
    }

    /// Makes the unused links of a portal user void.
    pub fn void_of_portal_user(user: PortalUserId, now: DateTime<Utc>) -> UpdateMany<Self> {
        Self::void(now).filter(Column::PortalUserId.eq(user))
    }

    /// Forgets tokens that ended before a time.
    pub fn forget_before(time: DateTime<Utc>) -> DeleteMany<Self> {
        Self::delete_many().filter(Column::ExpiresAt.lt(time))
    }

    fn void(now: DateTime<Utc>) -> UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::UsedAt, Expr::value(now))
            .filter(Column::UsedAt.is_null())
    }
}
