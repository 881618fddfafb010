//! Erasing a person's values, and who had them.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::delivery_config::Channel;
use entity::erasure_notice::{self, NoticeStatus, Received};
use entity::ids::LeadId;

use super::context::app_and_caller;
use super::returns::LeadPayload;
use leadmesh_core::error::Result;
use leadmesh_network::erasure;

/// A recipient of an erased lead, and whether it was notified. Contains no value of the lead.
#[derive(Clone, Debug, SimpleObject)]
pub struct ErasureNotice {
    /// Identifier, also sent as `webhook-id` with a webhook.
    id: ID,
    /// The delivery by which the recipient received the lead.
    delivery_id: ID,
    /// The partner; null for the account of a BUYER step.
    partner_id: Option<ID>,
    /// The connected account; null for other recipients.
    buyer_id: Option<ID>,
    /// Channel of the delivery.
    channel: Channel,
    /// Whether the recipient certainly received the lead.
    received: Received,
    /// When the recipient received the lead, or when it was last sent.
    received_at: DateTime<Utc>,
    /// The recipient's identifier for the lead, unless it repeated a value.
    external_id: Option<String>,
    /// Whether the recipient was notified.
    status: NoticeStatus,
    /// Number of attempts: at most eight over two days.
    attempts: i32,
    /// Error of the last attempt.
    error: Option<String>,
    /// When the recipient was notified.
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
    /// Erases a person's values: from the lead, its trace and timeline, attempts and answers, search, and the duplicate
    /// check. Cancels waiting deliveries. Notifies all recipients, listed in `erasureNotices`: by a `lead.erased`
    /// webhook, by email, in the portal, or in the connected account, which keeps its copy until it erases it. Who got
    /// what and when stays recorded. Cannot be undone; repeating it notifies again only the recipients that could not
    /// be notified. The lead's idempotency key continues to answer its receipt, whatever is sent with it. Requires
    /// OWNER or ADMIN.
    async fn erase_lead(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the lead.")] id: LeadId,
        #[graphql(
            desc = "Reason for the audit log and the timeline, one line of 1 to 1,000 characters without values of the lead."
        )]
        reason: String,
    ) -> Result<LeadPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        LeadPayload::of(erasure::erase(app, caller, id, &reason).await)
    }
}
