//! A family of refresh tokens: one log-in of one person.

use crate::ids::{PortalUserId, SessionId, UserId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait;

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
    /// SHA-256 of the token before: its use ends the family.
    pub previous_hash: Option<String>,
    /// When the valid token ends.
    pub expires_at: DateTime<Utc>,
    /// Log-out, password change, removal, or reuse of an old token.
    pub ended_at: Option<DateTime<Utc>>,
    /// Log-in.
    pub created_at: DateTime<Utc>,
}

/// Relations are deliberately absent: rows are loaded by scoped finders, never by joins that could leave their account.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// The family to which a refresh token belongs or belonged.
    pub fn by_token_hash(hash: &str) -> Select<Self> {
        Self::find().filter(Column::TokenHash.eq(hash).or(Column::PreviousHash.eq(hash)))
    }

    /// One session that has not ended.
    pub fn open(id: SessionId) -> Select<Self> {
        Self::find_by_id(id).filter(Column::EndedAt.is_null())
    }
}
