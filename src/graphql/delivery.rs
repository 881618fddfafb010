//! Deliveries: where leads go, and how that went.

use async_graphql::{ComplexObject, Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus, ReviewStatus};
use entity::delivery_config::Channel;
use entity::ids::DeliveryId;
use entity::{delivery_attempt, mail_recipient};

use super::account::AccountProfile;
use super::context::app_and_caller;
use super::flow::Flow;
use super::ids::id_or_unknown;
use super::lead::{Lead, hears};
use super::loaders::{AttemptsOf, ExcerptOf, FlowRow, LeadRow, PartnerRow, ProfileRow, RecipientsOf, list, load};
use super::money::Money;
use super::partner::Partner;
use super::payload::{UserError, outcome};
use super::profile::DistributionProfile;
use super::relay::{PageArgs, connection, page};
use super::time_range::TimeRangeInput;
use crate::app::App;
use crate::delivery::again::RetrySettings;
use crate::delivery::manage::{self, DeliveryFilter as Wanted};
use crate::error::{Error, Result, UserErrorCode};
use crate::identity::caller::Caller;
use crate::identity::policy::Action;
use crate::leads::redaction;

/// One lead going to one recipient over one channel.
#[derive(Clone)]
pub struct Delivery(pub delivery::Model);

impl From<delivery::Model> for Delivery {
    fn from(delivery: delivery::Model) -> Self {
        Self(delivery)
    }
}

/// One lead going to one recipient over one channel.
#[Object]
impl Delivery {
    /// Identifier; also the `webhook-id` and `Idempotency-Key` of every attempt.
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

    /// The partner that gets it; null when a BUYER step delivers.
    async fn partner(&self, ctx: &Context<'_>) -> Result<Option<Partner>> {
        let Some(id) = self.0.partner_id else { return Ok(None) };
        Ok(load(ctx, PartnerRow(self.0.account_id, id)).await?.map(Partner::from))
    }

    /// The connected account that gets it; null on other channels than ACCOUNT.
    async fn buyer(&self, ctx: &Context<'_>) -> Result<Option<AccountProfile>> {
        match self.0.buyer_account_id {
            Some(id) => AccountProfile::load(ctx, id).await.map(Some),
            None => Ok(None),
        }
    }

    /// The profile that picked the partner; null when it was deleted since.
    async fn profile(&self, ctx: &Context<'_>) -> Result<Option<DistributionProfile>> {
        let Some(id) = self.0.profile_id else { return Ok(None) };
        Ok(load(ctx, ProfileRow(self.0.account_id, id))
            .await?
            .map(DistributionProfile::from))
    }

    /// The lead's flow; null when it was deleted since.
    async fn flow(&self, ctx: &Context<'_>) -> Result<Option<Flow>> {
        Ok(load(ctx, FlowRow(self.0.account_id, self.0.flow_id))
            .await?
            .filter(|flow| flow.deleted_at.is_none())
            .map(Flow::from))
    }

    /// By what.
    async fn channel(&self) -> Channel {
        self.0.channel
    }

    /// Where it stands.
    async fn status(&self) -> DeliveryStatus {
        self.0.status
    }

    /// Whether it is marked as a test to the recipient.
    async fn test(&self) -> bool {
        self.0.test
    }

    /// Every attempt, in order.
    async fn attempts(&self, ctx: &Context<'_>) -> Result<Vec<DeliveryAttempt>> {
        let found = list(ctx, AttemptsOf(self.0.id)).await?;
        let hears = self.hears(ctx).await?;
        Ok(found.into_iter().map(|row| DeliveryAttempt::new(row, hears)).collect())
    }

    /// Attempts begun.
    async fn attempt_count(&self) -> i32 {
        self.0.attempt_count
    }

    /// When it is attempted next; null when settled or under way.
    async fn next_attempt_at(&self) -> Option<DateTime<Utc>> {
        self.0.due_at
    }

    /// Why it has not reached the recipient: of the last attempt while it is tried again, for good when it is settled.
    async fn failure(&self, ctx: &Context<'_>) -> Result<Option<DeliveryFailure>> {
        let Some((code, message)) = self.0.failure_code.zip(self.0.failure_message.clone()) else {
            return Ok(None);
        };
        let hears = !redaction::may_quote_recipient(Some(code)) || self.hears(ctx).await?;
        Ok(Some(DeliveryFailure {
            code,
            message: redaction::redact_message(message, Some(code), hears),
            at: self.0.settled_at.unwrap_or(self.0.created_at),
        }))
    }

