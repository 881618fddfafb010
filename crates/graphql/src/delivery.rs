//! Deliveries: where leads go, and how that went.

use async_graphql::{ComplexObject, Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus, ReviewStatus};
use entity::delivery_config::Channel;
use entity::ids::{ConnectionId, DeliveryId, FlowId, LeadId, PartnerId, ProfileId};
use entity::{delivery_attempt, mail_recipient};

use super::account::AccountProfile;
use super::context::app_and_caller;
use super::flow::Flow;
use super::lead::{Lead, sees_responses};
use super::loaders::{AttemptsOf, ExcerptOf, FlowRow, LeadRow, PartnerRow, ProfileRow, RecipientsOf, list, load};
use super::money::Money;
use super::partner::Partner;
use super::payload::{UserError, outcome};
use super::profile::DistributionProfile;
use super::relay::{PageArgs, connection, page};
use super::time_range::TimeRangeInput;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_delivery::manage::{self, DeliveryFilter as Wanted};
use leadmesh_delivery::manual_retry::{self, RetrySettings};
use leadmesh_leads::redaction;

/// One lead going to one recipient over one channel.
#[derive(Clone)]
pub struct Delivery(pub delivery::Model);

impl From<delivery::Model> for Delivery {
    fn from(delivery: delivery::Model) -> Self {
        Self(delivery)
    }
}

/// A delivery: one lead on its way to one recipient over one channel.
#[Object]
impl Delivery {
    /// Identifier, also sent as `webhook-id` and `Idempotency-Key` with every attempt.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// The lead.
    async fn lead(&self, ctx: &Context<'_>) -> Result<Lead> {
        let found = load(ctx, LeadRow(self.0.account_id, self.0.lead_id)).await?;
        found
            .map(Lead::from)
            .ok_or_else(|| Error::Internal(anyhow::anyhow!("a delivery without its lead")))
    }

    /// The partner that receives the lead; null for a BUYER step.
    async fn partner(&self, ctx: &Context<'_>) -> Result<Option<Partner>> {
        let Some(id) = self.0.partner_id else { return Ok(None) };
        Ok(load(ctx, PartnerRow(self.0.account_id, id)).await?.map(Partner::from))
    }

    /// The connected account that receives the lead; null unless the channel is ACCOUNT.
    async fn buyer(&self, ctx: &Context<'_>) -> Result<Option<AccountProfile>> {
        match self.0.buyer_account_id {
            Some(id) => AccountProfile::load(ctx, id).await.map(Some),
            None => Ok(None),
        }
    }

    /// The profile that chose the partner; null if it was deleted.
    async fn profile(&self, ctx: &Context<'_>) -> Result<Option<DistributionProfile>> {
        let Some(id) = self.0.profile_id else { return Ok(None) };
        Ok(load(ctx, ProfileRow(self.0.account_id, id))
            .await?
            .map(DistributionProfile::from))
    }

    /// The lead's flow; null if it was deleted.
    async fn flow(&self, ctx: &Context<'_>) -> Result<Option<Flow>> {
        Ok(load(ctx, FlowRow(self.0.account_id, self.0.flow_id))
            .await?
            .filter(|flow| flow.deleted_at.is_none())
            .map(Flow::from))
    }

    /// Channel of the delivery.
    async fn channel(&self) -> Channel {
        self.0.channel
    }

    /// Current status.
    async fn status(&self) -> DeliveryStatus {
        self.0.status
    }

    /// Whether the recipient sees the delivery as a test.
    async fn test(&self) -> bool {
        self.0.test
    }

    /// All attempts, in order.
    async fn attempts(&self, ctx: &Context<'_>) -> Result<Vec<DeliveryAttempt>> {
        let found = list(ctx, AttemptsOf(self.0.id)).await?;
        let sees_responses = self.sees_responses(ctx).await?;
        Ok(found
            .into_iter()
            .map(|row| DeliveryAttempt::new(row, sees_responses))
            .collect())
    }

    /// Number of attempts begun.
    async fn attempt_count(&self) -> i32 {
        self.0.attempt_count
    }

    /// When the next attempt is due; null if the delivery is finished or being sent.
    async fn next_attempt_at(&self) -> Option<DateTime<Utc>> {
        self.0.due_at
    }

