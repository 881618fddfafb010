//! What people do about deliveries: many at once, what the network left open, tests, and asking why.

use async_graphql::{Context, ID, InputObject, Json, Object, SimpleObject};
use serde_json::Value;

use super::context::app_and_caller;
use super::delivery::{DeliveryFilter, DeliveryPayload};
use super::diagnosis::Diagnosis;
use super::ids::id_or_unknown;
use super::payload::{UserError, outcome};
use crate::delivery::bulk_retry;
use crate::delivery::manual_retry::RetrySettings;
use crate::delivery::settle::{self, Settlement};
use crate::distribution::diagnosis;
use crate::distribution::preview::ToPreview;
use crate::distribution::test_delivery;
use crate::error::{Result, UserErrorCode};

/// What somebody knows of a delivery that the network left open.
#[derive(InputObject)]
pub struct ResolveDeliveryInput {
    /// Which delivery: one by webhook or mail that was attempted, and is RETRYING, FAILED or CANCELLED; with `delivered: false`
    /// also a DELIVERED mail that bounced.
    id: ID,
    /// Whether the recipient has the lead.
    delivered: bool,
    /// The recipient's own name for the lead, at most 255 characters; only where it has it.
    external_id: Option<String>,
    /// For whoever reads the timeline: one line of at most 1,000 characters.
    note: Option<String>,
}

/// A lead to try a partner's delivery with.
#[derive(InputObject)]
pub struct TestDeliveryInput {
    /// The partner that gets it.
    partner_id: ID,
    /// One of the partner's places in profiles; left out means as the partner is delivered elsewhere.
    assignment_id: Option<ID>,
    /// An object of values by field name, as a sender would submit them; at most 64 KiB.
    fields: Json<Value>,
}

/// Deliveries that were looked at and stay as they are, for one reason.
#[derive(SimpleObject)]
pub struct RetryLeftOut {
    /// `CAP_REACHED` where a cap of the recipient is used up in its present window; with settings CURRENT also `NOT_CONFIGURED`,
    /// `NOT_CONNECTED` and `CONFLICT`, where the recipient cannot be delivered by its present settings.
    code: UserErrorCode,
    /// What is wrong and what to do.
    message: String,
    /// How many of those that the call has looked at.
    count: i32,
}

/// How many deliveries are tried again.
#[derive(SimpleObject)]
pub struct RetryDeliveriesPayload {
    /// Deliveries that are due now, or in a portal; 1,000 at most. Call again for more: those that were taken up are not taken up
    /// twice.
    requeued: i32,
    /// Those that stay as they are, by the reason.
    left_out: Vec<RetryLeftOut>,
    /// Rules that the input broke.
    user_errors: Vec<UserError>,
}

/// Asking why.
#[derive(Default)]
pub struct ByHandQuery;

#[Object]
impl ByHandQuery {
    /// Why a delivery does not reach its recipient: where it stands, the worker, partner, place, settings, mail server, portal,
    /// connection and destination, and the last attempt, each with what to do. An unknown delivery and another account's are
    /// answered alike, by a check that failed. Takes a person of the account, or a key with `LEADS_READ` or MANAGE.
    async fn diagnose_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which delivery.")] id: ID,
    ) -> Result<Diagnosis> {
        let (app, caller) = app_and_caller(ctx).await?;
        Ok(diagnosis::diagnose(app, caller, id_or_unknown(&id)).await?.into())
    }
}

/// Doing something about it.
#[derive(Default)]
pub struct ByHandMutation;

#[Object]
impl ByHandMutation {
    /// Attempts again at once what fits the filter and may be tried again, each with a fresh budget of attempts: FAILED and RETRYING
    /// deliveries; CANCELLED ones, and those that a connected account has REFUSED, only when the filter names these states. Those
    /// whose lead another partner has got in their place, or may yet, are left out; of partners that have failed one after another one
    /// is tried, the one that failed first. `retryDelivery` takes a single one whatever the others do. Each takes a place on the caps of
    /// its partner, place or step in their present windows; `leftOut` tells of those that find none. The oldest first, 1,000 at
    /// most: call again until it answers 0. Takes a MEMBER or above, or a key with MANAGE.
    async fn retry_deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which deliveries; tests only if it says so.")] filter: DeliveryFilter,
        #[graphql(
            default_with = "Some(RetrySettings::Frozen)",
            desc = "CURRENT takes each recipient's present settings in place of those that a delivery was made with."
        )]
        settings: Option<RetrySettings>,
    ) -> Result<RetryDeliveriesPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let filter = filter.wanted(app, caller).await?;
        let (retried, user_errors) =
            outcome(bulk_retry::retry_many(app, caller, filter, settings.unwrap_or_default()).await)?;
        let retried = retried.unwrap_or_default();
        let count = |deliveries: usize| i32::try_from(deliveries).unwrap_or(i32::MAX);
        let left_out = retried.left_out.into_iter().map(|left_out| RetryLeftOut {
            code: left_out.refusal.code,
            message: left_out.refusal.message,
            count: count(left_out.count),
        });
        Ok(RetryDeliveriesPayload {
            requeued: count(retried.requeued),
            left_out: left_out.collect(),
            user_errors,
        })
    }

    /// Settles by hand what the network left open: the recipient has the lead (DELIVERED, under `externalId`), or has it not
    /// (FAILED; the lead goes on to the next partner if the profile says `NEXT_PARTNER`). Places on caps follow: kept or taken again
    /// when it has it, given back when it has it not. A mail that bounced is settled so although its server took it, which had
    /// made it DELIVERED. CONFLICT where nothing is open, such as while it is being sent. Settling the same way again changes
    /// nothing. Takes a MEMBER or above, or a key with MANAGE.
    async fn resolve_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is known.")] input: ResolveDeliveryInput,
    ) -> Result<DeliveryPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let settlement = Settlement {
            delivery: id_or_unknown(&input.id),
            delivered: input.delivered,
            external_id: input.external_id,
            note: input.note,
        };
        DeliveryPayload::of(settle::settle(app, caller, settlement).await)
    }

    /// Sends a partner what `previewDelivery` shows for these values, through the ordinary worker, marked as a test: `[Test]` in a
    /// mail's subject and `leadmesh-test: true` in its headers and in a webhook's; in the portal and in a connected account the
    /// lead says `test`. It is in the log with `includeTests`, and counts nowhere. 60 an hour for an account, then `RATE_LIMITED`.
    /// Takes a MEMBER or above, or a key with MANAGE.
    async fn send_test_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "To whom, and what.")] input: TestDeliveryInput,
    ) -> Result<DeliveryPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let wanted = ToPreview {
            partner: id_or_unknown(&input.partner_id),
            assignment: input.assignment_id.as_ref().map(id_or_unknown),
            fields: input.fields.0,
        };
        DeliveryPayload::of(test_delivery::send(app, caller, wanted).await)
    }
}
