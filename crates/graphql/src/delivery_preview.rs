//! What a partner would get.

use async_graphql::{Context, Json, Object, SimpleObject};
use entity::delivery_config::Channel;
use entity::ids::{AssignmentId, PartnerId};
use serde_json::Value;

use super::context::app_and_caller;
use super::field_mapping::each;
use super::scalars::EmailAddress;
use leadmesh_core::error::Result;
use leadmesh_distribution::preview::{self, PreviewInput, PreviewResult};

/// Exactly what a delivery would send. Angle brackets mark values known only when it is sent; secrets appear as hints.
#[derive(Clone, Debug, SimpleObject)]
pub struct DeliveryPreview {
    /// Channel of the delivery.
    channel: Channel,
    /// HTTP method; null unless it is a webhook.
    method: Option<String>,
    /// URL of the request; null unless it is a webhook.
    url: Option<String>,
    /// Headers of the request, without those that frame it; null unless it is a webhook.
    headers: Option<Vec<PreviewHeader>>,
    /// Subject; null unless it is an email.
    subject: Option<String>,
    /// Recipients; null unless it is an email.
    recipients: Option<Vec<EmailAddress>>,
    /// Content type of the body.
    content_type: Option<String>,
    /// The body: the HTML of an HTML email; the shared fields as JSON for the portal and for an account. Empty if the
    /// delivery would fail; `warnings` says why.
    body: String,
    /// Warnings for people, such as values that a flow would refuse, or a missing mail server.
    warnings: Vec<String>,
}

/// A header of the request.
#[derive(Clone, Debug, SimpleObject)]
pub struct PreviewHeader {
    /// Name, in lower case.
    name: String,
    /// Value; for a header added by the account a hint, for values known only at sending time a placeholder.
    value: String,
}

impl From<PreviewResult> for DeliveryPreview {
    fn from(PreviewResult { preview, warnings }: PreviewResult) -> Self {
        Self {
            channel: preview.channel,
            method: preview.method.map(|method| method.to_string()),
            url: preview.url,
            headers: preview.headers.map(|headers| {
                let headers = headers.into_iter();
                headers.map(|(name, value)| PreviewHeader { name, value }).collect()
            }),
            subject: preview.subject,
            recipients: preview.recipients.map(each),
            content_type: preview.content_type,
            body: preview.body,
            warnings,
        }
    }
}

/// Looking at deliveries before they are made.
#[derive(Default)]
pub struct DeliveryPreviewQuery;

#[Object]
impl DeliveryPreviewQuery {
    /// Exactly what a partner would get for a lead with these values. Nothing is sent or stored. Unknown partners and
    /// assignments are errors with the code `NOT_FOUND`. Requires a user of the account, or an API key with
    /// `NETWORK_READ` or MANAGE.
    async fn preview_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the partner.")] partner_id: PartnerId,
        #[graphql(desc = "One of the partner's assignments. If omitted, the partner's general settings apply.")]
        assignment_id: Option<AssignmentId>,
        #[graphql(desc = "Values by field name, as a sender would submit them, as a JSON object.")] fields: Json<Value>,
    ) -> Result<DeliveryPreview> {
        let (app, caller) = app_and_caller(ctx).await?;
        let wanted = PreviewInput {
            partner: partner_id,
            assignment: assignment_id,
            fields,
        };
        Ok(preview::preview(app, caller, wanted).await?.into())
    }
}