    /// Why the lead has not reached the recipient: the last attempt's failure while retrying, the final one afterwards.
    async fn failure(&self, ctx: &Context<'_>) -> Result<Option<DeliveryFailure>> {
        let Some((code, message)) = self.0.failure_code.zip(self.0.failure_message.clone()) else {
            return Ok(None);
        };
        let sees_responses = !redaction::may_quote_recipient(Some(code)) || self.sees_responses(ctx).await?;
        Ok(Some(DeliveryFailure {
            code,
            message: redaction::redact_message(message, Some(code), sees_responses),
            at: self.0.settled_at.unwrap_or(self.0.created_at),
        }))
    }

    /// The recipient's identifier for the lead, if its answer gave one; for a connected account the identifier of its
    /// lead. If the lead has encrypted values, only callers who may reveal them see a recipient's identifier, because
    /// it may contain one.
    async fn external_id(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        let id = self.0.external_id.as_deref();
        if id.is_none() || self.0.channel == Channel::Account || self.sees_responses(ctx).await? {
            return Ok(id);
        }
        Ok(None)
    }

    /// Price that the recipient pays, as agreed when the lead was routed.
    async fn price(&self) -> Option<Money> {
        Money::from_columns(self.0.price_e4, self.0.price_currency.clone())
    }

    /// The recipient's review, in the portal or after a connected account requested a return; null otherwise.
    async fn review(&self, ctx: &Context<'_>) -> Result<Option<PortalReview>> {
        let Some(mut review) = PortalReview::of(&self.0) else {
            return Ok(None);
        };
        if review.reason.is_some() && !self.sees_responses(ctx).await? {
            review.reason = Some(redaction::REDACTED.to_owned());
        }
        Ok(Some(review))
    }

    /// When the lead's values and the recipient's answers were erased; null before.
    async fn erased_at(&self) -> Option<DateTime<Utc>> {
        self.0.erased_at
    }

    /// When the lead was routed to the recipient.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When the recipient received the lead.
    async fn delivered_at(&self) -> Option<DateTime<Utc>> {
        self.0.settled_at.filter(|_| self.0.status == DeliveryStatus::Delivered)
    }

    /// Milliseconds from routing to delivery.
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds of a delivery are far below 2^52"
    )]
    async fn latency_ms(&self) -> Option<f64> {
        let delivered = self
            .0
            .settled_at
            .filter(|_| self.0.status == DeliveryStatus::Delivered)?;
        Some((delivered - self.0.created_at).num_microseconds()? as f64 / 1000.0)
    }
}

impl Delivery {
    /// Whether the caller may see the recipient's words.
    async fn sees_responses(&self, ctx: &Context<'_>) -> Result<bool> {
        sees_responses(ctx, self.0.account_id, self.0.lead_id).await
    }
}

connection!(
    DeliveryConnection,
    DeliveryEdge,
    Delivery,
    delivery::Model,
    "deliveries"
);

/// One attempt of a delivery.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct DeliveryAttempt {
    #[graphql(skip)]
    delivery: DeliveryId,
    #[graphql(skip)]
    sees_responses: bool,
    /// Sequence number, from 1.
    number: i32,
    /// When the attempt began.
    started_at: DateTime<Utc>,
    /// Milliseconds until the answer was complete or given up.
    duration_ms: f64,
    /// Whether the recipient took the lead.
    ok: bool,
    /// HTTP status of the answer to a webhook.
    http_status: Option<i32>,
    /// Reply code of the mail server.
    smtp_code: Option<i32>,
    /// What went wrong.
    error_code: Option<DeliveryErrorCode>,
    /// The error in words.
    message: Option<String>,
}

#[ComplexObject]
impl DeliveryAttempt {
    /// The first 4 KiB of the answer, without our secrets and encrypted values. If the lead has encrypted values, only
    /// callers who may reveal them see it.
    async fn response_excerpt(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let excerpt = load(ctx, ExcerptOf(self.delivery, self.number)).await?;
        Ok(excerpt.map(|text| {
            if self.sees_responses {
                text
            } else {
                redaction::REDACTED.to_owned()
            }
        }))
    }

