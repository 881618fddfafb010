//! A delivery: one lead going to one recipient. The row is the job.

use crate::delivery_config::Channel;
use crate::ids::{
    AccountId, AssignmentId, CapId, ConnectionId, DeliveryId, FlowId, LeadId, PartnerId, ProfileId, SettingsId, StepId,
};
use chrono::{DateTime, Utc};
use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, Func};

use serde::{Deserialize, Serialize};

/// Status of a delivery.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeliveryStatus {
    /// Waiting for the first attempt.
    Queued,
    /// A worker is sending it.
    Sending,
    /// Waiting for the next attempt.
    Retrying,
    /// The recipient has the lead.
    Delivered,
    /// Given up. Can be retried by hand.
    Failed,
    /// The recipient refused the lead.
    Refused,
    /// Stopped by hand or by the end of a connection.
    Cancelled,
}

/// Why an attempt or a delivery failed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeliveryErrorCode {
    /// The account has no mail server. Set one and retry.
    SmtpNotConfigured,
    /// The mail server refused permanently (5xx), or the mail bounced and a user resolved the delivery as failed.
    SmtpRejected,
    /// The mail server refused temporarily (4xx).
    SmtpTemporary,
    /// The answer's status was not 2xx.
    HttpStatus,
    /// No complete answer within the deadline.
    Timeout,
    /// Could not connect, or the connection broke.
    Network,
    /// The TLS connection failed.
    Tls,
    /// The address is private, loopback or otherwise forbidden.
    DestinationBlocked,
    /// The payload could not be rendered.
    Template,
    /// The payload exceeds the size limit of deliveries.
    PayloadTooLarge,
    /// The answer said that the partner refuses the lead.
    RefusedByPartner,
    /// The buyer's flow rejected the lead.
    BuyerRejected,
    /// The buyer cannot take leads yet.
    BuyerNotReady,
    /// The connection ended.
    Disconnected,
    /// Every attempt of the retry policy failed.
    RetriesExhausted,
    /// Too old for another attempt.
    Expired,
    /// Cancelled by hand.
    Cancelled,
    /// The destination is paused after repeated failures.
    Paused,
    /// Processes of this server died repeatedly during attempts. Retry by hand once the cause is gone.
    SetAside,
}

/// Status of a partner's review of a lead.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[graphql(name = "PortalLeadStatus")]
pub enum ReviewStatus {
    /// Not reviewed.
    PendingReview,
    /// The partner accepts the lead.
    Accepted,
    /// The partner rejects the lead.
    Rejected,
    /// The partner requested a return.
    ReturnRequested,
    /// Returned.
    Returned,
}

/// What was counted on caps for a delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Reservations(pub Vec<Reservation>);

/// One place taken on one cap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Which cap.
    pub cap: CapId,
    /// The start of the window in which it counted.
    pub window: DateTime<Utc>,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "delivery")]
pub struct Model {
    /// Identifier, and the `webhook-id` of every attempt.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DeliveryId,
    /// Whose.
    pub account_id: AccountId,
    /// Which lead.
    pub lead_id: LeadId,
    /// The lead's flow.
    pub flow_id: FlowId,
    /// The step that routed it.
    pub step_id: Option<StepId>,
    /// The profile that picked it.
    pub profile_id: Option<ProfileId>,
    /// The place that matched.
    pub assignment_id: Option<AssignmentId>,
    /// The partner that gets it; none when a BUYER step delivers.
    pub partner_id: Option<PartnerId>,
    /// The account that gets it; ACCOUNT channel only.
    pub buyer_account_id: Option<AccountId>,
    /// The connection over which that account gets it.
    pub connection_id: Option<ConnectionId>,
    /// How, through all its retries.
    pub settings_id: SettingsId,
    /// By what.
    pub channel: Channel,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// Marked as a test to the recipient.
    pub test: bool,
    /// Attempts begun.
    pub attempt_count: i32,
    /// Attempts that do not count against the present budget: those before a retry by hand, and those that tried a paused
    /// endpoint.
    pub attempts_before: i32,
    /// When that budget, and with it the maximum age, began.
    pub budget_since: DateTime<Utc>,
    /// When to attempt next; none when settled.
    pub due_at: Option<DateTime<Utc>>,
    /// The worker that has it, while SENDING.
    pub lease_owner: Option<Uuid>,
    /// Why it is FAILED, REFUSED or CANCELLED.
    pub failure_code: Option<DeliveryErrorCode>,
    /// The same in words.
    pub failure_message: Option<String>,
    /// The recipient's own name for the lead.
    pub external_id: Option<String>,
    /// Frozen when it was made; in 1/10,000 of the currency unit.
    pub price_e4: Option<i64>,
    /// ISO 4217.
    pub price_currency: Option<String>,
    /// Where the recipient's review stands; set by the portal, and by returns of leads that an account got.
    pub review: Option<ReviewStatus>,
    /// Who reviewed.
    pub review_by: Option<String>,
    /// When.
    pub review_at: Option<DateTime<Utc>>,
    /// Why.
    pub review_reason: Option<String>,
    /// Caps to release if it finally fails.
    pub reservations: Reservations,
    /// When it was routed.
    pub created_at: DateTime<Utc>,
    /// When it was delivered, failed, refused or cancelled.
    pub settled_at: Option<DateTime<Utc>>,
    /// The endpoint that is held and for which it waits; says nothing of a delivery that does not wait.
    pub suspended_for: Option<Uuid>,
    /// The delivery that has ended without success and whose lead this one takes to the next partner. None of the first, and of
    /// those from before this was kept.
    pub follows: Option<DeliveryId>,
    /// When the lead's values were removed.
    pub erased_at: Option<DateTime<Utc>>,
}