    /// The recipient's own name for the lead, where its answer gave one; of a connected account its lead's identifier. Of a lead with
    /// encrypted values a recipient's name is shown to those alone who may reveal them: it may be made of one.
    async fn external_id(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        let id = self.0.external_id.as_deref();
        if id.is_none() || self.0.channel == Channel::Account || self.hears(ctx).await? {
            return Ok(id);
        }
        Ok(None)
    }

    /// What the recipient pays, as it was agreed when the lead was routed.
    async fn price(&self) -> Option<Money> {
        Money::from_columns(self.0.price_e4, self.0.price_currency.clone())
    }

    /// Where the recipient's review stands: in the portal, and where a connected account has asked for a return. Null otherwise.
    async fn review(&self, ctx: &Context<'_>) -> Result<Option<PortalReview>> {
        let Some(mut review) = PortalReview::of(&self.0) else {
            return Ok(None);
        };
        if review.reason.is_some() && !self.hears(ctx).await? {
            review.reason = Some(redaction::REDACTED.to_owned());
        }
        Ok(Some(review))
    }

    /// When the lead's values were removed, and with them what the recipient has said; null before.
    async fn erased_at(&self) -> Option<DateTime<Utc>> {
        self.0.erased_at
    }

    /// When the lead was routed to the recipient.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When the recipient had it.
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
    async fn hears(&self, ctx: &Context<'_>) -> Result<bool> {
        hears(ctx, self.0.account_id, self.0.lead_id).await
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
    hears: bool,
    /// From 1.
    number: i32,
    /// When it began.
    started_at: DateTime<Utc>,
    /// Milliseconds until the answer was whole or given up.
    duration_ms: f64,
    /// Whether the recipient took it.
    ok: bool,
    /// Status of the answer to a webhook.
    http_status: Option<i32>,
    /// Reply code of the mail server.
    smtp_code: Option<i32>,
    /// What went wrong.
    error_code: Option<DeliveryErrorCode>,
    /// The same in words.
    message: Option<String>,
}

#[ComplexObject]
impl DeliveryAttempt {
    /// The first 4 KiB of the answer, with our secrets and encrypted values taken out. Of a lead with encrypted values it is shown to
    /// those alone who may reveal them.
    async fn response_excerpt(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let excerpt = load(ctx, ExcerptOf(self.delivery, self.number)).await?;
        Ok(excerpt.map(|text| {
            if self.hears {
                text
            } else {
                redaction::REDACTED.to_owned()
            }
        }))
    }