    /// The mail server's replies by recipient; empty if it gave none, and on other channels. Later attempts leave out
    /// recipients who have the mail.
    async fn recipients(&self, ctx: &Context<'_>) -> Result<Vec<MailRecipient>> {
        let found = list(ctx, RecipientsOf(self.delivery)).await?;
        let own = found.into_iter().filter(|row| row.attempt == self.number);
        let sees_setup = app_and_caller(ctx).await?.1.may(Action::ReadSetup);
        let each = |row: mail_recipient::Model| MailRecipient {
            reply: row.reply.map(|reply| {
                if self.sees_responses {
                    reply
                } else {
                    redaction::REDACTED.to_owned()
                }
            }),
            address: if sees_setup {
                row.address
            } else {
                hidden_address(&row.address)
            },
            ok: row.ok,
            smtp_code: row.code,
        };
        Ok(own.map(each).collect())
    }
}

/// A recipient of an email that delivers a lead.
#[derive(Clone, Debug, SimpleObject)]
pub struct MailRecipient {
    /// Email address. Callers who may not read delivery settings see only its domain.
    address: String,
    /// Whether the mail server took the mail for this recipient, not whether it arrived. False once `resolveDelivery`
    /// has recorded that it did not.
    ok: bool,
    /// Reply code: 4xx is retried, 5xx is final.
    smtp_code: Option<i32>,
    /// Reply of the mail server, one line.
    reply: Option<String>,
}

fn hidden_address(address: &str) -> String {
    let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
    format!("…@{domain}")
}

impl DeliveryAttempt {
    /// An attempt for a reader who may see the recipient's words, or not.
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds of an attempt are far below 2^52"
    )]
    fn new(attempt: delivery_attempt::Model, sees_responses: bool) -> Self {
        let (code, message) = (attempt.error_code, attempt.message);
        Self {
            delivery: attempt.delivery_id,
            sees_responses,
            number: attempt.number,
            started_at: attempt.started_at,
            duration_ms: attempt.duration_us as f64 / 1000.0,
            ok: attempt.ok,
            http_status: attempt.http_status,
            smtp_code: attempt.smtp_code,
            error_code: code,
            message: message.map(|message| redaction::redact_message(message, code, sees_responses)),
        }
    }
}

/// Why a delivery has not reached its recipient.
#[derive(Clone, Debug, SimpleObject)]
pub struct DeliveryFailure {
    /// Code for programs. New codes may be added, so have a default branch.
    code: DeliveryErrorCode,
    /// Explanation for people.
    message: String,
    /// When it happened.
    at: DateTime<Utc>,
}

/// Status of a partner's review of a lead.
#[derive(Clone, Debug, SimpleObject)]
pub struct PortalReview {
    /// Current status.
    pub status: ReviewStatus,
    /// Name of the last reviewer.
    by: Option<String>,
    /// When it happened.
    at: Option<DateTime<Utc>>,
    /// Reason, if one was given.
    reason: Option<String>,
}

impl PortalReview {
    /// The review of a portal delivery.
    pub fn of(delivery: &delivery::Model) -> Option<Self> {
        Some(Self {
            status: delivery.review?,
            by: delivery.review_by.clone(),
            at: delivery.review_at,
            reason: delivery.review_reason.clone(),
        })
    }
}

/// Selects deliveries. All conditions must hold.
#[derive(Default, InputObject)]
pub struct DeliveryFilter {
    /// With one of these statuses.
    status: Option<Vec<DeliveryStatus>>,
    /// Over one of these channels.
    channel: Option<Vec<Channel>>,
    /// To this partner.
    partner_id: Option<PartnerId>,
    /// Over this connection.
    connection_id: Option<ConnectionId>,
    /// Routed by this profile.
    profile_id: Option<ProfileId>,
    /// Of leads in this flow.
    flow_id: Option<FlowId>,
    /// Of this lead.
    lead_id: Option<LeadId>,
    /// Routed in this range.
    created_in: Option<TimeRangeInput>,
    /// Of leads with this email address or phone number, in any spelling, or with a name that starts with this text. At
    /// most 200 characters. Encrypted values match only as a whole, and only for callers who may reveal them.
    search: Option<String>,
    /// Whether to include tests.
    #[graphql(default_with = "Some(false)")]
    include_tests: Option<bool>,
}