crate::no_relations!();

/// Compares the account without offering its index: beside a column that names a few rows the planner might take that of the
/// account and read all that the account ever delivered, as `SQLite` does as long as it knows no figures.
pub fn owned_by(account: AccountId) -> Expr {
    let column = |column: Column| Expr::col((Entity, column));
    let not_an_index = Func::coalesce([column(Column::AccountId), column(Column::Id)]);
    Expr::expr(not_an_index).eq(account)
}

impl Model {
    /// Who gets it: the partner, else the buyer.
    pub fn recipient(&self) -> Option<Uuid> {
        self.partner_id.map(|id| id.0).or(self.buyer_account_id.map(|id| id.0))
    }

    /// What its attempts say something about: the URL of these settings, or the account's mail server. None when nothing is
    /// sent anywhere.
    pub fn endpoint(&self) -> Option<Uuid> {
        endpoint(self.channel, self.account_id, self.settings_id)
    }
}

/// The endpoint of deliveries by a channel with these settings.
pub fn endpoint(channel: Channel, account: AccountId, settings: SettingsId) -> Option<Uuid> {
    match channel {
        Channel::Webhook => Some(settings.0),
        Channel::Email => Some(account.0),
        Channel::Portal | Channel::Account => None,
    }
}

/// What a recipient says of what it got.
#[derive(Clone, Debug)]
pub struct Review {
    /// Where it stands with that.
    pub status: ReviewStatus,
    /// Who says so.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Why.
    pub reason: Option<String>,
}

impl DeliveryStatus {
    /// Whether nothing more will happen by itself.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Delivered | Self::Failed | Self::Refused | Self::Cancelled)
    }
}

impl Entity {
    /// Deliveries of one account.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }

    /// What a partner's portal shows: delivered there, and nothing else.
    pub fn in_portal(account: AccountId, partner: PartnerId) -> Select<Self> {
        Self::in_account(account)
            .filter(Column::PartnerId.eq(partner))
            .filter(Column::Channel.eq(Channel::Portal))
            .filter(Column::Status.eq(DeliveryStatus::Delivered))
    }

    /// A delivery by which an account got a lead from another one.
    pub fn to_buyer(buyer: AccountId, id: DeliveryId) -> Select<Self> {
        Self::find()
            .filter(Column::Id.eq(id))
            .filter(Column::BuyerAccountId.eq(buyer))
    }

    /// Sets the review of deliveries that the caller holds locked.
    pub async fn set_review(
        db: &impl ConnectionTrait,
        ids: impl IntoIterator<Item = DeliveryId>,
        review: &Review,
    ) -> Result<Vec<Model>, DbErr> {
        let among = crate::bulk::among(db, Column::Id, ids.into_iter().map(|id| id.0));
        Self::update_many()
            .col_expr(Column::Review, Expr::value(review.status.to_value()))
            .col_expr(Column::ReviewBy, Expr::value(review.by.clone()))
            .col_expr(Column::ReviewAt, Expr::value(review.at))
            .col_expr(Column::ReviewReason, Expr::value(review.reason.clone()))
            .filter(among)
            .exec_with_returning(db)
            .await
    }

    /// Deliveries of some leads, of which there are few.
    pub fn of_leads(account: AccountId, leads: impl IntoIterator<Item = LeadId>) -> Select<Self> {
        Self::find()
            .filter(Column::LeadId.is_in(leads))
            .filter(owned_by(account))
    }

    /// Deliveries of one lead, of which there are few.
    pub fn of_lead(account: AccountId, lead: LeadId) -> Select<Self> {
        Self::find().filter(Column::LeadId.eq(lead)).filter(owned_by(account))
    }
}
