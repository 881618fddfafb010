//! An invitation from one account to another, or to an email address, to connect.

use crate::ids::{AccountId, ConnectionId, InvitationId, MailId};
use crate::relationship::RelationshipType;
use chrono::{DateTime, Utc};
use sea_orm::Condition;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait;
use serde::{Deserialize, Serialize};

/// Where an invitation stands. In the database EXPIRED is written only when the place has to be made free for another
/// invitation; who reads one asks [`Model::status_at`], because expiry is a fact of time.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InvitationStatus {
    /// Waits for its answer.
    Pending,
    /// Answered with yes: the accounts are connected.
    Accepted,
    /// Answered with no.
    Declined,
    /// Taken back by the inviter, or overtaken by a crossing one.
    Cancelled,
    /// Its time has passed. Resending it makes it pending again.
    Expired,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "invitation")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: InvitationId,
    /// Who invites.
    pub from_account_id: AccountId,
    /// Who is invited, once that is known as an account.
    pub to_account_id: Option<AccountId>,
    /// The invited address, lower case; none when an account was invited by its ID.
    pub to_email: Option<String>,
    /// Whether the inviter's leads will go to the invitee.
    pub inviter_sends: bool,
    /// Whether the invitee's leads will go to the inviter.
    pub invitee_sends: bool,
    /// From the inviter to the invitee.
    pub message: Option<String>,
    /// Hash of the one-time token in the mailed link; the newest link only.
    pub token_hash: Option<String>,
    /// The mail that carries the link; the newest one.
    pub mail_id: Option<MailId>,
    /// As written; see [`Model::status_at`].
    pub status: InvitationStatus,
    /// When it ends unanswered.
    pub expires_at: DateTime<Utc>,
    /// When it was sent first.
    pub created_at: DateTime<Utc>,
    /// When it was accepted, declined or cancelled.
    pub answered_at: Option<DateTime<Utc>>,
    /// What came of it.
    pub connection_id: Option<ConnectionId>,
}

/// Relations are deliberately absent: rows are loaded by scoped finders, never by joins that could leave their account.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Where it stands at a time.
    pub fn status_at(&self, now: DateTime<Utc>) -> InvitationStatus {
        if self.status == InvitationStatus::Pending && self.expires_at <= now {
            InvitationStatus::Expired
        } else {
            self.status
        }
    }

    /// What is proposed, as the inviter sees it.
    pub fn type_for_inviter(&self) -> RelationshipType {
        RelationshipType::of(self.inviter_sends, self.invitee_sends).unwrap_or(RelationshipType::Both)
    }

    /// What is proposed, as that account sees it.
    pub fn type_for(&self, viewer: AccountId) -> RelationshipType {
        let kind = self.type_for_inviter();
        if viewer == self.from_account_id {
            kind
        } else {
            kind.mirrored()
        }
    }
}

impl Entity {
    /// What an account sent and received.
    pub fn of_account(account: AccountId) -> Select<Self> {
        let either = Condition::any()
            .add(Column::FromAccountId.eq(account))
            .add(Column::ToAccountId.eq(account));
        Self::find().filter(either)
    }

    /// What an account sent.
    pub fn sent_by(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::FromAccountId.eq(account))
    }

    /// What an account received.
    pub fn received_by(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::ToAccountId.eq(account))
    }

    /// The one whose newest link has that token.
    pub fn by_token_hash(hash: &str) -> Select<Self> {
        Self::find().filter(Column::TokenHash.eq(hash))
    }

    /// Those not answered yet between two accounts, in both directions, expired ones included.
    pub fn open_between(one: AccountId, other: AccountId) -> Select<Self> {
        let pair = |from: AccountId, to: AccountId| Column::FromAccountId.eq(from).and(Column::ToAccountId.eq(to));
        Self::find()
            .filter(Column::Status.eq(InvitationStatus::Pending))
            .filter(Condition::any().add(pair(one, other)).add(pair(other, one)))
    }
}
