//! A person of an account.

use crate::ids::{AccountId, SessionId, UserId};
use crate::proof::AddressProof;
use crate::session;
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Alias, ExprTrait, Query};
use sea_orm::{Condition, UpdateMany};
use serde::{Deserialize, Serialize};

/// Role of a user.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// May do everything, including users, API keys and mail server. Every account has at least one.
    Owner,
    /// Like OWNER, but cannot make or remove owners.
    Admin,
    /// Manages flows, partners, profiles and deliveries.
    Member,
    /// Reads only, and never sees encrypted values.
    Viewer,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "user")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    /// Whose.
    pub account_id: AccountId,
    /// As shown.
    pub name: String,
    /// Lower case; unique in the account among people not removed.
    pub email: String,
    /// When a link that was mailed to the address was used.
    pub email_verified_at: Option<DateTime<Utc>>,
    /// Whether the address counts as theirs on this server: it receives invitations and goes first at log-in. At most one of all
    /// people who claim an address holds it. Without proof it says nothing where the operator asks for it: see [`Model::holds`].
    pub holds_email: bool,
    /// When somebody who reads the address took the account as it was: by a password set through a mailed link, or by proving the
    /// address while signed in. Until then another may have made it, or have the password.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// Argon2id; none until an invited person has set one.
    pub password_hash: Option<String>,
    /// What they may do.
    pub role: Role,
    /// Last log-in or refresh.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// When invited or signed up.
    pub created_at: DateTime<Utc>,
    /// Set when removed; the row stays for the audit trail.
    pub removed_at: Option<DateTime<Utc>>,
}

crate::no_relations!();

impl Model {
    /// Whether the address counts as theirs.
    pub fn holds(&self, proof: AddressProof) -> bool {
        self.holds_email && (proof == AddressProof::NotRequired || self.email_verified_at.is_some())
    }
}

impl Entity {
    /// People of one account who were not removed.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find()
            .filter(Column::AccountId.eq(account))
            .filter(Column::RemovedAt.is_null())
    }

    /// The one person whose address counts as theirs.
    pub fn holder_of(email: &str, proof: AddressProof) -> Select<Self> {
        // Not by `holds_email` alone, which may have been written while no proof was asked for.
        let proven = (proof == AddressProof::Required).then(|| Column::EmailVerifiedAt.is_not_null());
        let counts = Condition::all().add(Column::HoldsEmail.eq(true)).add_option(proven);
        Self::claiming(email).filter(counts)
    }

    /// Everybody who claims that address, proven or not.
    pub fn claiming(email: &str) -> Select<Self> {
        Self::find()
            .filter(Column::Email.eq(email))
            .filter(Column::RemovedAt.is_null())
    }

    /// Takes addresses from those who hold them without proof: the operator asks for it.
    pub fn drop_unproven() -> UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::HoldsEmail, Expr::value(false))
            .filter(Column::HoldsEmail.eq(true))
            .filter(Column::EmailVerifiedAt.is_null())
    }

    /// Lets the first of those who claim an address that nobody holds hold it without proof: the operator asks for none.
    pub fn assume_unproven() -> UpdateMany<Self> {
        let other = Alias::new("other");
        let its = |column: Column| Expr::col((other.clone(), column));
        let own = |column: Column| Expr::col((Entity, column));
        let earlier = Query::select()
            .expr(Expr::value(1))
            .from_as(Entity, other.clone())
            .and_where(its(Column::Email).equals((Entity, Column::Email)))
            .and_where(its(Column::RemovedAt).is_null())
            .and_where(its(Column::PasswordHash).is_not_null())
            .and_where(its(Column::Id).ne(own(Column::Id)))
            .and_where(its(Column::HoldsEmail).eq(true).or(its(Column::Id).lt(own(Column::Id))))
            .take();
        Self::update_many()
            .col_expr(Column::HoldsEmail, Expr::value(true))
            .filter(Column::HoldsEmail.eq(false))
            .filter(Column::RemovedAt.is_null())
            .filter(Column::PasswordHash.is_not_null())
            .filter(Expr::exists(earlier).not())
    }

    /// A person by a token's subject; not removed.
    pub fn by_id(id: UserId) -> Select<Self> {
        Self::find_by_id(id).filter(Column::RemovedAt.is_null())
    }

    /// Who of these people was not removed.
    pub fn by_ids(ids: impl IntoIterator<Item = UserId>) -> Select<Self> {
        Self::find()
            .filter(Column::Id.is_in(ids))
            .filter(Column::RemovedAt.is_null())
    }

    /// Who is signed in by these sessions, not removed.
    pub fn signed_in(sessions: impl IntoIterator<Item = SessionId>) -> Select<Self> {
        let people = session::Entity::people_in(sessions, session::Column::UserId);
        Self::find()
            .filter(Column::Id.in_subquery(people))
            .filter(Column::RemovedAt.is_null())
    }

    /// Notes that somebody was there.
    pub fn seen(id: UserId, now: DateTime<Utc>) -> UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::LastSeenAt, Expr::value(now))
            .filter(Column::Id.eq(id))
    }
}