impl DeliveryFilter {
    /// An identifier that cannot be one finds nothing.
    pub(super) async fn wanted(self, app: &App, caller: &Caller) -> Result<Wanted> {
        Ok(Wanted {
            found: manage::found(app, caller, self.search.as_deref()).await?,
            statuses: self.status,
            channels: self.channel,
            partner: self.partner_id,
            connection: self.connection_id,
            profile: self.profile_id,
            flow: self.flow_id,
            lead: self.lead_id,
            during: self.created_in.map(TimeRangeInput::checked).transpose()?,
            include_tests: self.include_tests.unwrap_or_default(),
        })
    }
}

/// Result of a change to a delivery.
#[derive(SimpleObject)]
pub struct DeliveryPayload {
    /// The updated delivery; null if nothing changed.
    delivery: Option<Delivery>,
    /// Business rules that the input broke.
    user_errors: Vec<UserError>,
}

/// The deliveries' part of queries.
#[derive(Default)]
pub struct DeliveryQuery;

#[Object]
impl DeliveryQuery {
    /// A delivery of the caller's account; null if there is none with this identifier.
    async fn delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier.")] id: DeliveryId,
    ) -> Result<Option<Delivery>> {
        let (app, caller) = app_and_caller(ctx).await?;
        caller.require(Action::ReadLeads)?;
        Ok(manage::find(app, caller, id).await?.map(Delivery))
    }

    /// Deliveries of the caller's account, newest first.
    async fn deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Selects the deliveries. Defaults to all but tests.")] filter: Option<DeliveryFilter>,
        #[graphql(desc = "Returns the first n entries (1–100). Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Returns only entries after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns the last n entries (1–100).")] last: Option<i32>,
        #[graphql(desc = "Returns only entries before this cursor.")] before: Option<String>,
    ) -> Result<DeliveryConnection> {
        let (app, caller) = app_and_caller(ctx).await?;
        let select = manage::list(caller, filter.unwrap_or_default().wanted(app, caller).await?)?;
        let args = PageArgs::new(first, after, last, before);
        Ok(page(app.db.read(), select, delivery::Column::Id, |row| row.id.0, args)
            .await?
            .into())
    }
}

/// The deliveries' part of mutations.
#[derive(Default)]
pub struct DeliveryMutation;

#[Object]
impl DeliveryMutation {
    /// Retries a FAILED, CANCELLED or RETRYING delivery immediately, with a full set of attempts; also one that a
    /// connected account has REFUSED, unless the lead had passed that account. It remains the same delivery with the
    /// same `webhook-id`; into a connected account it uses the current connection. It reserves its caps in their
    /// current windows, or answers `CAP_REACHED`. With `settings` CURRENT it uses the recipient's current settings,
    /// whatever their channel, and keeps them; a corrected address or template thus rescues a failed delivery. Requires
    /// MEMBER or above, or an API key with MANAGE.
    async fn retry_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier.")] id: DeliveryId,
        #[graphql(
            default_with = "Some(RetrySettings::Frozen)",
            desc = "FROZEN keeps the settings that the delivery was created with; CURRENT uses the recipient's current ones."
        )]
        settings: Option<RetrySettings>,
    ) -> Result<DeliveryPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        DeliveryPayload::of(manual_retry::retry(app, caller, id, settings.unwrap_or_default()).await)
    }

    /// Cancels a QUEUED or RETRYING delivery and releases its cap reservations. Requires MEMBER or above, or an API key
    /// with MANAGE.
    async fn cancel_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier.")] id: DeliveryId,
    ) -> Result<DeliveryPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        DeliveryPayload::of(manage::cancel(app, caller, id).await)
    }
}

impl DeliveryPayload {
    /// Of what a use case answers.
    pub(super) fn of(result: Result<delivery::Model>) -> Result<Self> {
        let (delivery, user_errors) = outcome(result)?;
        Ok(Self {
            delivery: delivery.map(Delivery),
            user_errors,
        })
    }
}
