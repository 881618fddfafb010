//! What happened to a lead after its submission; the submission itself is told by the lead and its deliveries.

use crate::ids::{AccountId, LeadId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// Kind of a lead's event.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LeadEventKind {
    /// The lead was submitted.
    Submitted,
    /// The lead was accepted.
    Accepted,
    /// The lead was rejected.
    Rejected,
    /// A filter step stopped it.
    Filtered,
    /// A transform step set fields.
    Transformed,
    /// A step was skipped.
    Skipped,
    /// A partner was chosen.
    Routed,
    /// A delivery was attempted.
    DeliveryAttempted,
    /// A recipient has the lead.
    Delivered,
    /// A delivery failed.
    DeliveryFailed,
    /// A recipient refused the lead.
    Refused,
    /// A delivery was cancelled.
    Cancelled,
    /// A partner accepted or rejected the lead in the portal.
    Reviewed,
    /// A partner requested a return.
    ReturnRequested,
    /// The lead was returned.
    Returned,
    /// Encrypted values were revealed to a caller.
    Revealed,
    /// The values were erased.
    Erased,
    /// The account that delivered the lead has erased it and asks to erase it here too.
    ErasureRequested,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "lead_event")]
pub struct Model {
    /// Time-ordered.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Whose.
    pub account_id: AccountId,
    /// Which lead.
    pub lead_id: LeadId,
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub kind: LeadEventKind,
    /// In words, without values of the lead.
    pub message: String,
}

crate::no_relations!();

impl Entity {
    /// Takes the words from what was noted of a lead: people have written some of them. Of who got it and who looked at it the
    /// words are Leadmesh's own, and stay.
    pub async fn forget_words(
        db: &impl ConnectionTrait,
        (account, lead): (AccountId, LeadId),
        instead: &str,
    ) -> Result<(), DbErr> {
        let own = [LeadEventKind::Routed, LeadEventKind::Revealed];
        Self::update_many()
            .col_expr(Column::Message, Expr::value(instead))
            .filter(Column::AccountId.eq(account))
            .filter(Column::LeadId.eq(lead))
            .filter(Column::Kind.is_not_in(own))
            .exec(db)
            .await?;
        Ok(())
    }

    /// Events of one lead of one account.
    pub fn of_lead(account: AccountId, lead: LeadId) -> Select<Self> {
        Self::find()
            .filter(Column::AccountId.eq(account))
            .filter(Column::LeadId.eq(lead))
    }
}
