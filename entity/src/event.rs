//! An entry of an event log, from which subscriptions are replayed.

use chrono::{DateTime, Utc};
use sea_orm::QueryOrder;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// What an event tells.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EventKind {
    /// A lead arrived in a flow.
    Lead,
    /// A delivery changed its state.
    Delivery,
    /// A lead came into a partner's portal.
    PortalDelivered,
    /// The review of a lead in a partner's portal changed.
    PortalReviewed,
    /// An invitation was received.
    InvitationReceived,
    /// The other side accepted an invitation.
    InvitationAccepted,
    /// The other side declined an invitation.
    InvitationDeclined,
    /// The other side took an invitation back.
    InvitationCancelled,
    /// An invitation expired unanswered.
    InvitationExpired,
    /// Two accounts are connected.
    ConnectionEstablished,
    /// What a connection allows changed, or a change was asked for or refused.
    ConnectionChanged,
    /// A connection is held up.
    ConnectionSuspended,
    /// A connection was resumed.
    ConnectionResumed,
    /// A connection ended.
    ConnectionTerminated,
    /// An awaited buyer can now receive leads.
    BuyerReady,
    /// The submission docs of a source changed.
    SubmissionDocsChanged,
    /// A connected account erased a lead that it had delivered.
    LeadErased,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "event")]
pub struct Model {
    /// Whose log.
    #[sea_orm(primary_key, auto_increment = false)]
    pub topic_id: Uuid,
    /// Its place; the cursor of a subscription.
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    /// What.
    pub kind: EventKind,
    /// The lead or delivery.
    pub subject_id: Uuid,
    /// The flow of a lead, the partner of a delivery: what subscriptions filter by.
    pub scope_id: Option<Uuid>,
    /// The status of a delivery at that moment.
    pub detail: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

crate::no_relations!();

impl Entity {
    /// Events of one log after a place, oldest first.
    pub fn after(topic: Uuid, seq: i64) -> Select<Self> {
        Self::find()
            .filter(Column::TopicId.eq(topic))
            .filter(Column::Seq.gt(seq))
            .order_by_asc(Column::Seq)
    }
}
