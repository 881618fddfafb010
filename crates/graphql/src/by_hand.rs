//! Actions of users on deliveries: bulk retries, resolving open outcomes, test deliveries and diagnosis.

use async_graphql::{Context, Object, SimpleObject};
use entity::ids::DeliveryId;

use super::context::app_and_caller;
use super::delivery::{DeliveryFilter, DeliveryPayload};
use super::diagnosis::Diagnosis;
use super::payload::{UserError, outcome};
use leadmesh_core::error::{Result, UserErrorCode};
use leadmesh_delivery::bulk_retry;
use leadmesh_delivery::manual_retry::RetrySettings;
use leadmesh_delivery::settle::{self, Settlement};
use leadmesh_distribution::diagnosis;
use leadmesh_distribution::preview::PreviewInput;
use leadmesh_distribution::test_delivery;

/// Deliveries left unchanged for one reason.
#[derive(SimpleObject)]
pub struct RetryLeftOut {
    /// `CAP_REACHED` if a cap of the recipient is used up in its current window. With `settings` CURRENT also
    /// `NOT_CONFIGURED`, `NOT_CONNECTED` and `CONFLICT`, if the recipient cannot receive by its current settings.
    code: UserErrorCode,
    /// What is wrong and what to do.
    message: String,
    /// Number of deliveries, of those that the call examined.
    count: i32,
}

/// Result of a bulk retry.
#[derive(SimpleObject)]
pub struct RetryDeliveriesPayload {
    /// Deliveries that are due now, or in a portal, at most 1,000. Repeat the call for more; it does not retry the same
    /// ones twice.
    requeued: i32,
    /// Deliveries that were left unchanged, by reason.
    left_out: Vec<RetryLeftOut>,
    /// Business rules that the input broke.
    user_errors: Vec<UserError>,
}

/// Diagnosis of deliveries.
#[derive(Default)]
pub struct ByHandQuery;

#[Object]
impl ByHandQuery {
    /// Explains why a delivery does not reach its recipient. Checks its status, the worker, partner, assignment,
    /// schedule, settings, mail server, portal, connection, destination and last attempt, each with a remedy. An
    /// unknown delivery and another account's are answered alike, by a failed check. Requires a user of the account, or
    /// an API key with `LEADS_READ` or MANAGE.
    async fn diagnose_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the delivery.")] id: DeliveryId,
    ) -> Result<Diagnosis> {
        let (app, caller) = app_and_caller(ctx).await?;
        Ok(diagnosis::diagnose(app, caller, id).await?.into())
    }
}

/// Actions of users on deliveries.
#[derive(Default)]
pub struct ByHandMutation;

#[Object]
impl ByHandMutation {
    /// Retries all matching deliveries immediately, each with a full set of attempts: FAILED and RETRYING ones;
    /// CANCELLED ones, and ones REFUSED by a connected account, only if the filter names these statuses. Leaves out
    /// deliveries whose lead another partner has received instead or still may; of partners that failed one after the
    /// other, the first is tried. `retryDelivery` retries a single one regardless. Each reserves its caps in their
    /// current windows; `leftOut` counts those that cannot. Oldest first, at most 1,000: repeat until `requeued` is 0.
    /// Requires MEMBER or above, or an API key with MANAGE.
    async fn retry_deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Selects the deliveries. Tests only if it includes them.")] filter: DeliveryFilter,
        #[graphql(
            default_with = "Some(RetrySettings::Frozen)",
            desc = "CURRENT uses each recipient's current settings instead of those that a delivery was created with."
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

    /// Records the outcome of a delivery that the network left open: the recipient has the lead (DELIVERED, with
    /// `externalId`) or does not (FAILED; the lead goes to the next partner if the profile says `NEXT_PARTNER`). Cap
    /// reservations follow: kept or taken again if it has the lead, released if not. A bounced email can be resolved
    /// although its server took it, which had made it DELIVERED. CONFLICT if nothing is open, such as during an
    /// attempt. Repeating the same outcome changes nothing. Requires MEMBER or above, or an API key with MANAGE.
    async fn resolve_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The outcome.")] input: Settlement,
    ) -> Result<DeliveryPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        DeliveryPayload::of(settle::settle(app, caller, input).await)
    }

    /// Sends a partner what `previewDelivery` shows for these values, through the regular worker, marked as a test:
    /// `[Test]` in an email's subject, `leadmesh-test: true` in the headers of emails and webhooks, `test` on the lead
    /// in the portal and in a connected account. Listed with `includeTests`; no count includes it. At most 60 an hour
    /// per account: `RATE_LIMITED`. Requires MEMBER or above, or an API key with MANAGE.
    async fn send_test_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The partner and the values.")] input: PreviewInput,
    ) -> Result<DeliveryPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        DeliveryPayload::of(test_delivery::send(app, caller, input).await)
    }
}
