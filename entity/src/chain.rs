//! Deliveries of a lead of which each was made because the one before it had ended without success. Of such a chain one recipient
//! is to get the lead.

use crate::delivery::{Column, DeliveryStatus, Entity, Model, ReviewStatus, owned_by};
use crate::ids::{AccountId, DeliveryId, LeadId, ProfileId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{FromQueryResult, QuerySelect};

/// What says of a delivery to which chain it belongs, and whether its recipient has the lead.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct Link {
    /// Which delivery.
    pub id: DeliveryId,
    /// Of which lead.
    pub lead_id: LeadId,
    /// By which profile.
    pub profile_id: Option<ProfileId>,
    /// The one before it.
    pub follows: Option<DeliveryId>,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// What its recipient says of the lead.
    pub review: Option<ReviewStatus>,
    /// When it was routed.
    pub created_at: DateTime<Utc>,
    /// When it ended.
    pub settled_at: Option<DateTime<Utc>>,
}

impl From<&Model> for Link {
    fn from(row: &Model) -> Self {
        Self {
            id: row.id,
            lead_id: row.lead_id,
            profile_id: row.profile_id,
            follows: row.follows,
            status: row.status,
            review: row.review,
            created_at: row.created_at,
            settled_at: row.settled_at,
        }
    }
}

impl Link {
    /// Whether the recipient has the lead, or may get it without anybody doing anything.
    pub fn is_live(&self) -> bool {
        match self.status {
            DeliveryStatus::Queued | DeliveryStatus::Sending | DeliveryStatus::Retrying => true,
            DeliveryStatus::Delivered => !self.was_given_back(),
            DeliveryStatus::Failed | DeliveryStatus::Refused | DeliveryStatus::Cancelled => false,
        }
    }

    fn was_given_back(&self) -> bool {
        matches!(self.review, Some(ReviewStatus::Rejected | ReviewStatus::Returned))
    }
}

impl Entity {
    /// What profiles have made of some leads of an account.
    pub async fn links(
        db: &impl ConnectionTrait,
        account: AccountId,
        leads: impl IntoIterator<Item = LeadId>,
    ) -> Result<Vec<Link>, DbErr> {
        Self::find()
            .select_only()
            .columns([
                Column::Id,
                Column::LeadId,
                Column::ProfileId,
                Column::Follows,
                Column::Status,
                Column::Review,
                Column::CreatedAt,
                Column::SettledAt,
            ])
            .filter(crate::bulk::among(db, Column::LeadId, leads.into_iter().map(|id| id.0)))
            .filter(owned_by(account))
            .filter(Column::ProfileId.is_not_null())
            .into_model::<Link>()
            .all(db)
            .await
    }
}
