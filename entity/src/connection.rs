//! A connection: a relationship between two accounts that both agreed to. Each pair is stored in one order, so that the
//! database can see to it that there is never more than one live connection for it.

use crate::ids::{AccountId, ConnectionId, InvitationId};
use crate::relationship::RelationshipType;
use chrono::{DateTime, Utc};
use sea_orm::Condition;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// Status of a connection.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConnectionStatus {
    /// Leads may go as agreed.
    Active,
    /// One side or both suspend it; no lead goes over it.
    Suspended,
    /// Ended permanently. A new invitation makes a new connection.
    Terminated,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "connection")]
#[expect(clippy::struct_excessive_bools, reason = "a column for each side and direction")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ConnectionId,
    /// The account of the pair with the lower identifier.
    pub low_account_id: AccountId,
    /// The other one.
    pub high_account_id: AccountId,
    /// Whether leads may go from the low account to the high one.
    pub low_sends: bool,
    /// Whether leads may go from the high account to the low one.
    pub high_sends: bool,
    /// Where it stands: SUSPENDED while either side holds it up.
    pub status: ConnectionStatus,
    /// Whether the low account holds it up.
    pub low_suspends: bool,
    /// Whether the high account holds it up.
    pub high_suspends: bool,
    /// Who has asked for a wider relationship, as yet unanswered.
    pub requested_by: Option<AccountId>,
    /// What is asked for: whether leads may go from the low account to the high one.
    pub wanted_low_sends: bool,
    /// What is asked for: whether leads may go from the high account to the low one.
    pub wanted_high_sends: bool,
    /// The invitation it came of.
    pub invitation_id: Option<InvitationId>,
    /// When it was agreed.
    pub connected_at: DateTime<Utc>,
    /// When it ended.
    pub terminated_at: Option<DateTime<Utc>>,
    /// Who ended it.
    pub terminated_by: Option<AccountId>,
    /// Why, in that side's words.
    pub termination_reason: Option<String>,
    /// Ended, and deliveries over it may still have to be cancelled.
    pub cancelling: bool,
}

crate::no_relations!();

impl Model {
    /// The other side.
    pub fn partner_of(&self, viewer: AccountId) -> AccountId {
        if viewer == self.low_account_id {
            self.high_account_id
        } else {
            self.low_account_id
        }
    }

    /// What was agreed, as that side sees it.
    pub fn type_for(&self, viewer: AccountId) -> RelationshipType {
        kind(viewer == self.low_account_id, self.low_sends, self.high_sends)
    }

    /// The wider relationship that is asked for, as that side sees it.
    pub fn requested_for(&self, viewer: AccountId) -> Option<RelationshipType> {
        self.requested_by?;
        let low = viewer == self.low_account_id;
        Some(kind(low, self.wanted_low_sends, self.wanted_high_sends))
    }

    /// Whether that side holds it up.
    pub fn suspended_by(&self, account: AccountId) -> bool {
        if account == self.low_account_id {
            self.low_suspends
        } else {
            self.high_suspends
        }
    }

    /// Whether that side's leads may go to the other side now.
    pub fn lets_send(&self, sender: AccountId) -> bool {
        self.status == ConnectionStatus::Active && self.type_for(sender).sends()
    }
}

fn kind(low: bool, low_sends: bool, high_sends: bool) -> RelationshipType {
    let (sends, receives) = if low {
        (low_sends, high_sends)
    } else {
        (high_sends, low_sends)
    };
    RelationshipType::of(sends, receives).unwrap_or(RelationshipType::Both)
}

impl Entity {
    /// Connections of one account, ended ones included.
    pub fn of_account(account: AccountId) -> Select<Self> {
        let either = Condition::any()
            .add(Column::LowAccountId.eq(account))
            .add(Column::HighAccountId.eq(account));
        Self::find().filter(either)
    }

    /// Connections over which that account's leads may go to the other side now.
    pub fn sending(sender: AccountId) -> Select<Self> {
        let as_low = Condition::all()
            .add(Column::LowAccountId.eq(sender))
            .add(Column::LowSends.eq(true));
        let as_high = Condition::all()
            .add(Column::HighAccountId.eq(sender))
            .add(Column::HighSends.eq(true));
        Self::find()
            .filter(Column::Status.eq(ConnectionStatus::Active))
            .filter(Condition::any().add(as_low).add(as_high))
    }

    /// Ended connections over which deliveries may still have to be cancelled.
    pub fn cancelling() -> Select<Self> {
        Self::find().filter(Expr::cust("cancelling"))
    }

    /// Notes that nothing is left to be cancelled over an ended connection.
    pub fn all_cancelled(id: ConnectionId) -> sea_orm::UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::Cancelling, Expr::value(false))
            .filter(Column::Id.eq(id))
    }

    /// The live connection of a pair, in either order.
    pub fn live_between(one: AccountId, other: AccountId) -> Select<Self> {
        Self::ever_between(one, other).filter(Column::Status.ne(ConnectionStatus::Terminated))
    }

    /// Every connection that a pair ever had.
    pub fn ever_between(one: AccountId, other: AccountId) -> Select<Self> {
        Self::find()
            .filter(Column::LowAccountId.eq(one.min(other)))
            .filter(Column::HighAccountId.eq(one.max(other)))
    }
}
