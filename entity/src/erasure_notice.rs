//! Who had a lead whose values were removed, and whether they were told: the ledger that stays, without values. A row is the job
//! of telling its recipient as well.

use crate::delivery_config::Channel;
use crate::ids::{AccountId, DeliveryId, ErasureNoticeId, LeadId, PartnerId, SettingsId};
use chrono::{DateTime, Utc};
use sea_orm::UpdateMany;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait;

/// Whether a recipient has an erased lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, async_graphql::Enum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[graphql(name = "ErasureReceived")]
pub enum Received {
    /// It was delivered.
    Delivered,
    /// The recipient saw the lead and refused it.
    Refused,
    /// An attempt was made with an unknown outcome.
    Perhaps,
}

/// Whether a recipient was notified that it must erase a lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, async_graphql::Enum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[graphql(name = "ErasureNoticeStatus")]
pub enum NoticeStatus {
    /// Waiting for the first or next attempt.
    Queued,
    /// The recipient's server took the notice.
    Sent,
    /// Given up; `error` says why. Erasing the lead again retries it.
    Failed,
    /// Nothing has to be sent: the recipient sees it in its account, or in its portal once that is enabled.
    Shown,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "erasure_notice")]
pub struct Model {
    /// Identifier, and the `webhook-id` of every try.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ErasureNoticeId,
    /// Whose lead it was.
    pub account_id: AccountId,
    /// Which lead.
    pub lead_id: LeadId,
    /// By which delivery.
    pub delivery_id: DeliveryId,
    /// Which partner had it.
    pub partner_id: Option<PartnerId>,
    /// Which account had it.
    pub buyer_account_id: Option<AccountId>,
    /// By which version of the settings: where the values went, the notice goes.
    pub settings_id: SettingsId,
    /// By what.
    pub channel: Channel,
    /// Whether it was a test.
    pub test: bool,
    /// The recipient's own name for it, unless that names the person.
    pub external_id: Option<String>,
    /// Whether the recipient had it.
    pub received: Received,
    /// When it got it, or was last tried.
    pub received_at: DateTime<Utc>,
    /// Whether it was told.
    pub status: NoticeStatus,
    /// How often that was tried.
    pub attempts: i32,
    /// When to try next; none when settled.
    pub due_at: Option<DateTime<Utc>>,
    /// A worker has it until then.
    pub lease_until: Option<DateTime<Utc>>,
    /// Tries that nobody saw the end of.
    pub interruptions: i32,
    /// What the last try said.
    pub error: Option<String>,
    /// When it was told.
    pub notified_at: Option<DateTime<Utc>>,
    /// When the values were removed.
    pub created_at: DateTime<Utc>,
}

crate::no_relations!();

impl Model {
    /// Where it goes: the URL of these settings, or the account's mail server.
    pub fn destination(&self) -> Uuid {
        crate::delivery::endpoint(self.channel, self.account_id, self.settings_id).unwrap_or(self.settings_id.0)
    }
}

impl Entity {
    /// Those of an account that are still to be sent.
    pub fn queued_in_account(account: AccountId) -> Select<Self> {
        Self::find()
            .filter(Column::AccountId.eq(account))
            .filter(Column::Status.eq(NoticeStatus::Queued))
    }

    /// Those of one lead of one account.
    pub fn of_lead(account: AccountId, lead: LeadId) -> Select<Self> {
        Self::find()
            .filter(Column::AccountId.eq(account))
            .filter(Column::LeadId.eq(lead))
    }

    /// What to try now, but for destinations that get nothing.
    pub fn due(now: DateTime<Utc>, closed: Vec<Uuid>) -> Select<Self> {
        let open = (!closed.is_empty()).then(|| crate::suspended::endpoint_of().is_not_in(closed));
        let open = sea_orm::Condition::all().add_option(open);
        Self::find()
            .filter(open)
            .filter(Expr::cust("status = 'QUEUED'"))
            .filter(Column::DueAt.lte(now))
            .filter(Column::LeaseUntil.is_null())
    }

    /// Those of them that a worker has taken and never told the end of. They may be what has ended it: they are tried one by one.
    pub fn interrupted(now: DateTime<Utc>) -> Select<Self> {
        Self::find()
            .filter(Expr::cust("status = 'QUEUED'"))
            .filter(Column::DueAt.lte(now))
            .filter(Column::LeaseUntil.lt(now))
    }

    /// One, for its worker.
    pub fn for_worker(id: ErasureNoticeId) -> Select<Self> {
        Self::find_by_id(id)
    }

    /// Gives some to a worker, and counts the try.
    pub fn lease(ids: impl IntoIterator<Item = ErasureNoticeId>, until: DateTime<Utc>) -> UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::LeaseUntil, Expr::value(until))
            .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
            .filter(Column::Id.is_in(ids))
    }

    /// Tries again what was given up.
    pub fn requeue_failed(account: AccountId, lead: LeadId, now: DateTime<Utc>) -> UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::Status, Expr::value(NoticeStatus::Queued))
            .col_expr(Column::Attempts, Expr::value(0))
            .col_expr(Column::Interruptions, Expr::value(0))
            .col_expr(Column::DueAt, Expr::value(now))
            .filter(Column::AccountId.eq(account))
            .filter(Column::LeadId.eq(lead))
            .filter(Column::Status.eq(NoticeStatus::Failed))
    }
}