    /// What the mail server said of each recipient; empty where it said nothing of them, and on other channels. A recipient who has
    /// the mail is left out of later attempts.
    async fn recipients(&self, ctx: &Context<'_>) -> Result<Vec<MailRecipient>> {
        let found = list(ctx, RecipientsOf(self.delivery)).await?;
        let own = found.into_iter().filter(|row| row.attempt == self.number);
        let sees_setup = app_and_caller(ctx).await?.1.may(Action::ReadSetup);
        let each = |row: mail_recipient::Model| MailRecipient {
            reply: row.reply.map(|reply| {
                if self.hears {
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

/// One recipient of a mail that delivers a lead.
#[derive(Clone, Debug, SimpleObject)]
pub struct MailRecipient {
    /// The address; for those who may not read delivery settings only its domain.
    address: String,
    /// Whether the mail server took the mail for it; whether it arrives is for the recipient's side to say. False once
    /// `resolveDelivery` has settled that it did not.
    ok: bool,
    /// Code of the server's reply: 4xx is tried again, 5xx is final.
    smtp_code: Option<i32>,
    /// The reply, one line.
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
    fn new(attempt: delivery_attempt::Model, hears: bool) -> Self {
        let (code, message) = (attempt.error_code, attempt.message);
        Self {
            delivery: attempt.delivery_id,
            hears,
            number: attempt.number,
            started_at: attempt.started_at,
            duration_ms: attempt.duration_us as f64 / 1000.0,
            ok: attempt.ok,
            http_status: attempt.http_status,
            smtp_code: attempt.smtp_code,
            error_code: code,
            message: message.map(|message| redaction::redact_message(message, code, hears)),
        }
    }
}

/// Why a delivery has not reached its recipient.
#[derive(Clone, Debug, SimpleObject)]
pub struct DeliveryFailure {
    /// For programs; new codes may be added, so have a default branch.
    code: DeliveryErrorCode,
    /// For people.
    message: String,
    /// When.
    at: DateTime<Utc>,
}

/// Where a partner's review of a lead stands.
#[derive(Clone, Debug, SimpleObject)]
pub struct PortalReview {
    /// Where it stands.
    pub status: ReviewStatus,
    /// Who reviewed it last.
    by: Option<String>,
    /// When.
    at: Option<DateTime<Utc>>,
    /// Why, where a reason was given.
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

/// Which deliveries.
#[derive(Default, InputObject)]
pub struct DeliveryFilter {
    /// Standing so.
    status: Option<Vec<DeliveryStatus>>,
    /// By these channels.
    channel: Option<Vec<Channel>>,
    /// To this partner.
    partner_id: Option<ID>,
    /// Over this connection.
    connection_id: Option<ID>,
    /// Picked by this profile.
    profile_id: Option<ID>,
    /// Of leads of this flow.
    flow_id: Option<ID>,
    /// Of this lead.
    lead_id: Option<ID>,
    /// Routed in this time.
    created_in: Option<TimeRangeInput>,
    /// Of leads with this email address or phone number, in any spelling, or whose name begins with this; 200 characters at most.
    /// Encrypted values are found whole only, and only by those who may reveal them.
    search: Option<String>,
    /// Tests too.
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
            partner: self.partner_id.as_ref().map(id_or_unknown),
            connection: self.connection_id.as_ref().map(id_or_unknown),
            profile: self.profile_id.as_ref().map(id_or_unknown),
            flow: self.flow_id.as_ref().map(id_or_unknown),
            lead: self.lead_id.as_ref().map(id_or_unknown),
            during: self.created_in.map(TimeRangeInput::checked).transpose()?,
            include_tests: self.include_tests.unwrap_or_default(),
        })
    }
}

/// A delivery, or the rules that were broken.
#[derive(SimpleObject)]
pub struct DeliveryPayload {
    /// The delivery as it stands now.
    delivery: Option<Delivery>,
    /// Rules that the input broke.
    user_errors: Vec<UserError>,
}

/// The deliveries' part of queries.
#[derive(Default)]
pub struct DeliveryQuery;

#[Object]
impl DeliveryQuery {
    /// A delivery of the caller's account; null when there is none with this identifier.
    async fn delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its identifier.")] id: ID,
    ) -> Result<Option<Delivery>> {
        let (app, caller) = app_and_caller(ctx).await?;
        caller.require(Action::ReadLeads)?;
        let Ok(id) = id.parse() else { return Ok(None) };
        Ok(manage::find(app, caller, id).await?.map(Delivery))
    }

    /// Deliveries of the caller's account, newest first.
    #[expect(clippy::too_many_arguments, reason = "a page has four arguments beside the filter")]
    async fn deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which deliveries; all but tests by default.")] filter: Option<DeliveryFilter>,
        #[graphql(desc = "The first so many, 1 to 100; 20 by default.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
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
    /// Attempts a FAILED, CANCELLED or RETRYING delivery again now, with a fresh budget of attempts; also one that a connected
    /// account has REFUSED, unless the lead had passed that account. It stays the same delivery, under the same `webhook-id`;
    /// into a connected account it goes over the connection that there is now. It takes a place on the caps of its partner, place or
    /// step in their present windows, or is refused with `CAP_REACHED`. With settings CURRENT it goes by the recipient's present
    /// settings, whatever their channel, and keeps them: so a corrected address or template saves what has failed.
    /// Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn retry_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its identifier.")] id: ID,
        #[graphql(
            default_with = "Some(RetrySettings::Frozen)",
            desc = "FROZEN keeps the settings that the delivery was made with; CURRENT takes the recipient's present ones."
        )]
        settings: Option<RetrySettings>,
    ) -> Result<DeliveryPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        caller.require(Action::ManageDeliveries)?;
        let retried = match id.parse() {
            Ok(id) => manage::retry(app, caller, id, settings.unwrap_or_default()).await,
            Err(_) => Err(unknown()),
        };
        DeliveryPayload::of(retried)
    }

    /// Stops a QUEUED or RETRYING delivery and gives back its places on caps.
    /// Takes an OWNER, ADMIN or MEMBER, or a key with MANAGE.
    async fn cancel_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its identifier.")] id: ID,
    ) -> Result<DeliveryPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        caller.require(Action::ManageDeliveries)?;
        let cancelled = match id.parse() {
            Ok(id) => manage::cancel(app, caller, id).await,
            Err(_) => Err(unknown()),
        };
        DeliveryPayload::of(cancelled)
    }
}

fn unknown() -> Error {
    Error::broken(UserErrorCode::NotFound, "id", "no such delivery")
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
