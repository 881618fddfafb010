//! An invitation from one account to another, or to an email address, to connect.

use crate::ids::{AccountId, ConnectionId, InvitationId, MailId};
use crate::proof::AddressProof;
use crate::relationship::RelationshipType;
use crate::user;
use chrono::{DateTime, Utc};
use sea_orm::Condition;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, Query, SimpleExpr};
use serde::{Deserialize, Serialize};

/// Status of an invitation. It expires when its time has passed, whether or not EXPIRED is stored.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InvitationStatus {
    /// Not answered yet.
    Pending,
    /// Accepted: the accounts are connected.
    Accepted,
    /// Declined.
    Declined,
    /// Cancelled by the inviter, or replaced by a crossing invitation.
    Cancelled,
    /// Expired unanswered. Resending makes it pending again.
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

crate::no_relations!();

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
    pub fn of_account(account: AccountId, proof: AddressProof) -> Select<Self> {
        let either = Condition::any()
            .add(Column::FromAccountId.eq(account))
            .add(Column::ToAccountId.eq(account))
            .add(reaches(account, proof));
        Self::find().filter(either)
    }

    /// What an account sent.
    pub fn sent_by(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::FromAccountId.eq(account))
    }

    /// What an account received: by its identifier, or at the address of one of its people.
    pub fn received_by(account: AccountId, proof: AddressProof) -> Select<Self> {
        let received = Condition::any()
            .add(Column::ToAccountId.eq(account))
            .add(reaches(account, proof));
        Self::find().filter(received).filter(Column::FromAccountId.ne(account))
    }

    /// What two accounts sent each other, in both directions, whatever became of it; what went to an address included.
    pub fn between(one: AccountId, other: AccountId, proof: AddressProof) -> Select<Self> {
        let sent = |from: AccountId, to: AccountId| {
            let received = Condition::any().add(Column::ToAccountId.eq(to)).add(reaches(to, proof));
            Condition::all().add(Column::FromAccountId.eq(from)).add(received)
        };
        Self::find().filter(Condition::any().add(sent(one, other)).add(sent(other, one)))
    }

    /// The one whose newest link has that token.
    pub fn by_token_hash(hash: &str) -> Select<Self> {
        Self::find().filter(Column::TokenHash.eq(hash))
    }

    /// Those not answered yet between two accounts, in both directions, expired ones included.
    pub fn open_between(one: AccountId, other: AccountId, proof: AddressProof) -> Select<Self> {
        Self::between(one, other, proof).filter(Column::Status.eq(InvitationStatus::Pending))
    }

    /// Those whose time has passed without that it was written.
    pub fn overdue(now: DateTime<Utc>) -> Select<Self> {
        Self::find()
            .filter(Column::Status.eq(InvitationStatus::Pending))
            .filter(Column::ExpiresAt.lte(now))
    }
}

/// Whether it went to the address of one of that account's people, and the address counts as theirs: proven by a mailed link,
/// or, where the operator asks for no proof, held since before the invitation. To see it is all; to answer takes the mailed
/// link.
fn reaches(account: AccountId, proof: AddressProof) -> SimpleExpr {
    let person = |column| Expr::col((user::Entity, column));
    let proven = person(user::Column::EmailVerifiedAt).is_not_null();
    let is_told = match proof {
        AddressProof::Required => proven,
        AddressProof::NotRequired => {
            proven.or(person(user::Column::CreatedAt).lte(Expr::col((Entity, Column::CreatedAt))))
        }
    };
    let known = Query::select()
        .expr(Expr::value(1))
        .from(user::Entity)
        .and_where(person(user::Column::Email).equals((Entity, Column::ToEmail)))
        .and_where(person(user::Column::AccountId).eq(account))
        .and_where(person(user::Column::RemovedAt).is_null())
        .and_where(person(user::Column::PasswordHash).is_not_null())
        .and_where(person(user::Column::HoldsEmail).eq(true))
        .and_where(is_told)
        .take();
    Column::ToAccountId.is_null().and(Expr::exists(known))
}
