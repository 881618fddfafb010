//! A family of refresh tokens: one log-in of one person.

use crate::ids::{PortalUserId, SessionId, UserId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, SelectStatement};
use sea_orm::{DeleteMany, QuerySelect, QueryTrait, UpdateMany};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    /// Identifier; named by access tokens.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SessionId,
    /// Whose, in the account scope.
    pub user_id: Option<UserId>,
    /// Whose, in the portal scope.
    pub portal_user_id: Option<PortalUserId>,
    /// SHA-256 of the one token that is valid now.
    pub token_hash: String,
    /// SHA-256 of the token before, which gives the valid one again for a minute.
    pub previous_hash: Option<String>,
    /// When the valid token ends: a fixed time after it was made. The session as a whole may end before.
    pub expires_at: DateTime<Utc>,
    /// Log-out, password change, removal, or reuse of an old token.
    pub ended_at: Option<DateTime<Utc>>,
    /// Log-in.
    pub created_at: DateTime<Utc>,
}

crate::no_relations!();

impl Entity {
    /// The session that a refresh token names, ended ones included.
    pub fn by_id(id: SessionId) -> Select<Self> {
        Self::find_by_id(id)
    }

    /// One session that has not ended.
    pub fn open(id: SessionId) -> Select<Self> {
        Self::find_by_id(id).filter(Column::EndedAt.is_null())
    }

    /// Which of these sessions have not ended.
    pub fn open_among(ids: impl IntoIterator<Item = SessionId>) -> Select<Self> {
        Self::find()
            .filter(Column::Id.is_in(ids))
            .filter(Column::EndedAt.is_null())
    }

    /// Who is signed in by those of these sessions that have not ended: people of accounts, or of portals. Part of a statement.
    pub fn people_in(ids: impl IntoIterator<Item = SessionId>, person: Column) -> SelectStatement {
        Self::open_among(ids).select_only().column(person).into_query()
    }

    /// Ends the sessions of a person.
    pub fn end_of_user(user: UserId, now: DateTime<Utc>) -> UpdateMany<Self> {
        Self::end(now).filter(Column::UserId.eq(user))
    }

    /// Ends the sessions of a portal user.
    pub fn end_of_portal_user(user: PortalUserId, now: DateTime<Utc>) -> UpdateMany<Self> {
        Self::end(now).filter(Column::PortalUserId.eq(user))
    }

    /// Ends the sessions of the portal users that a query names.
    pub fn end_of_portal_users(users: SelectStatement, now: DateTime<Utc>) -> UpdateMany<Self> {
        Self::end(now).filter(Column::PortalUserId.in_subquery(users))
    }

    /// Forgets sessions that ended, or whose last token did, before a time.
    pub fn forget_before(time: DateTime<Utc>) -> DeleteMany<Self> {
        let over = Column::EndedAt.lt(time).or(Column::ExpiresAt.lt(time));
        Self::delete_many().filter(over)
    }

    fn end(now: DateTime<Utc>) -> UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::EndedAt, Expr::value(now))
            .filter(Column::EndedAt.is_null())
    }
}
