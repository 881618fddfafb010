//! A mail that the instance itself sends: resets and invitations.

use crate::ids::MailId;
use crate::invitation;
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, Query};
use sea_orm::{DeleteMany, UpdateMany};
use serde::{Deserialize, Serialize};

/// Status of an email.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MailStatus {
    /// Waiting for the first or next attempt.
    Queued,
    /// The mail server took it.
    Sent,
    /// Given up; `error` says why.
    Failed,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "mail")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MailId,
    /// The one recipient.
    pub to_address: String,
    /// Subject line.
    pub subject: String,
    /// Text and HTML, sealed with the instance's key because of the one-time links in them; gone once sent.
    pub sealed_body: Option<String>,
    /// What became of it.
    pub status: MailStatus,
    /// How often it was tried.
    pub attempts: i32,
    /// When to try next; none when settled.
    pub due_at: Option<DateTime<Utc>>,
    /// A worker has it until then.
    pub lease_until: Option<DateTime<Utc>>,
    /// Tries that nobody saw the end of.
    pub interruptions: i32,
    /// What the last try said.
    pub error: Option<String>,
    /// When the server took it.
    pub sent_at: Option<DateTime<Utc>>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

crate::no_relations!();

impl Entity {
    /// One mail.
    pub fn by_id(id: MailId) -> Select<Self> {
        Self::find_by_id(id)
    }

    /// Mails to try now.
    pub fn due(now: DateTime<Utc>) -> Select<Self> {
        Self::find()
            .filter(Column::Status.eq(MailStatus::Queued))
            .filter(Column::DueAt.lte(now))
            .filter(Column::LeaseUntil.is_null())
    }

    /// Those of them that a worker has taken and never told the end of. They may be what has ended it: they are tried one by one.
    pub fn interrupted(now: DateTime<Utc>) -> Select<Self> {
        Self::find()
            .filter(Column::Status.eq(MailStatus::Queued))
            .filter(Column::DueAt.lte(now))
            .filter(Column::LeaseUntil.lt(now))
    }

    /// Forgets mails that were sent before a time, but for those by which an invitation tells what became of its letter.
    pub fn forget_sent_before(time: DateTime<Utc>) -> DeleteMany<Self> {
        let told = Query::select()
            .column(invitation::Column::MailId)
            .from(invitation::Entity)
            .and_where(Expr::col(invitation::Column::MailId).is_not_null())
            .take();
        Self::delete_many()
            .filter(Column::Status.eq(MailStatus::Sent))
            .filter(Column::SentAt.lt(time))
            .filter(Column::Id.not_in_subquery(told))
    }

    /// Several mails.
    pub fn by_ids(ids: impl IntoIterator<Item = MailId>) -> Select<Self> {
        Self::find().filter(Column::Id.is_in(ids))
    }

    /// Takes back a mail that was not sent yet.
    pub fn withdraw(id: MailId, why: &str) -> UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::Status, Expr::value(MailStatus::Failed))
            .col_expr(Column::SealedBody, Expr::value(None::<String>))
            .col_expr(Column::DueAt, Expr::value(None::<DateTime<Utc>>))
            .col_expr(Column::Error, Expr::value(why))
            .filter(Column::Id.eq(id))
            .filter(Column::Status.eq(MailStatus::Queued))
    }

    /// Gives some mails to a worker, and counts the try.
    pub fn lease(ids: impl IntoIterator<Item = MailId>, until: DateTime<Utc>) -> UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::LeaseUntil, Expr::value(until))
            .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
            .filter(Column::Id.is_in(ids))
    }
}
