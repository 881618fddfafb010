//! A key for programs.

use crate::ids::{AccountId, ApiKeyId};
use chrono::{DateTime, Utc};
use sea_orm::FromJsonQueryResult;
use sea_orm::UpdateMany;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait;
use serde::{Deserialize, Serialize};

/// What an API key may do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ApiKeyScope {
    /// Submit leads, and read the receipts of all submissions of the account.
    LeadsSubmit,
    /// Read leads, deliveries and reports, and subscribe to them. Of the flows, sources, partners and profiles that
    /// they name, only identifiers, names and counts.
    LeadsRead,
    /// Read the account with its users, API keys, mail server and invitations, and flows, partners, profiles,
    /// connections and submission docs.
    NetworkRead,
    /// Everything that a MEMBER may do.
    Manage,
}

/// The scopes of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Scopes(pub Vec<ApiKeyScope>);

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "api_key")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ApiKeyId,
    /// Whose.
    pub account_id: AccountId,
    /// As shown.
    pub name: String,
    /// The last four characters.
    pub hint: String,
    /// SHA-256 of the secret (which has 256 random bits, so needs no slow hash).
    pub secret_hash: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Written at most once a minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was ended by hand.
    pub revoked_at: Option<DateTime<Utc>>,
}

crate::no_relations!();

impl Model {
    /// Whether the key may be used at that time.
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

impl Entity {
    /// Keys of one account, ended ones included.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }

    /// The key with that secret, for authentication.
    pub fn by_secret_hash(hash: &str) -> Select<Self> {
        Self::find().filter(Column::SecretHash.eq(hash))
    }

    /// A key by itself, for looking again whether it may still be used.
    pub fn by_id(id: ApiKeyId) -> Select<Self> {
        Self::find_by_id(id)
    }

    /// Keys by who holds them, revoked ones included.
    pub fn by_ids(ids: impl IntoIterator<Item = ApiKeyId>) -> Select<Self> {
        Self::find().filter(Column::Id.is_in(ids))
    }

    /// Keys of one account that may be used at that time.
    pub fn live_in_account(account: AccountId, now: DateTime<Utc>) -> Select<Self> {
        Self::in_account(account).filter(Self::is_live(now))
    }

    /// Which of these keys may be used at that time.
    pub fn live_among(ids: impl IntoIterator<Item = ApiKeyId>, now: DateTime<Utc>) -> Select<Self> {
        Self::find().filter(Column::Id.is_in(ids)).filter(Self::is_live(now))
    }

    /// Notes that a key was used.
    pub fn used(id: ApiKeyId, now: DateTime<Utc>) -> UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::LastUsedAt, Expr::value(now))
            .filter(Column::Id.eq(id))
    }

    /// The database's form of [`Model::is_live`].
    fn is_live(now: DateTime<Utc>) -> Expr {
        let unending = Column::ExpiresAt.is_null().or(Column::ExpiresAt.gt(now));
        Column::RevokedAt.is_null().and(unending)
    }
}
