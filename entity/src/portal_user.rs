//! A person of a partner, in the portal.

use crate::ids::{AccountId, PartnerId, PortalUserId, SessionId};
pub use crate::portal_permission::{Permissions, PortalPermission};
use crate::{partner, session};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::SelectStatement;
use sea_orm::{QuerySelect, QueryTrait, UpdateMany};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "portal_user")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PortalUserId,
    /// The account whose partner it is.
    pub account_id: AccountId,
    /// The partner whose leads they see.
    pub partner_id: PartnerId,
    /// Lower case; unique among the partner's portal users not removed.
    pub email: String,
    /// When a link that was mailed to the address was used.
    pub email_verified_at: Option<DateTime<Utc>>,
    /// As shown.
    pub name: Option<String>,
    /// Contact data that they keep themselves.
    pub phone: Option<String>,
    /// What they may do.
    pub permissions: Permissions,
    /// Argon2id; none until activated.
    pub password_hash: Option<String>,
    /// When the link was made.
    pub invited_at: Option<DateTime<Utc>>,
    /// When they set their password.
    pub activated_at: Option<DateTime<Utc>>,
    /// Last log-in or refresh.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// Set when removed.
    pub removed_at: Option<DateTime<Utc>>,
}

crate::no_relations!();

impl Entity {
    /// Portal users of one partner of one account, not removed.
    pub fn of_partner(account: AccountId, partner: PartnerId) -> Select<Self> {
        Self::in_account(account).filter(Column::PartnerId.eq(partner))
    }

    /// The identifiers of a partner's portal users, not removed, for a query.
    pub fn ids_of_partner(account: AccountId, partner: PartnerId) -> SelectStatement {
        Self::of_partner(account, partner)
            .select_only()
            .column(Column::Id)
            .into_query()
    }

    /// Portal users of one account, not removed.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find()
            .filter(Column::AccountId.eq(account))
            .filter(Column::RemovedAt.is_null())
    }

    /// Everybody with that address, in whichever partner's portal.
    pub fn claiming(email: &str) -> Select<Self> {
        Self::find()
            .filter(Column::Email.eq(email))
            .filter(Column::RemovedAt.is_null())
    }

    /// A person by a token's subject; not removed.
    pub fn by_id(id: PortalUserId) -> Select<Self> {
        Self::find_by_id(id).filter(Column::RemovedAt.is_null())
    }

    /// Who is signed in by these sessions, not removed, to a portal that is on.
    pub fn signed_in(sessions: impl IntoIterator<Item = SessionId>) -> Select<Self> {
        let people = session::Entity::people_in(sessions, session::Column::PortalUserId);
        Self::find()
            .filter(Column::Id.in_subquery(people))
            .filter(Column::PartnerId.in_subquery(partner::Entity::with_portal()))
            .filter(Column::RemovedAt.is_null())
    }

    /// Notes that somebody was there.
    pub fn seen(id: PortalUserId, now: DateTime<Utc>) -> UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::LastSeenAt, Expr::value(now))
            .filter(Column::Id.eq(id))
    }
}
