//! Erasing a person's values, and who had them.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::delivery_config::Channel;
use entity::erasure_notice::{self, NoticeStatus, Received};

use super::context::app_and_caller;
use super::ids::id_or_unknown;
use super::returns::LeadPayload;
use crate::error::Result;
use crate::network::erasure;

/// Somebody who had a lead that was erased, and whether it was told. It holds no value of the lead.
#[derive(Clone, Debug, SimpleObject)]
pub struct ErasureNotice {
    /// Identifier; of a webhook also its `webhook-id`.
    id: ID,
    /// By which delivery it had the lead.
    delivery_id: ID,
    /// Which partner; null for a BUYER step's account.
    partner_id: Option<ID>,
    /// Which connected account; null for others.
    buyer_id: Option<ID>,
    /// By which channel.
    channel: Channel,
    /// Whether it had the lead for certain.
    received: Received,
    /// When it got it, or was last sent it.
    received_at: DateTime<Utc>,
    /// Its own name for the lead, unless that repeated a value.
    external_id: Option<String>,
    /// Whether it was told to erase.
    status: NoticeStatus,
    /// How often that was tried: eight times over two days.
    attempts: i32,
    /// What the last try said.
    error: Option<String>,
    /// When it was told.
    told_at: Option<DateTime<Utc>>,
}

impl From<erasure_notice::Model> for ErasureNotice {
    fn from(row: erasure_notice::Model) -> Self {
        Self {
            id: row.id.to_string().into(),
            delivery_id: row.delivery_id.to_string().into(),
            partner_id: row.partner_id.map(|id| id.to_string().into()),
            buyer_id: row.buyer_account_id.map(|id| id.to_string().into()),
            channel: row.channel,
            received: row.received,
            received_at: row.received_at,
            external_id: row.external_id,
            status: row.status,
            attempts: row.attempts,
            error: row.error,
            told_at: row.notified_at,
        }
    }
}

/// Erasing.
#[derive(Default)]
pub struct ErasureMutation;

#[Object]
impl ErasureMutation {
    /// Removes a person's values: from the lead, its trace and timeline, attempts and answers, search, and the memory of duplicates.
    /// Deliveries that wait are cancelled. Whoever had the lead is told, as `erasureNotices` of the lead tells: a webhook
    /// `lead.erased`, a mail, in the portal, or in the connected account, which keeps its own copy until it erases it. What stays
    /// is who got what when. It cannot be undone; done again it only tells once more whoever could not be told. The lead's
    /// idempotency key goes on answering its receipt, whatever is sent with it. Takes an OWNER or ADMIN.
    async fn erase_lead(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which lead.")] id: ID,
        #[graphql(
            desc = "Why, for the audit trail and the timeline: one line of 1 to 1,000 characters without a value of the lead."
        )]
        reason: String,
    ) -> Result<LeadPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        LeadPayload::of(erasure::erase(app, caller, id_or_unknown(&id), &reason).await)
    }
}
