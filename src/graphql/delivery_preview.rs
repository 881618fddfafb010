//! What a partner would get.

use async_graphql::{Context, ID, Json, Object, SimpleObject};
use entity::delivery_config::Channel;
use serde_json::Value;

use super::context::app_and_caller;
use super::field_mapping::each;
use super::ids::id_or_unknown;
use super::scalars::EmailAddress;
use crate::distribution::preview::{self, PreviewInput, PreviewResult};
use crate::error::Result;

/// Exactly what a delivery would send, with notes in angle brackets for what is only known when it is sent, and hints for secrets.
#[derive(Clone, Debug, SimpleObject)]
pub struct DeliveryPreview {
    /// By what it would be sent.
    channel: Channel,
    /// The HTTP method; null unless it is a webhook.
    method: Option<String>,
    /// Where the request would go; null unless it is a webhook.
    url: Option<String>,
    /// The headers of the request, without those that only frame it; null unless it is a webhook.
    headers: Option<Vec<PreviewHeader>>,
    /// The subject; null unless it is a mail.
    subject: Option<String>,
    /// Who would get the mail; null unless it is one.
    recipients: Option<Vec<EmailAddress>>,
    /// What the body is.
    content_type: Option<String>,
    /// The body. Of a mail in HTML it is the HTML; in the portal and for an account it is the shared fields as JSON. Empty when the
    /// delivery would fail; `warnings` then says why.
    body: String,
    /// What people should know, such as values that a flow would refuse or a missing mail server.
    warnings: Vec<String>,
}

/// A header of a request that would be sent.
#[derive(Clone, Debug, SimpleObject)]
pub struct PreviewHeader {
    /// Its name, in lower case.
    name: String,
    /// Its value; of a header that the account has added a hint, and a note of what is only known when it is sent.
    value: String,
}

impl From<(String, String)> for PreviewHeader {
    fn from((name, value): (String, String)) -> Self {
        Self { name, value }
    }
}

impl From<PreviewResult> for DeliveryPreview {
    fn from(PreviewResult { preview, warnings }: PreviewResult) -> Self {
        Self {
            channel: preview.channel,
            method: preview.method.map(|method| method.to_string()),
            url: preview.url,
            headers: preview.headers.map(each),
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
    /// Exactly what a partner would get for a lead with these values. Nothing is sent or stored. Takes a person of the account, or a
    /// key with `NETWORK_READ` or MANAGE. Unknown partners and assignments are errors with the code `NOT_FOUND`.
    async fn preview_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The partner that would get it.")] partner_id: ID,
        #[graphql(
            desc = "One of the partner's places in profiles; left out means as the partner is delivered elsewhere."
        )]
        assignment_id: Option<ID>,
        #[graphql(desc = "An object of values by field name, as a sender would submit them.")] fields: Json<Value>,
    ) -> Result<DeliveryPreview> {
        let (app, caller) = app_and_caller(ctx).await?;
        let wanted = PreviewInput {
            partner: id_or_unknown(&partner_id),
            assignment: assignment_id.as_ref().map(id_or_unknown),
            fields: fields.0,
        };
        Ok(preview::preview(app, caller, wanted).await?.into())
    }
}
